"""The golden record: what each graph of a bundle gave its maker for the golden series, and how near a host must come.

An output is recorded as values spread evenly over it: enough to see that a runtime computes something else, small
enough to ship.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle, BundleError
from models.graphs import Array, Engine, Run

#: Values of each output in the record.
_VALUES = 4096
_SEPARATOR = "/"

#: Graph -> output -> recorded values, float32 (at most _VALUES,).
Record = Mapping[str, Mapping[str, npt.NDArray[np.float32]]]


class Recorder:
    """A graph that remembers what its first run gave."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.values: Mapping[str, npt.NDArray[np.float32]] = {}

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Outputs by name for inputs by name."""
        outputs = self._run(inputs)
        self.values = self.values or {name: spread(output) for name, output in outputs.items()}
        return outputs


def spread(output: Array) -> npt.NDArray[np.float32]:
    """At most _VALUES values at even distances in C order, the first and the last among them."""
    flat = np.asarray(output).ravel()
    places = np.linspace(0, flat.size - 1, min(flat.size, _VALUES)).astype(np.int64)
    return flat[places].astype(np.float32)


def save_record(path: Path, record: Record) -> None:
    """Write a record as one file of arrays."""
    values = {f"{graph}{_SEPARATOR}{name}": v for graph, outputs in record.items() for name, v in outputs.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **values)


def load_record(path: Path) -> Record:
    """Read a record."""
    record: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays:
            graph, _, name = key.partition(_SEPARATOR)
            record.setdefault(graph, {})[name] = arrays[key]
    return record


def check_outputs(bundle: Bundle, engines: Mapping[str, Engine], found: Mapping[str, Recorder]) -> None:
    """Hold every output of every graph to the record, within the tolerance of the precision that it ran in.

    Raises:
        BundleError: an output is not recorded, or further from its record than the bundle allows.
    """
    golden = bundle.manifest.golden
    record = load_record(bundle.file(golden.outputs))
    for graph, recorder in found.items():
        if unlike := set(recorder.values) ^ set(record.get(graph, {})):
            raise BundleError(
                f"{', '.join(sorted(unlike))} of {graph} is not in the golden record or not in the graph: export the "
                "bundle again"
            )
        tolerated = golden.tolerance_of(engines[graph].precision).outputs
        for name, values in recorder.values.items():
            difference = relative_difference(values, record[graph][name])
            if not difference <= tolerated:  # what is no number is beyond it too
                raise BundleError(
                    f"the golden test failed on this machine: {name} of {graph} by {engines[graph].provider} is "
                    f"{difference:.2g} off, {tolerated:.2g} is tolerated: configure another engine"
                )


def relative_difference(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> float:
    """||found - expected|| / ||expected||; infinite where their numbers of values differ."""
    if found.shape != expected.shape:
        return float("inf")
    size = float(np.linalg.norm(expected.astype(np.float64)))
    return float(np.linalg.norm(found.astype(np.float64) - expected)) / (size or 1.0)
