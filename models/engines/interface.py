"""What all engines share: their errors, and the check of a loaded graph against what its manifest declares.

The daemon, training and export run graphs, and stand on ``models`` alone in common: so the engines are here. Who only
reads a configuration must not load a runtime.
"""

from collections.abc import Callable, Iterable, Mapping

from models.bundle import BundleError
from models.graphs import Array, Graph, Tensor

#: Hears, in a sentence, what takes long.
Tell = Callable[[str], None]

F32, BF16, F16 = "f32", "bf16", "f16"


class EngineError(Exception):
    """The engine is not what was asked for, or does not answer; the message says what to do."""


def check_declared(graph: Graph, inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> None:
    """Hold a loaded graph to its manifest; a manifest of before declarations is believed.

    Raises:
        BundleError: an input or output is missing, or too many, or of another type or shape.
    """
    if graph.inputs:
        _check(graph, "input", {tensor.name: tensor for tensor in inputs}, graph.inputs)
    if graph.outputs:
        _check(graph, "output", {tensor.name: tensor for tensor in outputs}, graph.outputs)


def check_given(graph: Graph, given: Mapping[str, Array], inputs: Iterable[Tensor]) -> None:
    """Hold what a graph is given to what it takes.

    Raises:
        ValueError: the method gives other arrays than its graph takes: a fault of ours.
    """
    for tensor in inputs:
        array = given.get(tensor.name)
        if array is None or not tensor.allows(Tensor(name=tensor.name, dtype=str(array.dtype), dims=array.shape)):
            what = "nothing" if array is None else f"{array.dtype} {array.shape}"
            raise ValueError(f"{graph.name} takes {tensor}, but is given {what}")


def _check(graph: Graph, kind: str, found: Mapping[str, Tensor], declared: tuple[Tensor, ...]) -> None:
    for tensor in declared:
        if tensor.name not in found:
            raise BundleError(_refusal(graph, f"has no {kind} {tensor.name}"))
        if not _agree(found[tensor.name], tensor, kind):
            raise BundleError(_refusal(graph, f"has {kind} {found[tensor.name]}, declared is {tensor}"))
    if more := sorted(set(found) - {tensor.name for tensor in declared}):
        raise BundleError(_refusal(graph, f"has {kind} {', '.join(more)} besides"))


def _agree(found: Tensor, declared: Tensor, kind: str) -> bool:
    """An input must take whatever is declared; an output may be known less well to the runtime than to its maker."""
    return found.allows(declared) or (kind == "output" and declared.allows(found))


def _refusal(graph: Graph, what: str) -> str:
    return f"{graph.file.name} of bundle {graph.bundle} {what}: export the bundle again"
