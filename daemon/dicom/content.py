"""Encoded objects as bytes that are read piece by piece, wherever they lie, and never more of them than is allowed."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Final

from daemon.core.errors import SpoolError
from daemon.core.ports import Content

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Read at once: most headers.
_BUFFER_BYTES: Final = 1 << 16
#: An item costs as much memory as so many elements; its tag in either byte order (PS3.5, 7.5).
_ITEM_WEIGHT: Final = 8
_ITEM_TAGS: Final = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")


@dataclass(frozen=True, slots=True)
class InMemory:
    """Content that is in memory already."""

    whole: bytes

    @property
    def length(self) -> int:
        """In bytes."""
        return len(self.whole)

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, fewer only at the end."""
        return self.whole[offset : offset + length]

    def pieces(self) -> Iterator[bytes]:
        """All of it."""
        yield self.whole

    def check(self) -> None:
        """Nothing can have happened to it."""


@dataclass(frozen=True, slots=True)
class Section:
    """The part of a content that begins at ``start``."""

    of: Content
    start: int
    length: int

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, fewer only at the end."""
        return self.of.read(self.start + offset, max(min(length, self.length - offset), 0))

    def pieces(self) -> Iterator[bytes]:
        """All of it, piece by piece."""
        for offset in range(0, self.length, _BUFFER_BYTES):
            yield self.read(offset, _BUFFER_BYTES)

    def check(self) -> None:
        """As the content it is a part of."""
        self.of.check()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be taken out of a stream: ``pieces`` (reads; an item counts as eight), and ``bytes``."""

    pieces: int
    bytes: int


class Stream(BufferedReader):
    """A content as a binary stream that ends where its limits are passed."""

    def __init__(self, content: Content, limits: Limits) -> None:
        self._source = _Raw(content)
        super().__init__(self._source, _BUFFER_BYTES)
        self._pieces, self._bytes = limits.pieces, limits.bytes

    @property
    def exceeded(self) -> bool:
        """Whether more was asked for than the limits allow."""
        return self._pieces < 0 or self._bytes < 0

    def allow(self, limits: Limits) -> None:
        """From here on, so much may be taken."""
        self._pieces, self._bytes = limits.pieces, limits.bytes

    def check(self) -> None:
        """Whether the content could be read; a parser may have taken its failure for the end of the data.

        Raises:
            SpoolError: it could not.
        """
        if self._source.failure is not None:
            raise self._source.failure

    def read(self, size: int | None = -1, /) -> bytes:
        """As every stream.

        Raises:
            EOFError: that would be more than the limits allow.
        """
        self._bytes -= self._source.length if size is None or size < 0 else size
        if self._bytes < 0:
            raise EOFError("longer than any real data set")
        found = super().read(size)
        self._pieces -= _ITEM_WEIGHT if found.startswith(_ITEM_TAGS) else 1
        if self._pieces < 0:
            raise EOFError("more pieces than any real data set has")
        return found


class _Raw(RawIOBase):
    """What a buffer is filled from."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._at = 0
        self.length = content.length
        self.failure: SpoolError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer)
        try:
            found = self._content.read(self._at, len(view))
        except SpoolError as error:
            self.failure = error
            raise
        view[: len(found)] = found
        self._at += len(found)
        return len(found)

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        self._at = max({SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self.length}[whence] + offset, 0)
        return self._at
