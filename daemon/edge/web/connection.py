"""One HTTP connection, bounded: how long a request's head may take, how many connections there are, how many a client.

A head that never ends costs a descriptor for as long as it is waited for, and a process has some hundreds of them.
Where there are too many connections, the one goes that has waited longest for a head, idle or slow: whoever has
something to ask asks at once.
"""

import asyncio
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``head_s``: from a request's first byte, or from the connection, to the end of its head, in seconds.

    ``client_connections_max`` is not for this machine: a proxy there stands for everybody.
    """

    connections_max: int = 320
    client_connections_max: int = 64
    head_s: float = 10.0
    head_bytes_max: int = 16 << 10
    idle_s: int = 15


class BoundedProtocol(H11Protocol):
    """Uvicorn's protocol within ``limits``; ``waiting_since``: the loop's time, None while a request is answered."""

    limits = Limits()
    waiting_since: float | None = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the head of the first request, and give way if that makes one too many."""
        super().connection_made(transport)
        self._wait()
        self._expect_head()
        surplus = self._surplus()
        if surplus is not None:
            surplus.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a head have until its deadline to be all."""
        super().data_received(data)
        if self._answering:
            self.waiting_since = None
            self._expect_nothing()
        elif self._deadline is None:
            self._expect_head()

    def on_response_complete(self) -> None:
        """Idle from here, unless the next request is there already."""
        super().on_response_complete()
        if not self._answering:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._expect_nothing()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self.waiting_since = self.loop.time()

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(self.limits.head_s, self.transport.abort)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _surplus(self) -> "BoundedProtocol | None":
        """Which connection is one too many, if any; this one where all others are being answered."""
        standing = [
            one for one in self.connections if isinstance(one, BoundedProtocol) and not one.transport.is_closing()
        ]
        of_client = [one for one in standing if _host(one) == _host(self)]
        if len(of_client) > self.limits.client_connections_max and not _is_local(_host(self)):
            standing = of_client
        elif len(standing) <= self.limits.connections_max:
            return None
        waiting = [one for one in standing if one.waiting_since is not None]
        return min(waiting, key=lambda one: one.waiting_since or 0.0, default=self)


def bounded_protocol(limits: Limits) -> type[BoundedProtocol]:
    """The class of connections within ``limits``; uvicorn makes them."""
    return type("BoundedProtocol", (BoundedProtocol,), {"limits": limits})


def _host(connection: Any) -> str:  # noqa: ANN401 - uvicorn's address: a pair, or nothing
    return connection.client[0] if connection.client else ""


def _is_local(host: str) -> bool:
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
