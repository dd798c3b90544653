"""A file on disk as a content that is read where it lies."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.core.errors import SpoolError

_PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FileContent:
    """A whole file; as :class:`daemon.core.ports.Content`, but that what it was before is not known."""

    path: Path

    @property
    def length(self) -> int:
        """In bytes.

        Raises:
            OSError: there is no such file now.
        """
        return self.path.stat().st_size

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, fewer only at the end.

        Raises:
            SpoolError: the file cannot be read now; caused by the OSError that says why.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise SpoolError(f"a file cannot be read ({error.strerror}): see to it, then try again") from error

    def pieces(self) -> Iterator[bytes]:
        """All of it, a MiB at a time.

        Raises:
            SpoolError: as ``read``.
        """
        for offset in range(0, self.length, _PIECE_BYTES):
            yield self.read(offset, _PIECE_BYTES)

    def check(self) -> None:
        """There is nothing to compare it with."""
