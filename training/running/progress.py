"""How far a pipeline is, and about how long it still takes."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

#: Before so many seconds were spent a step's expected time is believed as it is.
_LEAST_S: Final = 5.0


class Timed(Protocol):
    """A step as far as progress goes."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def seconds(self) -> float:
        """What it takes on the machine that the plan was measured on."""

    @property
    def done(self) -> Callable[[], float]:
        """The share of it that is done."""


def nothing_yet() -> float:
    """Of a step that cannot tell."""
    return 0.0


def trained(run: Path, steps: int) -> Callable[[], float]:
    """The share of a trainer's steps by its log (``training/running/run.py``)."""

    def done() -> float:
        try:
            last = (run / "log.jsonl").read_text().splitlines()[-1]
            return min(1.0, float(json.loads(last)["step"]) / max(1, steps))
        except (OSError, ValueError, LookupError, TypeError):
            return 0.0

    return done


def counted(folder: Path, pattern: str, count: int) -> Callable[[], float]:
    """The share of ``count`` files."""
    return lambda: min(1.0, sum(1 for _ in folder.glob(pattern)) / max(1, count)) if folder.is_dir() else 0.0


class Progress:
    """Says each step's begin, and every ``every_s`` how far it is; ``done``: the steps that were done before."""

    def __init__(
        self,
        steps: Sequence[Timed],
        done: Sequence[Timed],
        say: Callable[[str], None],
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps, self._say, self._every_s, self._clock = tuple(steps), say, every_s, clock
        self._left = {step.name: 0.0 if step in done else step.seconds * (1 - step.done()) for step in steps}
        self._spent_s, self._expected_s = 0.0, 0.0

    def pass_over(self, step: Timed) -> None:
        """A step that was done before."""
        self._say(f"{self._place(step)}: done before")

    @contextmanager
    def of(self, step: Timed) -> Iterator[Callable[[], float]]:
        """While a step runs; gives the seconds that it has run."""
        began, ended = self._clock(), threading.Event()

        def seconds() -> float:
            return self._clock() - began

        self._say(f"{self._place(step)}: {self._estimate(step, 0.0)}")
        watcher = threading.Thread(target=self._watch, args=(step, seconds, ended), daemon=True)
        watcher.start()
        try:
            yield seconds
        finally:
            ended.set()
            watcher.join()
        self._spent_s, self._expected_s = self._spent_s + seconds(), self._expected_s + self._left[step.name]
        self._left[step.name] = 0.0
        self._say(f"{self._place(step)}: done in {spoken(seconds())}")

    def left_s(self, step: Timed, running_s: float) -> float:
        """Seconds left while ``step`` has run for ``running_s``, at the pace of this run so far."""
        begun = self._left[step.name]
        gained = max(0.0, begun - step.seconds * (1 - step.done()))
        spent, expected = self._spent_s, self._expected_s
        if gained:
            spent, expected = spent + running_s, expected + gained
        pace = spent / expected if spent > _LEAST_S and expected > 0 else 1.0
        return max(0.0, sum(self._left.values()) - gained) * pace

    def _estimate(self, step: Timed, running_s: float) -> str:
        return f"{step.done():.0%}, about {spoken(self.left_s(step, running_s))} left in all"

    def _watch(self, step: Timed, seconds: Callable[[], float], ended: threading.Event) -> None:
        while not ended.wait(self._every_s):
            self._say(f"{self._place(step)}: {self._estimate(step, seconds())}")

    def _place(self, step: Timed) -> str:
        names = [one.name for one in self._steps]
        return f"[{names.index(step.name) + 1}/{len(names)}] {step.name}"


def spoken(seconds: float) -> str:
    """A time for people: 40 s, 12 min, 3 h 20 min, 2 d 4 h."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    hours, days = minutes // 60, minutes // 1440
    return f"{hours} h {minutes % 60} min" if hours < 36 else f"{days} d {hours % 24} h"
