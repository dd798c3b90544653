"""The page's server: uvicorn in a thread of its own, with a clean stop."""

import socket
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Self

import structlog
import uvicorn
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Scope

from daemon.core.errors import ConfigError
from daemon.core.people.access import Refusal
from daemon.edge.web.app import make_app, make_metrics_app
from daemon.edge.web.connection import Limits, bounded_protocol
from daemon.edge.web.guards import Refuse, guarded
from daemon.edge.web.sources import Sources

#: A tablet that went to sleep without a word is forgotten when nothing was acknowledged for so long.
_SILENCE_MS = 30_000
_BACKLOG = 128
#: Given to what is being answered when the server stops.
STOP_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen: 127.0.0.1 is for this machine only, port 0 takes a free one, see ``WebServer.port``.

    ``hosts``: by which names it is reached, besides ``host`` and this machine's own; requests to others are refused.
    """

    host: str = "127.0.0.1"
    port: int = 0
    hosts: Collection[str] = ()
    limits: Limits = field(default_factory=Limits)


def serve(sources: Sources, registry: CollectorRegistry, address: Address) -> "WebServer":
    """Serve the page in a thread of its own, until ``stop``; ``registry`` is what ``/metrics`` shows.

    Raises:
        ConfigError: the address cannot be bound.
    """
    stopping = threading.Event()
    return _serve(make_app(sources, registry, stopping), address, stopping, sources.gate.refuse)


def serve_metrics(registry: CollectorRegistry, address: Address) -> "WebServer":
    """Serve ``/metrics`` alone, within the same bounds.

    Raises:
        ConfigError: the address cannot be bound.
    """
    return _serve(make_metrics_app(registry), address, threading.Event(), _tell_nobody)


def _serve(app: ASGIApp, address: Address, stopping: threading.Event, refuse: Refuse) -> "WebServer":
    limits = address.limits
    config = uvicorn.Config(
        guarded(app, {address.host, *address.hosts}, refuse),
        loop="asyncio",
        http=bounded_protocol(limits),
        h11_max_incomplete_event_size=limits.head_bytes_max,
        timeout_keep_alive=limits.idle_s,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=STOP_S,
    )
    return WebServer(uvicorn.Server(config), listen(address.host, address.port), stopping)


async def _tell_nobody(scope: Scope, why: Refusal) -> None:
    """A worker has no trail: its metrics are for nobody but Prometheus."""


class WebServer:
    """A running server; as a context manager it stops at the end of the block."""

    def __init__(self, server: uvicorn.Server, listener: socket.socket, stopping: threading.Event) -> None:
        self.port: int = listener.getsockname()[1]
        self._server = server
        self._stopping = stopping
        self._thread = threading.Thread(target=server.run, args=([listener],), name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the streams, finish what is being answered, and return when the thread is gone.

        A board that hangs must not hold up the end of the daemon: after a while the thread is left to die with it.
        """
        self._stopping.set()
        self._server.should_exit = True
        self._thread.join(2 * STOP_S)
        if self._thread.is_alive():
            structlog.get_logger().warning("page did not stop", timeout_s=2 * STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket whose connections end when a peer falls silent.

    Raises:
        ConfigError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(f"cannot serve the page on {host}:{port} ({error.strerror}): choose another port") from error
    # Accepted connections inherit this (tcp(7)).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_MS)
    return listener
