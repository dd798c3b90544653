"""Log lines to a reader that may hang or be gone: whoever logs never waits for it; the standard library alone."""

import atexit
import json
import os
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

_LINES_MAX = 2000
_DRAIN_S = 1.0


class LogPipe:
    """A text file as loggers want one, over a descriptor that may block.

    A thread writes the lines. While the reader hangs, ``lines_max`` wait and later ones are dropped; how many, is said
    in a line of its own once it reads again. What cannot be written because nobody will ever read it is dropped.
    """

    def __init__(self, descriptor: int, lines_max: int = _LINES_MAX) -> None:
        self._descriptor = descriptor
        self._lines_max = lines_max
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.drain)

    def write(self, line: str) -> None:
        """Take a line, or several in one piece."""
        with self._changed:
            if len(self._lines) < self._lines_max:
                self._lines.append(line)
            else:
                self._dropped += 1
            self._changed.notify_all()

    def flush(self) -> None:
        """Nothing: waiting for the reader is what this is to avoid."""

    def drain(self, seconds: float = _DRAIN_S) -> None:
        """Wait until all is written, at most so long: before the process ends."""
        end = monotonic() + seconds
        with self._changed:
            while self._lines and (left := end - monotonic()) > 0:
                self._changed.wait(left)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                line, dropped = self._lines[0], self._dropped
                self._dropped = 0
            self._write(line)
            if dropped:
                self._write(_line("log_lines_dropped", "error", {"lines": dropped}))
            with self._changed:
                self._lines.popleft()
                self._changed.notify_all()

    def _write(self, line: str) -> None:
        content = line.encode(errors="backslashreplace")
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError:  # closed, or its disk is full: there is nowhere to say so
            return


def say_to(pipe: LogPipe) -> Callable[..., None]:
    """A logger for who must not import one: an event's name and its fields become a line like those of ``logs``."""

    def say(event: str, **fields: object) -> None:
        pipe.write(_line(event, "error", fields))

    return say


def _line(event: str, level: str, fields: dict[str, object]) -> str:
    stamp = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "level": level, "event": event, **fields}) + "\n"
