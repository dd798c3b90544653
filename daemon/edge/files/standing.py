"""A file that somebody may put in its place anew at any time."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class StandingFile(Generic[_Value]):
    """What a file holds as it stands now: ``read`` again whenever another one stands at ``path``, or none any more."""

    def __init__(self, path: Path, read: Callable[[], _Value | None]) -> None:
        self._path = path
        self._read = read
        self._seen: tuple[int, ...] | None = None
        self._value: _Value | None = None

    def value(self) -> _Value | None:
        """What was read of the file that stands there; None where there was never one, or nothing to be had of it."""
        seen = self._look()
        if seen != self._seen:
            self._seen, self._value = seen, self._read()
        return self._value

    def _look(self) -> tuple[int, ...] | None:
        """What tells one file at this place from another; None without a file."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
