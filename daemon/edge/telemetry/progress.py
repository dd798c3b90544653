"""How far something is, for whoever looks: a bar on a terminal, a line a minute in a file."""

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

_WIDTH: Final = 30
_REDRAW_S, _LINE_S = 0.5, 60.0
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Progress:
    """Counts ``things`` up to a total that may be unknown, and estimates what remains from the pace so far."""

    def __init__(self, things: str, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._things = things
        self._stream = stream or sys.stderr
        self._now = now
        self._terminal = self._stream.isatty()
        self._began: tuple[float, int] | None = None
        self._due = 0.0

    def show(self, done: int, total: int | None = None) -> None:
        """Say it, if the last time is long enough ago or it is the end."""
        now = self._now()
        if self._began is None:
            self._began = now, done
            self._due = now + (0 if self._terminal else _LINE_S)
        if now < self._due and (total is None or done < total):
            return
        self._due = now + (_REDRAW_S if self._terminal else _LINE_S)
        said = f"{done} {self._things}" if total is None else self._of(done, total, now)
        self._stream.write(f"\r\x1b[K{said}" if self._terminal else f"{said}\n")
        self._stream.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._terminal and self._began is not None:
            self._stream.write("\n")

    def _of(self, done: int, total: int, now: float) -> str:
        filled = _WIDTH * done // total if total else _WIDTH
        bar = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] " if self._terminal else ""
        left = self._left(done, total, now)
        return f"{bar}{done} of {total} {self._things}{f', about {left} left' if left else ''}"

    def _left(self, done: int, total: int, now: float) -> str:
        """In words, by the pace since the first look; empty before there is one, and at the end."""
        since, before = self._began or (now, done)
        if done in (before, total):
            return ""
        return _words((total - done) * (now - since) / (done - before))


def _words(seconds: float) -> str:
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
