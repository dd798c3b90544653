"""What every method holds a bundle's manifest to before it takes it."""

from collections.abc import Iterable, Iterator, Mapping

from models.bundle import BundleError
from models.manifest import Manifest

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
