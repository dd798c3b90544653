"""ONNX Runtime behind the Engine protocol: the configured provider must be the active one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt

from daemon.core.bounds import OneOf, Range
from daemon.core.errors import ConfigError
from models.bundle import BundleError

#: How the configuration names providers, and what ONNX Runtime calls them.
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}

#: ONNX Runtime's exceptions share no base of their own.
_REFUSALS = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How graphs are run.

    ``provider``: one of PROVIDERS; ``threads``: per inference, 0 leaves it to the runtime; ``strict``: refuse to
    start on another provider than the configured one (otherwise start on the CPU and say so).
    """

    provider: Annotated[str, OneOf(tuple(PROVIDERS))] = "cpu"
    threads: Annotated[int, Range(0, 1024, "0 leaves it to the runtime")] = 0
    strict: bool = True


class OnnxEngine:
    """One graph in an ONNX Runtime session.

    Raises:
        ConfigError: the provider is unknown, or not the active one and ``strict`` is set.
        BundleError: the graph cannot be loaded.
    """

    def __init__(self, graph: Path, settings: EngineSettings) -> None:
        # imported where it is used: the receiver reads the configuration too, and must stay light
        import onnxruntime  # noqa: PLC0415
        from onnxruntime.capi import onnxruntime_pybind11_state as states  # noqa: PLC0415

        wanted = PROVIDERS.get(settings.provider)
        if wanted is None:
            raise ConfigError(f"unknown provider {settings.provider!r}: choose one of {', '.join(PROVIDERS)}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=_chain(wanted))
        except tuple(getattr(states, name) for name in _REFUSALS) as error:
            raise BundleError(
                f"{graph.name} cannot be loaded ({type(error).__name__}): copy the bundle again"
            ) from error
        # get_available_providers() lists what the wheel was built with; only the session tells what really runs
        if self.provider != wanted and settings.strict:
            raise ConfigError(
                f"provider {settings.provider!r} is configured but {self.provider} is active: install the matching "
                "extra ([cpu] or [gpu]) and driver, or set engine.strict = false to run there"
            )

    @property
    def provider(self) -> str:
        """The execution provider that is really active."""
        return str(self._session.get_providers()[0])

    def run(self, inputs: Mapping[str, npt.NDArray[np.float32]]) -> Mapping[str, npt.NDArray[np.float32]]:
        """Outputs by name for inputs by name."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))


def _chain(wanted: str) -> list[str]:
    """The wanted provider first; the CPU takes the operators it lacks."""
    return [wanted] if wanted == PROVIDERS["cpu"] else [wanted, PROVIDERS["cpu"]]
