"""How long a scanner pauses within a series, learned from what it sent: the last resort of completion waits no longer.

The rule. Of each of the last 199 series of a scanner that had more than one image, the longest time between two
images is kept. The quiet time is twice the smallest of these that at most 2 % of series are expected to exceed: of n
series, the ceil(0.98 (n + 1))-th in order (the conformal quantile). Fewer than 49 series cannot promise 2 %, and give
the ceiling. A series that was closed too early counts with the pause that proved it, so that the next one is waited
for; a few images sent again a day later do not spoil the rest.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_KEPT: Final = 199
_EXCEEDED: Final = 0.02
_MARGIN: Final = 2.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """``pauses``: the longest pause within each of a scanner's last series, in seconds, the newest last."""

    pauses: tuple[float, ...] = ()

    def learn(self, received_at: Iterable[float]) -> "Rhythm":
        """With one more series, whose images arrived at these times, in seconds; one image teaches nothing."""
        pause = max((after - before for before, after in pairwise(sorted(received_at))), default=None)
        return self if pause is None else Rhythm((*self.pauses, pause)[-_KEPT:])

    def quiet_s(self, least_s: float, most_s: float) -> float:
        """How long nothing must have arrived, between ``least_s`` and ``most_s``."""
        rank = math.ceil((len(self.pauses) + 1) * (1 - _EXCEEDED) - 1e-9)
        if rank > len(self.pauses):
            return most_s
        return min(most_s, max(least_s, _MARGIN * sorted(self.pauses)[rank - 1]))
