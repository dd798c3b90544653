"""A connection that gives so many bytes at most, and all of them within one time.

A socket's own timeout begins anew with every byte, and a library that reads lines or chunks reads them whole.
"""

import io
import socket
import time
from typing import Any

#: How much is handed to the socket at once: each part gets what is left of the time.
_PART = 1 << 16


class BoundedSocket:
    """A connected socket as ``http.client`` uses one; ``seconds`` from now on, ``most`` bytes to read in all.

    Raises:
        TimeoutError: of reading and writing, when the time is over.
        ConnectionError: of reading, when the peer sends more.
    """

    def __init__(self, connection: socket.socket, seconds: float, most: int) -> None:
        self._connection = connection
        self._end = time.monotonic() + seconds
        self._left = most

    def sendall(self, content: bytes) -> None:
        """Send all of it."""
        view = memoryview(content)
        for start in range(0, len(view), _PART):
            self._connection.settimeout(self._seconds())
            self._connection.sendall(view[start : start + _PART])

    def recv_into(self, buffer: memoryview) -> int:
        """What came, into the buffer; 0 at the end."""
        if self._left == 0:
            raise ConnectionAbortedError("the peer sends more than an answer holds")
        self._connection.settimeout(self._seconds())
        count = self._connection.recv_into(buffer[: self._left])
        self._left -= count
        return count

    def makefile(self, *_mode: str) -> io.BufferedReader:
        """A file to read from."""
        return io.BufferedReader(_Incoming(self))

    def settimeout(self, _seconds: float | None) -> None:
        """The time of the whole is what counts."""

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _seconds(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole exchange is over")
        return left


class _Incoming(io.RawIOBase):
    def __init__(self, connection: BoundedSocket) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever has a buffer
        return self._connection.recv_into(memoryview(buffer))
