"""When to try a delivery again, and which one first."""

from collections.abc import Mapping

from daemon.core.values import State

#: What a person waits for most comes first: the patient of a rescan may still lie there.
URGENCY: Mapping[State, int] = {State.RESCAN: 0, State.REVIEW: 1, State.NOT_ASSESSED: 2, State.ACCEPT: 3}
_FIRST_S, _LONGEST_S = 1.0, 60.0


def pause_s(failures: int, draw: float) -> float:
    """Seconds before the next attempt after ``failures`` in a row: doubled each time, up to a minute.

    ``draw`` in [0, 1) takes up to half of it away (jitter): what failed together does not come back together.
    """
    whole = min(_LONGEST_S, _FIRST_S * 2.0 ** min(failures - 1, 16))
    return whole * (1 - draw / 2)
