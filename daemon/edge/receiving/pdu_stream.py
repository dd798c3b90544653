"""Protocol data units over a connection."""

import io
import socket
import ssl
import time
from contextlib import suppress

from daemon.core.errors import PeerLost, ProtocolError
from daemon.dicom.protocol.pdu import HEAD, AbortReason, PduType, encode_abort

#: No PDU may be longer, whatever was negotiated: ten times what the longest A-ASSOCIATE-RQ needs, and a bound on
#: memory against a peer that announces 4 GB.
PDU_BYTES_MAX = 1 << 20

_READ_BUFFER_BYTES = 256 << 10
_LINGER_S = 2.0
_PDU_TYPES = frozenset(PduType)


class PduStream:
    """Reads and writes whole PDUs; ``timeout_s`` bounds the wait for a PDU and the time that one may take.

    On Linux the kernel delays the acknowledgement of a received piece by up to 40 ms, and a peer with Nagle's
    algorithm on waits for it before it sends its last, short piece. TCP_QUICKACK ends that wait, but the kernel
    forgets it, so it is set again after each read. TCP_NODELAY, and one write a PDU, do the same for our side.
    """

    def __init__(self, connection: socket.socket, timeout_s: float) -> None:
        self._connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._source = _Source(connection)
        self._reader = io.BufferedReader(self._source, _READ_BUFFER_BYTES)
        self.set_timeout(timeout_s)

    def set_timeout(self, timeout_s: float) -> None:
        """From now on wait this long."""
        self._connection.settimeout(timeout_s)
        self._timeout_s = timeout_s

    def secure(self) -> None:
        """Do the TLS handshake, where this is TLS.

        Raises:
            PeerLost: the peer speaks no TLS, or shows no certificate that we trust.
        """
        if isinstance(self._connection, ssl.SSLSocket):
            try:
                self._connection.do_handshake()
            except ssl.SSLError as error:
                raise PeerLost(f"TLS: {error.reason}") from error
            except OSError as error:
                raise PeerLost(f"TLS: {type(error).__name__}") from error

    def read(self) -> tuple[int, bytes]:
        """The type and the body of the next PDU.

        Raises:
            PeerLost: the connection ended or fell silent.
            ProtocolError: it is no PDU, or longer than any may be.
        """
        self._source.deadline = time.monotonic() + self._timeout_s
        pdu_type, length = HEAD.unpack(self._read_exactly(HEAD.size))
        if pdu_type not in _PDU_TYPES:
            raise ProtocolError("the peer sent something that is no PDU", AbortReason.UNRECOGNIZED_PDU)
        if length > PDU_BYTES_MAX:
            raise ProtocolError("the peer announced a PDU of absurd length", AbortReason.INVALID_PARAMETER)
        return pdu_type, self._read_exactly(length)

    def _read_exactly(self, length: int) -> bytes:
        try:
            content = self._reader.read(length)
        except OSError as error:
            raise PeerLost(f"reading failed: {type(error).__name__}") from error
        if len(content) < length:
            raise PeerLost("the peer closed the connection")
        return content

    def write(self, pdu: bytes) -> None:
        """Send a PDU in one write.

        Raises:
            PeerLost: the connection ended or the peer does not read.
        """
        try:
            self._connection.sendall(pdu)
        except OSError as error:
            raise PeerLost(f"writing failed: {type(error).__name__}") from error

    def abort(self, reason: int) -> None:
        """Tell the peer that the association ends here, as far as it still listens."""
        with suppress(PeerLost):
            self.write(encode_abort(reason))

    def finish(self) -> None:
        """Let the peer read our last PDU and close first: closing on unread bytes would reset the connection."""
        deadline = time.monotonic() + _LINGER_S
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            self._connection.settimeout(_LINGER_S)
            while time.monotonic() < deadline and self._connection.recv(_READ_BUFFER_BYTES):
                pass


class _Source(io.RawIOBase):
    """A connection as the raw source of a buffered reader."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = self._connection.recv_into(buffer)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if time.monotonic() > self.deadline:
            raise TimeoutError
        return count
