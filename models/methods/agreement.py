"""What every method holds a bundle's manifest to before it takes it."""

from collections.abc import Iterable, Iterator, Mapping

from models.bundle import BundleError
from models.manifest import Manifest
from models.physics.spectrum import feature_names
from models.statistics.presence import Presence

#: Graph -> names of its inputs and of its outputs, in their order.
Declared = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]


def hold_to(manifest: Manifest, faults: Iterable[str]) -> None:
    """Refuse a bundle for all that its manifest departs in.

    Raises:
        BundleError: there are faults.
    """
    if wrong := list(faults):
        raise BundleError(f"bundle {manifest.name}: {'; '.join(wrong)}: export the bundle again")


def graph_faults(manifest: Manifest, graphs: Declared) -> Iterator[str]:
    """How the declared graphs are not those of a method."""
    found = {
        name: (tuple(t.name for t in graph.inputs), tuple(t.name for t in graph.outputs))
        for name, graph in manifest.graphs.items()
    }
    if found != graphs:
        yield f"graphs are not {', '.join(graphs)} with the inputs and outputs of this method"


def presence_faults(manifest: Manifest, presence: Presence) -> Iterator[str]:
    """How a regression does not tell the declared causes by the spectrum."""
    if set(manifest.causes) != set(presence.causes):
        yield "causes are not those that its presence tells"
    if unknown := set(presence.names) - {*feature_names()}:
        yield f"this software does not measure what its presence reads: {', '.join(sorted(unknown))}"
