"""A Triton server, by its gRPC API (KServe's Open Inference Protocol, version 2): for a card in another room.

The server holds the graphs: each as a model called BUNDLE-GRAPH, such as ``brain-t1-judge``, with the names, types and
shapes of the bundle's own file. That it is the same graph is shown by the golden record alone.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from models.engines.interface import F32, EngineError, check_declared, check_given
from models.graphs import Array, Graph, Tensor

_T = TypeVar("_T")
_PAUSE_S = 0.5
#: gRPC's own limit is 4 MiB a message.
_ANY_SIZE = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
#: The server is away, or starts: gRPC's names of that.
_PASSING = ("StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM texts: of the authorities to trust, gRPC's own without it; and ours, for servers that ask for it.

    ``server_name``: the name in the server's certificate where that is not the host's.
    """

    authorities: bytes | None = None
    key: bytes | None = None
    certificate: bytes | None = None
    server_name: str = ""


class TritonEngine:
    """One graph, run by the server at ``address`` (host:port).

    ``precision``: what its models compute in, as their owner says; ``timeout_s``: for one answer; ``patience_s``: for
    how long a server that does not answer is asked again.

    Raises:
        EngineError: the client is not installed, or the server does not answer, or does not have the graph.
        BundleError: what the server has is not what the manifest declares.
    """

    def __init__(  # noqa: PLR0913 - all but two have their defaults
        self,
        graph: Graph,
        address: str,
        *,
        precision: str = F32,
        timeout_s: float = 30.0,
        patience_s: float = 60.0,
        tls: Tls | None = None,
    ) -> None:
        self.precision = precision
        self.provider = f"triton {address} {precision}"
        self.model = f"{graph.bundle}-{graph.name}"
        self._graph = graph
        self._address = address
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._client = _connect(address, tls)
        said = self._asked(lambda: self._client.get_model_metadata(self.model, client_timeout=timeout_s))
        self._inputs = tuple(map(_tensor, said.inputs))
        self._datatypes = {tensor.name: tensor.datatype for tensor in said.inputs}
        self._outputs = [output.name for output in said.outputs]
        check_declared(graph, self._inputs, map(_tensor, said.outputs))

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Outputs by name for inputs by name.

        Raises:
            EngineError: the server does not answer, or refuses.
        """
        check_given(self._graph, inputs, self._inputs)
        given = [_given(name, inputs[name], datatype) for name, datatype in self._datatypes.items()]
        found = self._asked(lambda: self._client.infer(self.model, given, client_timeout=self._timeout_s))
        return {name: found.as_numpy(name) for name in self._outputs}

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """What the server answers; one that is away for a moment is asked again."""
        from tritonclient.utils import InferenceServerException  # noqa: PLC0415 - only where it runs

        until = time.monotonic() + self._patience_s
        while True:
            try:
                return ask()
            except InferenceServerException as error:
                if error.status() not in _PASSING:
                    raise EngineError(
                        f"the Triton server at {self._address} refuses {self.model}: {error.message()}"
                    ) from error
                if time.monotonic() >= until:
                    raise EngineError(
                        f"the Triton server at {self._address} does not answer: start it, or mend engine.host"
                    ) from error
            time.sleep(_PAUSE_S)


def _connect(address: str, tls: Tls | None) -> Any:  # noqa: ANN401 - untyped library
    try:
        from tritonclient.grpc import InferenceServerClient  # noqa: PLC0415 - only where it runs
    except ImportError as error:
        raise EngineError("Triton's client is not installed: install the extra [triton]") from error
    if tls is None:
        return InferenceServerClient(address)
    import grpc  # noqa: PLC0415 - only where it runs

    credentials = grpc.ssl_channel_credentials(tls.authorities, tls.key, tls.certificate)
    named = [("grpc.ssl_target_name_override", tls.server_name)] if tls.server_name else []
    return InferenceServerClient(address, ssl=True, creds=credentials, channel_args=[*_ANY_SIZE, *named])


def _given(name: str, array: Array, datatype: str) -> Any:  # noqa: ANN401 - untyped library
    from tritonclient.grpc import InferInput  # noqa: PLC0415 - only where it runs

    given = InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(np.ascontiguousarray(array))
    return given


def _tensor(metadata: Any) -> Tensor:  # noqa: ANN401 - untyped library
    """What the server says of an input or output; -1 is a free side."""
    from tritonclient.utils import triton_to_np_dtype  # noqa: PLC0415 - only where it runs

    dims = tuple(None if side < 0 else int(side) for side in metadata.shape)
    return Tensor(name=metadata.name, dtype=str(np.dtype(triton_to_np_dtype(metadata.datatype))), dims=dims)
