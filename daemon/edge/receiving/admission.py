"""Who may come in: every connection that is open, and which one goes when there are too many.

A connection waits until it is an association. Waiting ones cost a peer nothing, so that one may open thousands: the
oldest of the address that holds most of them makes room for a new one, and whoever requests its association at once
gets in. Associations are scarce: some are kept for the scanners that the site has configured, one peer gets so many,
and one that has stored nothing for a while, whatever it echoes, makes room for another.
"""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many connections may wait, and how many associations there may be.

    ``reserved`` of ``associations`` are for known peers; ``per_peer`` is the most that one peer may hold. An
    association that stored nothing for ``idle_s`` may have to go for another one, and goes after ``idle_limit_s``; a
    connection that waits for ``request_s`` goes.
    """

    waiting: int
    associations: int
    reserved: int
    per_peer: int
    idle_s: float
    idle_limit_s: float
    request_s: float


@dataclass(eq=False, slots=True)
class Connection:
    """A peer's connection; ``since``: when it came, then when its association was accepted or last stored something."""

    socket: socket.socket
    address: str
    since: float = field(default_factory=time.monotonic)
    calling_ae: str = ""
    known: bool = False
    dropped: str = ""
    _thread: threading.Thread | None = None

    def serve_by(self, serve: Callable[["Connection"], None]) -> None:
        """Start its thread.

        Raises:
            RuntimeError: the system gives no thread.
        """
        self._thread = threading.Thread(target=serve, args=(self,), name="association", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait until its thread has ended, at most so long."""
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join(seconds)

    def progress(self) -> None:
        """It has stored something, or is about to."""
        self.since = time.monotonic()

    def drop(self, reason: str) -> None:
        """End it; its thread finds it closed, and ``reason`` here."""
        self.dropped = reason
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)  # that of SSLSocket would go on in plain text

    @property
    def _peer(self) -> tuple[str, str]:
        """Who it is: a stranger may call itself anything."""
        return self.address, self.calling_ae if self.known else ""


class Admission:
    """Knows every open connection; ``known`` are the calling AE titles of the site's scanners."""

    def __init__(self, limits: Limits, known: frozenset[str]) -> None:
        self._limits = limits
        self._known = known
        self._reserved = min(limits.reserved, limits.associations - 1) if known else 0
        self._waiting: dict[Connection, None] = {}  # in the order in which they came
        self._associated: dict[Connection, None] = {}
        self._lock = threading.Lock()

    def arrive(self, connection: Connection) -> Connection | None:
        """Let a connection wait; the one that was dropped for it, if any."""
        with self._lock:
            victim = self._oldest_of_the_most() if len(self._waiting) >= self._limits.waiting else None
            self._drop(victim, "too many connections wait")
            self._waiting[connection] = None
        return victim

    def relieve(self) -> Connection | None:
        """Drop a waiting connection, if there is one, for want of file descriptors."""
        with self._lock:
            victim = self._oldest_of_the_most()
            self._drop(victim, "no file descriptor is left")
        return victim

    def associate(self, connection: Connection, calling_ae: str) -> bool:
        """Whether a waiting connection may become an association; room is made for it where somebody is idle."""
        with self._lock:
            if connection not in self._waiting:
                return False
            connection.calling_ae, connection.known = calling_ae, calling_ae in self._known
            while (rivals := self._rivals(connection)) is not None:
                victim = self._most_idle(rivals)
                if victim is None:
                    return False
                self._drop(victim, "idle, and another needs its place")
            del self._waiting[connection]
            self._associated[connection] = None
            connection.progress()
            return True

    def retire(self, connection: Connection) -> None:
        """Its association has ended; it waits again, for the peer to close it."""
        with self._lock:
            if connection in self._associated:
                del self._associated[connection]
                connection.progress()
                self._waiting[connection] = None

    def leave(self, connection: Connection) -> None:
        """It has ended."""
        with self._lock:
            self._waiting.pop(connection, None)
            self._associated.pop(connection, None)

    def sweep(self) -> None:
        """Drop what has waited or idled for too long."""
        now = time.monotonic()
        with self._lock:
            for connection in [one for one in self._waiting if now - one.since > self._limits.request_s]:
                self._drop(connection, "no association was requested in time")
            for connection in [one for one in self._associated if now - one.since > self._limits.idle_limit_s]:
                self._drop(connection, "nothing was stored for too long")

    def open(self) -> list[Connection]:
        """All that are open."""
        with self._lock:
            return [*self._waiting, *self._associated]

    def _rivals(self, newcomer: Connection) -> list[Connection] | None:
        """Those of whom one must go before ``newcomer`` may come in; None where there is room."""
        own = [one for one in self._associated if one._peer == newcomer._peer]  # noqa: SLF001 - of this module
        if len(own) >= self._limits.per_peer:
            return own
        strangers = [one for one in self._associated if not one.known]
        if not newcomer.known and len(strangers) >= self._limits.associations - self._reserved:
            return strangers
        if len(self._associated) >= self._limits.associations:
            return strangers if strangers or not newcomer.known else [*self._associated]
        return None

    def _most_idle(self, rivals: list[Connection]) -> Connection | None:
        oldest = min(rivals, key=lambda one: one.since, default=None)
        idle = oldest is not None and time.monotonic() - oldest.since >= self._limits.idle_s
        return oldest if idle else None

    def _oldest_of_the_most(self) -> Connection | None:
        """The oldest waiting connection of the address that has most of them."""
        crowds = Counter(one.address for one in self._waiting)
        most = max(crowds.values(), default=0)
        return next((one for one in self._waiting if crowds[one.address] == most), None)

    def _drop(self, connection: Connection | None, reason: str) -> None:
        if connection is not None:
            self._waiting.pop(connection, None)
            self._associated.pop(connection, None)
            connection.drop(reason)
