"""OpenVINO on the CPU: half of ONNX Runtime's time in float32, a quarter in bfloat16 where the CPU has it."""

import sys
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from models.bundle import BundleError
from models.engines.interface import BF16, F16, F32, EngineError, check_declared, check_given
from models.graphs import Array, Graph, Tensor

#: What it may be asked to compute in, by OpenVINO's own names.
PRECISIONS = (F32, BF16, F16)
_PRECISION = "INFERENCE_PRECISION_HINT"


class OpenVinoEngine:
    """One graph, compiled for this CPU.

    ``precision``: one of PRECISIONS; ``threads``: for one run, 0 leaves it to the runtime.

    Raises:
        EngineError: OpenVINO is not installed, or does not compute in this precision on this CPU.
        BundleError: the graph cannot be loaded, or is not what its manifest declares.
    """

    def __init__(self, graph: Graph, *, precision: str = F32, threads: int = 0) -> None:
        if precision not in PRECISIONS:
            raise EngineError(f"OpenVINO computes in {' or '.join(PRECISIONS)}, not in {precision}: choose one of them")
        self._graph = graph
        self._turn = threading.Lock()  # a request serves one run at a time
        read, model = _compile(graph, precision, threads)
        # the precision is a hint: OpenVINO takes another one without a word where the CPU lacks it
        self.precision = str(model.get_property(_PRECISION).get_type_name())
        if self.precision != precision:
            raise EngineError(
                f"precision {precision} is configured but {self.precision} is active: this CPU lacks it, write {F32}"
            )
        self.provider = f"openvino cpu {precision}"
        # compiling joins what is equal, and a port then has the names of all: the graph's own are those of before
        self._inputs = tuple(map(_tensor, read.inputs))
        self._outputs = [port.get_any_name() for port in read.outputs]
        check_declared(graph, self._inputs, map(_tensor, read.outputs))
        self._request = model.create_infer_request()

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Outputs by name for inputs by name.

        Raises:
            ValueError: an input does not fit, or holds whole numbers of more than 32 bits.
        """
        check_given(self._graph, inputs, self._inputs)
        _check_whole_numbers(inputs)
        with self._turn:
            found = self._request.infer(dict(inputs), share_inputs=True)
        return dict(zip(self._outputs, found.values(), strict=True))


def _compile(graph: Graph, precision: str, threads: int) -> tuple[Any, Any]:
    """The graph as it was read, and compiled."""
    openvino = _library()
    core = openvino.Core()
    settings = {_PRECISION: precision, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    try:
        read = core.read_model(graph.file)
        return read, core.compile_model(read, "CPU", settings)
    except RuntimeError as error:
        raise BundleError(f"{graph.file.name} cannot be loaded by OpenVINO: copy the bundle again") from error


def _library() -> Any:  # noqa: ANN401 - untyped library
    """OpenVINO without its telemetry, which tells Google Analytics of every import unless somebody opts out."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # Python's own way to forbid an import
    try:
        import openvino  # noqa: PLC0415 - only where it runs
    except ImportError as error:
        raise EngineError("OpenVINO is not installed: install the extra [cpu], or configure another engine") from error
    return openvino


def _check_whole_numbers(inputs: Mapping[str, Array]) -> None:
    """OpenVINO computes int64 in 32 bits on the CPU, and lets what does not fit overflow without a word."""
    most = np.iinfo(np.int32)
    for name, array in inputs.items():
        if array.dtype.kind in "iu" and array.size and not most.min <= array.min() <= array.max() <= most.max:
            raise ValueError(f"{name} holds numbers of more than 32 bits, which OpenVINO cannot compute with")


def _tensor(port: Any) -> Tensor:  # noqa: ANN401 - untyped library
    """What a compiled graph says of an input or output; a side that is not static is free."""
    shape = port.get_partial_shape()
    dims = tuple(side.get_length() if side.is_static else None for side in shape)
    return Tensor(name=port.get_any_name(), dtype=str(port.get_element_type().to_dtype()), dims=dims)
