"""ONNX Runtime: on the CPU, on a card by CUDA, or on a card by TensorRT."""

import re
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from models.bundle import BundleError
from models.engines.interface import BF16, F16, F32, EngineError, Tell, check_declared, check_given
from models.engines.progress import reporting_progress
from models.graphs import Array, Graph, Tensor

#: What a device is called here, and in ONNX Runtime.
PROVIDERS = MappingProxyType(
    {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
)
#: What each computes graphs of float32 in.
PRECISIONS = MappingProxyType({"cpu": (F32,), "cuda": (F32,), "tensorrt": (F32, BF16, F16)})

#: ONNX Runtime's exceptions share no base of their own.
_REFUSALS = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
_ERRORS_ONLY = 3
_TYPE = re.compile(r"tensor\((\w+)\)")
_DTYPES = MappingProxyType({"float": "float32", "double": "float64", "bfloat16": "float32"})


class OnnxRuntimeEngine:
    """One graph in a session of ONNX Runtime.

    ``device``: one of PROVIDERS; ``precision``: one of its PRECISIONS; ``threads``: for one run, 0 leaves it to the
    runtime. TensorRT makes an engine of its own of each graph whose declared inputs have one shape only, once for each
    card, and keeps it in ``cache``; it would do so again for each new shape of any other graph, which CUDA runs.

    Raises:
        EngineError: the device is not there, or does not compute in this precision.
        BundleError: the graph cannot be loaded, or is not what its manifest declares.
    """

    def __init__(  # noqa: PLR0913 - all but one have their defaults
        self,
        graph: Graph,
        *,
        device: str = "cpu",
        precision: str = F32,
        threads: int = 0,
        card: int = 0,
        cache: Path | None = None,
        tell: Tell = lambda _: None,
    ) -> None:
        if precision not in PRECISIONS.get(device, ()):
            raise EngineError(
                f"ONNX Runtime computes in {' or '.join(PRECISIONS.get(device, ('nothing',)))} on {device!r}, not in "
                f"{precision}: choose one of them"
            )
        if device == "tensorrt" and not _of_one_shape(graph):
            device, precision = "cuda", F32
        self.precision = precision
        self.provider = f"onnxruntime {device} {precision}"
        self._graph = graph
        compiles = device == "tensorrt"
        word = f"TensorRT makes an engine of {graph.name} for this card, once: it takes minutes"
        with reporting_progress(word, tell) if compiles else nullcontext():
            self._session = _load(graph, threads, _chain(device, precision, card, cache))
            self.inputs = tuple(map(_tensor, self._session.get_inputs()))
            self.outputs = tuple(map(_tensor, self._session.get_outputs()))
            self._check(device)
            if compiles:  # where sides have names in the file, the shape is known from the first run on
                self._session.run(None, _nothing(graph))

    def _check(self, device: str) -> None:
        # get_available_providers() lists what the wheel was built with; only the session tells what really runs
        active = self._session.get_providers()[0]
        if active != PROVIDERS[device]:
            raise EngineError(
                f"{device} is configured but {active} is active: install the matching extra ([cpu] or [gpu]) and "
                "driver, or configure another engine"
            )
        check_declared(self._graph, self.inputs, self.outputs)

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Outputs by name for inputs by name."""
        check_given(self._graph, inputs, self.inputs)
        names = [output.name for output in self.outputs]
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))


def _load(graph: Graph, threads: int, chain: list[tuple[str, dict[str, str]]]) -> Any:  # noqa: ANN401 - untyped library
    import onnxruntime  # noqa: PLC0415 - only where it runs
    from onnxruntime.capi import onnxruntime_pybind11_state as states  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(graph.file, options, providers=chain)
    except tuple(getattr(states, name) for name in _REFUSALS) as error:
        raise BundleError(
            f"{graph.file.name} cannot be loaded ({type(error).__name__}): copy the bundle again"
        ) from error


def _nothing(graph: Graph) -> dict[str, Array]:
    return {tensor.name: np.zeros([side or 0 for side in tensor.dims], tensor.dtype) for tensor in graph.inputs}


def _of_one_shape(graph: Graph) -> bool:
    return bool(graph.inputs) and all(tensor.fixed for tensor in graph.inputs)


def _chain(device: str, precision: str, card: int, cache: Path | None) -> list[tuple[str, dict[str, str]]]:
    """The wanted provider first; the others take the operators it lacks.

    TF32 is off: its mantissa has ten bits, and what is asked for is float32.
    """
    cpu = (PROVIDERS["cpu"], dict[str, str]())
    if device == "cpu":
        return [cpu]
    cuda = (PROVIDERS["cuda"], {"device_id": str(card), "use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"})
    if device == "cuda":
        return [cuda, cpu]
    options = {
        "device_id": str(card),
        "trt_fp16_enable": str(precision == F16),
        "trt_bf16_enable": str(precision == BF16),
    }
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        kept = {"trt_engine_cache_enable": "True", "trt_engine_cache_path": str(cache)}
        options |= kept | {"trt_timing_cache_enable": "True", "trt_timing_cache_path": str(cache)}
    return [(PROVIDERS["tensorrt"], options), cuda, cpu]


def _tensor(node: Any) -> Tensor:  # noqa: ANN401 - untyped library
    """What a session says of an input or output; a side with a name is free."""
    match = _TYPE.fullmatch(node.type)
    kind = match[1] if match else "object"
    dims = tuple(side if isinstance(side, int) else None for side in node.shape or ())
    return Tensor(name=node.name, dtype=_DTYPES.get(kind, kind), dims=dims)
