"""A data set on its way into the spool."""

import errno
import os
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

Fragment = bytes | bytearray | memoryview

_VECTOR = 1024  # buffers that one write call takes (IOV_MAX)
#: Once there is a file, so much is gathered for each write.
_SPILL_BYTES = 1 << 20
#: Smaller fragments are copied together.
_KEPT_BYTES = 4096


class Draft:
    """An encoded data set while it arrives: in memory as long as it is small, then in an unnamed file of ``folder``.

    It holds ``memory_bytes`` at most, in however many fragments they come, and takes a third more memory at most.

    A failing disk is not raised by ``add`` but kept in ``error``: the peer is still sending, and gets its answer
    after the last fragment. So is a disk without room, as ``has_room`` says: what is never finished must not fill it.
    """

    def __init__(self, folder: Path, memory_bytes: int, has_room: Callable[[], bool] = lambda: True) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._has_room = has_room
        self._pieces: list[Fragment] = []
        self._held = 0
        self._file: IO[bytes] | None = None
        self.length = 0
        self.checksum = 0
        self.error: OSError | None = None

    def add(self, fragment: Fragment) -> None:
        """Take the next piece."""
        self.length += len(fragment)
        self.checksum = zlib.crc32(fragment, self.checksum)
        self._hold(fragment)
        if self._held > self._memory_bytes or (self._file and self._held > _SPILL_BYTES):
            self._spill()

    def _hold(self, fragment: Fragment) -> None:
        """Keep a fragment as it is, where it is most of its PDU; else copy it behind the one before."""
        self._held += len(fragment)
        whole = memoryview(fragment.obj).nbytes if isinstance(fragment, memoryview) else len(fragment)
        if len(fragment) >= _KEPT_BYTES and 4 * len(fragment) >= 3 * whole:
            self._pieces.append(fragment)
        elif self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += fragment
        elif fragment:
            self._pieces.append(bytearray(fragment))

    def _spill(self) -> None:
        pieces, self._pieces, self._held = self._pieces, [], 0
        if self.error is not None:
            return
        try:
            if not self._has_room():
                self.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return
            self._file = self._file or tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - close() is ours
            write_fully(self._file.fileno(), pieces)
        except OSError as error:
            self.error = error

    def write(self, descriptor: int, front: bytes) -> None:
        """Append ``front`` and the data set to a file; what lies in the unnamed file is copied by the kernel.

        Raises:
            OSError: the write failed.
        """
        if self._file is None:
            write_fully(descriptor, [front, *self._pieces])
            return
        self._spill()
        if self.error is not None:
            raise self.error
        write_fully(descriptor, [front])
        offset = 0
        while offset < self.length:
            copied = os.sendfile(descriptor, self._file.fileno(), offset, self.length - offset)
            if not copied:
                raise OSError(errno.EIO, "a data set on its way was cut short")
            offset += copied

    def content(self) -> bytes:
        """All that was added; for what is small."""
        if self._file is None:
            return b"".join(self._pieces)
        return os.pread(self._file.fileno(), self.length, 0) + b"".join(self._pieces)

    def close(self) -> None:
        """Free the memory, and the unnamed file if there is one."""
        self._pieces = []
        if self._file:
            self._file.close()


def write_fully(descriptor: int, buffers: Sequence[Fragment]) -> None:
    """Write all buffers at the file's position; one call for up to 1024 of them.

    Raises:
        OSError: the write failed; part of the bytes may be written.
    """
    for start in range(0, len(buffers), _VECTOR):
        vector = buffers[start : start + _VECTOR]
        written = os.writev(descriptor, vector)
        if written < sum(map(len, vector)):
            _write_rest(descriptor, memoryview(b"".join(vector))[written:])


def _write_rest(descriptor: int, rest: memoryview) -> None:
    """What a short write left: a disk that is full says so now."""
    while rest:
        rest = rest[os.write(descriptor, rest) :]
