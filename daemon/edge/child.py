"""A child process that is started again, for ever, whenever it ends; the standard library alone."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

#: What a child ends with at its start where only a person can mend what is wrong (EX_CONFIG of sysexits.h).
MISCONFIGURED = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Seconds before a new start: ``first_s``, doubled by each life that was no good, ``most_s`` at most.

    A life was good that lasted ``well_s`` from the moment on at which the child had begun its work.
    """

    first_s: float
    most_s: float
    well_s: float

    def after(self, failures: int) -> float:
        """The pause after so many failures, or short lives, in a row."""
        return min(self.most_s, self.first_s * 2.0 ** min(failures, 30))


class Child:
    """One child, by ``name`` in the log; ``command`` gives its command line from how often it was started again.

    ``say`` takes an event and its fields for the log. Nothing is started before ``tend``.
    """

    def __init__(
        self, name: str, command: Callable[[int], list[str]], pauses: Pauses, say: Callable[..., None]
    ) -> None:
        self.name = name
        self._command = command
        self._pauses = pauses
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._failures = 0
        self._begun_at: float | None = None
        self._due = 0.0

    def tend(self, now: float) -> bool:
        """Start it if it is due, take note of its end; False where it could not begin as configured."""
        if self._process is not None and (code := self._process.poll()) is not None:
            if code == MISCONFIGURED and self._starts == 1 and self._begun_at is None:
                return False
            self._rest(now, code)
        if self._process is None and now >= self._due:
            self._start(now)
        return True

    def note_begun(self, now: float) -> None:
        """It says that it has begun its work."""
        self._begun_at = now

    def tell(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait_s(self, now: float) -> float | None:
        """Seconds until it is to be tended without any signal; None while it runs."""
        return None if self._process is not None else max(0.0, self._due - now)

    def _start(self, now: float) -> None:
        self._starts += 1
        self._begun_at = None
        try:
            self._process = subprocess.Popen(self._command(self._starts - 1))  # noqa: S603 - our own interpreter
        except OSError as error:  # no process, no memory, or the interpreter is just being replaced
            self._rest(now, error.errno)

    def _rest(self, now: float, code: int | None) -> None:
        """It has ended, or could not be started: begin the pause."""
        well = self._begun_at is not None and now - self._begun_at >= self._pauses.well_s
        self._failures = 0 if well else self._failures + 1
        pause_s = self._pauses.after(max(0, self._failures - 1))
        self._process, self._due = None, now + pause_s
        self._say("child_ended", process=self.name, exit_code=code, restarts=self._starts, pause_s=pause_s)

    def stop(self, grace_s: float) -> None:
        """Ask it to end, and wait until it has; after ``grace_s`` it is killed."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._say("child_killed", process=self.name, grace_s=grace_s)
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # it waits for a disk that does not answer
                process.wait(grace_s)


def now() -> float:
    """The clock of ``tend``: seconds, never set."""
    return time.monotonic()
