"""A peer whose messages cost more than they bring is slowed down: otherwise it would slow all others."""

import time

_FREE, _STEP, _PAUSE_S = 1000.0, 250.0, 0.05
_BYTES_A_UNIT = 16


class Pace:
    """Of one association; a unit is about what one fragment of a message costs us, some microseconds.

    What it spends beyond what it earned, and a thousand units, costs a pause of 50 ms for each 250.
    """

    def __init__(self) -> None:
        self._debt = 0.0

    def spend(self, units: float) -> None:
        """Note a cost; waits where there are too many."""
        self._debt += units
        while self._debt > _FREE:
            time.sleep(_PAUSE_S)
            self._debt -= _STEP

    def earn(self, length: int) -> None:
        """Note so many bytes of what is wanted here."""
        self._debt = max(0.0, self._debt - length / _BYTES_A_UNIT)
