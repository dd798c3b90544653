"""A child that is started again for ever, on a clock that the test moves."""

import sys
import time

from daemon.edge.child import Child, Pauses

PAUSES = Pauses(first_s=1.0, most_s=8.0, well_s=100.0)
ENDS = [sys.executable, "-S", "-c", "pass"]


class Watched:
    """A child with what it said; each ``life`` of it ends so many seconds after its start."""

    def __init__(self, command: list[str]) -> None:
        self.said: list[dict[str, object]] = []
        self.restarts: list[int] = []
        self._now = 0.0
        self.command = command
        self.child = Child("child", self._note, PAUSES, self._say)

    def _note(self, restarts: int) -> list[str]:
        self.restarts.append(restarts)
        return self.command

    def _say(self, event: str, **fields: object) -> None:
        self.said.append({"event": event, **fields})

    def live(self, seconds: float) -> bool:
        """Start, begin its work, end after so long, wait for its pause; of less than nothing, end before the work."""
        said = len(self.said)
        self.child.tend(self._now)
        if seconds >= 0:
            self.child.note_begun(self._now)
        self._now += abs(seconds)
        while len(self.said) == said:
            if not self.child.tend(self._now):
                return False
            time.sleep(0.01)
        self._now += self.child.wait_s(self._now) or 0.0
        return True


def test_pauses_grow_with_short_lives_end_at_the_longest_and_begin_anew_after_a_long_life():
    watched = Watched(ENDS)
    for seconds in (1, 1, 1, 1, 1, 1000, 1, -1000):
        watched.live(seconds)

    assert [1.0, 2.0, 4.0, 8.0, 8.0, 1.0, 1.0, 2.0] == [said["pause_s"] for said in watched.said]
    assert [0, 1, 2, 3, 4, 5, 6, 7] == watched.restarts


def test_it_is_never_given_up_nor_does_the_pause_overflow():
    pauses = [PAUSES.after(lives) for lives in (5, 100, 10**9)]

    assert [8.0, 8.0, 8.0] == pauses


def test_a_command_that_cannot_be_started_is_tried_again():
    watched = Watched(["/nowhere/at/all"])

    assert watched.live(0)
    assert watched.live(0)
    assert [1.0, 2.0] == [said["pause_s"] for said in watched.said]


def test_only_a_first_start_that_cannot_begin_as_configured_is_final():
    misconfigured = [sys.executable, "-S", "-c", "raise SystemExit(78)"]
    first = Watched(misconfigured)
    later = Watched(ENDS)

    assert not first.live(-1)
    assert Watched(misconfigured).live(0)  # it had begun, and took up another configuration
    assert later.live(0)
    later.command = misconfigured
    assert later.live(0)
