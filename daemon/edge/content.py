"""A file on disk as a content that is read where it lies."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FileContent:
    """A whole file; as :class:`daemon.core.ports.Content`, but that what it was before is not known.

    Raises:
        OSError: from every method, the file cannot be read now.
    """

    path: Path

    @property
    def length(self) -> int:
        """In bytes."""
        return self.path.stat().st_size

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, fewer only at the end."""
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def pieces(self) -> Iterator[bytes]:
        """All of it, a MiB at a time."""
        with self.path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece

    def check(self) -> None:
        """There is nothing to compare it with."""
