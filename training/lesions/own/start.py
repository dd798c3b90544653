"""The lesion bundle that a site's own training goes on from: its locator, its method, its network."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cattrs import Converter

from models.brain.prediction import LOCATOR_GRAPH
from models.bundle import Bundle, BundleError, load_bundle
from models.graphs import Run
from models.lesions.prediction import GRAPH
from models.methods.lesions import ROLE, Lesions, LesionSettings
from models.nets.lesions import LesionConfig
from models.nets.unet import TrunkConfig
from models.preprocess import Shape
from training.graphs import graphs_of
from training.lesions.network import ServedNet, load_network, run_of

#: Voxels about the served box on each side: where a moved head comes from.
MARGIN = 8
#: The network of one contrast.
CONFIG = LesionConfig(trunk=TrunkConfig(inputs=1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """A ``bundle`` of FLAIR alone, with what runs its ``graphs``."""

    bundle: Bundle
    graphs: Mapping[str, Run]

    @property
    def settings(self) -> LesionSettings:
        """As the bundle has them."""
        return Lesions(self.bundle).settings

    @property
    def weights(self) -> Path:
        """The graph that training goes on from."""
        return self.bundle.file(self.bundle.manifest.graphs[GRAPH].file)

    def method(self, *, threshold: float | None = None, box: Shape | None = None) -> Lesions:
        """The bundle's, from another probability on, or on another box."""
        settings = self.settings
        grid = replace(settings.grid, box=box or settings.grid.box)
        asked = settings.threshold if threshold is None else threshold
        plain = Converter().unstructure(replace(settings, grid=grid, threshold=asked))
        return Lesions(replace(self.bundle, manifest=replace(self.bundle.manifest, settings=plain)))

    def run(self, network: ServedNet) -> dict[str, Run]:
        """The graphs with another network in the place of the bundle's."""
        return {**self.graphs, GRAPH: run_of(network)}


def load_start(folder: Path) -> Start:
    """The bundle in ``folder``.

    Raises:
        BundleError: it is none of lesions, or takes more than a FLAIR.
    """
    bundle = load_bundle(folder)
    if bundle.manifest.method != "lesions" or set(bundle.manifest.graphs) != {LOCATOR_GRAPH, GRAPH}:
        raise BundleError(f"{bundle.manifest.name} is no bundle of lesions: give --start one, or leave it out")
    if tuple(bundle.manifest.inputs) != (ROLE,):
        raise BundleError(f"{bundle.manifest.name} takes more than a FLAIR: give --start a bundle of FLAIR alone")
    return Start(bundle=bundle, graphs=graphs_of(bundle))


def own_network(checkpoint: Path) -> ServedNet:
    """The network of a run that went on from such a bundle, or of the bundle's own graph."""
    return load_network(checkpoint, CONFIG)
