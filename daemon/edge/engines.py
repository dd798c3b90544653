"""Engines as the configuration names them, one class a kind, and what is made of each (``models/engines``)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from daemon.core.bounds import Host, OneOf, Port, Range, Timeout
from daemon.core.errors import ConfigError
from daemon.edge.tls import TlsSettings
from models.engines.interface import BF16, F16, F32, EngineError, Tell
from models.engines.onnxruntime import PROVIDERS, OnnxRuntimeEngine
from models.engines.openvino import OpenVinoEngine
from models.engines.triton import Tls, TritonEngine
from models.graphs import Engine, Graph

Precision = Annotated[str, OneOf((F32, BF16, F16))]
Threads = Annotated[int, Range(0, 1024, "0 leaves it to the runtime")]
#: What runs a graph.
MakeEngine = Callable[[Graph], Engine]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxRuntimeSettings:
    """``kind = "onnxruntime"``.

    ``provider``: cpu, cuda or tensorrt; ``precision``: f32, with TensorRT also bf16 and f16; ``threads``: for one run,
    0 leaves it to the runtime; ``card``: which one, where there are several.
    """

    provider: Annotated[str, OneOf(tuple(PROVIDERS))] = "cpu"
    precision: Precision = F32
    threads: Threads = 0
    card: Annotated[int, Range(0, 63)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVinoSettings:
    """``kind = "openvino"``, on the CPU.

    ``precision``: f32, bf16 or f16, which the CPU must have; ``threads``: for one run, 0 leaves it to the runtime.
    """

    precision: Precision = F32
    threads: Threads = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonSettings:
    """``kind = "triton"``: a server's gRPC port; without ``tls`` the images go there in plain text.

    ``precision``: what its models compute in; ``timeout_s``: for one answer; ``patience_s``: for how long a server that
    is away is asked again, before the series is given up.
    """

    host: Host
    port: Port = 8001
    precision: Precision = F32
    timeout_s: Timeout = 30.0
    patience_s: Timeout = 60.0
    tls: TlsSettings | None = None


EngineSettings = OnnxRuntimeSettings | OpenVinoSettings | TritonSettings
ENGINES: Mapping[str, type[EngineSettings]] = {
    "onnxruntime": OnnxRuntimeSettings,
    "openvino": OpenVinoSettings,
    "triton": TritonSettings,
}


def default_kind() -> str:
    """The kind where none is configured: OpenVINO where it is installed (extra [cpu]), else ONNX Runtime."""
    return "openvino" if find_spec("openvino") else "onnxruntime"


def default_engine() -> EngineSettings:
    """The default kind as it is by default."""
    return OpenVinoSettings() if default_kind() == "openvino" else OnnxRuntimeSettings()


def kind_of(settings: EngineSettings) -> str:
    """How the configuration calls an engine."""
    return next(kind for kind, settings_class in ENGINES.items() if isinstance(settings, settings_class))


def engine_maker(settings: EngineSettings, cache: Path, tell: Tell = lambda _: None) -> MakeEngine:
    """Makes what runs a graph; ``cache``: folder of what is compiled once, ``tell``: hears what takes minutes.

    It raises a ConfigError where the configured engine is not the active one, and a BundleError where the graph cannot
    be loaded, or is not what its manifest declares.
    """
    return partial(_make_or_say, settings=settings, cache=cache, tell=tell)


def _make_or_say(graph: Graph, settings: EngineSettings, cache: Path, tell: Tell) -> Engine:
    try:
        return _make(graph, settings, cache, tell)
    except EngineError as error:
        raise ConfigError(str(error)) from error


def _make(graph: Graph, settings: EngineSettings, cache: Path, tell: Tell) -> Engine:
    match settings:
        case OnnxRuntimeSettings():
            return OnnxRuntimeEngine(
                graph,
                device=settings.provider,
                precision=settings.precision,
                threads=settings.threads,
                card=settings.card,
                cache=cache / graph.digest,
                tell=tell,
            )
        case OpenVinoSettings():
            return OpenVinoEngine(graph, precision=settings.precision, threads=settings.threads)
        case TritonSettings():
            return TritonEngine(
                graph,
                f"{settings.host}:{settings.port}",
                precision=settings.precision,
                timeout_s=settings.timeout_s,
                patience_s=settings.patience_s,
                tls=_tls(settings.tls),
            )


def _tls(settings: TlsSettings | None) -> Tls | None:
    if settings is None:
        return None
    files = (settings.ca_file, settings.key_file, settings.certificate_file)
    try:
        authorities, key, certificate = (file.read_bytes() if file else None for file in files)
    except OSError as error:
        raise ConfigError(f"engine.tls: {error.filename} cannot be read ({error.strerror}): give a PEM file") from error
    return Tls(authorities=authorities, key=key, certificate=certificate, server_name=settings.server_name)
