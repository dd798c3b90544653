"""The one supervisor: what an item of a loop raises sets that item aside, with its reason, and the loop goes on.

The only broad ``except`` of the house is here. Two things pass it: what is waited for elsewhere (a database that is
gone), and the end of the process that we want.
"""

import threading
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from traceback import clear_frames
from typing import NamedTuple, TypeVar

import structlog

from daemon.core.errors import ScansideError, ThreadEndedError

_T = TypeVar("_T")
_FIRST_S, _LONGEST_S = 0.25, 60.0

_log = structlog.get_logger()


class Loop(StrEnum):
    """What goes on and on, one item at a time."""

    RECEIVING = "receiving"
    ASSEMBLY = "assembly"
    JUDGING = "judging"
    DELIVERING = "delivering"
    COMMITTING = "committing"
    ALERTING = "alerting"
    RETENTION = "retention"
    OBSERVING = "observing"
    ROSTER = "roster"
    WATCHING = "watching"
    PAGE = "page"
    REFERENCES = "references"
    COHORT = "cohort"


class Turn(NamedTuple):
    """What one thread of a loop does again and again; ``run`` gives the seconds to wait before the next time.

    ``name`` tells several of one loop apart.
    """

    loop: Loop
    name: str
    run: Callable[[], float]


class Supervisor:
    """Runs the items and the turns of every loop of a process, until ``stop`` is set.

    ``count`` is told of each fault; ``passes`` says which errors are none of its business.
    """

    def __init__(
        self,
        stop: threading.Event,
        count: Callable[[Loop], None] = lambda _: None,
        passes: Callable[[Exception], bool] = lambda _: False,
    ) -> None:
        self.stop = stop
        self._count = count
        self._passes = passes
        self._failing: dict[str, tuple[Loop, str]] = {}
        self._lock = threading.Lock()

    def item(self, loop: Loop, work: Callable[[], _T], *ways_out: Callable[[str], _T]) -> _T:
        """What ``work`` gives; where it raises, what the first of ``ways_out`` gives that does not raise in turn.

        Each is told in plain words why the work failed. What the last one raises is left to the turn.
        """
        done = self._attempt(loop, work)
        if isinstance(done, _Fault):
            reason = plain(done.error)
            for way_out in ways_out:
                done = self._attempt(loop, partial(way_out, reason))
                if not isinstance(done, _Fault):
                    break
        if isinstance(done, _Fault):
            raise done.error
        return done

    def repeat(self, turn: Turn) -> None:
        """The turn again and again; one that fails outside any item is tried again, after growing pauses.

        Raises:
            ThreadEndedError: the process is to end.
        """
        failures = 0
        pause = 0.0
        while not self.stop.wait(pause):
            done = self._attempt(turn.loop, turn.run)
            if isinstance(done, _Fault):
                pause = min(_LONGEST_S, _FIRST_S * 2.0 ** min(failures, 16))
                failures += 1
            else:
                pause, failures = done, 0
            self._mark(turn, done.error if isinstance(done, _Fault) else None)

    def failing(self, loop: Loop) -> int:
        """How many turns of a loop failed when they were last tried."""
        with self._lock:
            return sum(failing is loop for failing, _ in self._failing.values())

    def obstacles(self) -> list[str]:
        """The loops that stand still, in words for people."""
        with self._lock:
            return [f"{name} stands still and is tried again: {why}" for name, (_, why) in self._failing.items()]

    def _mark(self, turn: Turn, error: Exception | None) -> None:
        with self._lock:
            if error is None:
                self._failing.pop(turn.name, None)
            else:
                self._failing[turn.name] = turn.loop, plain(error)

    def _attempt(self, loop: Loop, work: Callable[[], _T]) -> "_T | _Fault":
        try:
            return work()
        except Exception as error:
            if isinstance(error, ThreadEndedError) or self._passes(error):
                raise
            self._count(loop)
            _log.exception("fault", loop=loop)
            clear_frames(error.__traceback__)  # they hold the volume that the next way out needs room for
            return _Fault(error)


class _Fault(NamedTuple):
    error: Exception


def plain(error: Exception) -> str:
    """An error in words for people, without a word of a header: foreign errors quote what they choked on."""
    if isinstance(error, ScansideError):
        return str(error)
    return f"a fault of ours ({type(error).__name__}): see the log"
