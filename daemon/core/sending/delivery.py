"""What a destination gets, when to try a delivery again, and which one first."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from daemon.core.values import ReportKind, State

#: What a person waits for most comes first: the patient of a rescan may still lie there.
URGENCY: Mapping[State, int] = {State.RESCAN: 0, State.REVIEW: 1, State.NOT_ASSESSED: 2, State.ACCEPT: 3}
_FIRST_S, _LONGEST_S = 1.0, 60.0
#: The verdicts that say something about images: what an archive gets unless it asks for NOT_ASSESSED, too.
JUDGED: Final = (State.ACCEPT, State.REVIEW, State.RESCAN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """What one destination gets: which kinds of object, of series with which verdicts.

    Whoever was told of an earlier revision is told of the next one whatever its verdict.
    """

    objects: Collection[ReportKind] = tuple(ReportKind)
    verdicts: Collection[State] = JUDGED


def pause_s(failures: int, draw: float) -> float:
    """Seconds before the next attempt after ``failures`` in a row: doubled each time, up to a minute.

    ``draw`` in [0, 1) takes up to half of it away (jitter): what failed together does not come back together.
    """
    whole = min(_LONGEST_S, _FIRST_S * 2.0 ** min(failures - 1, 16))
    return whole * (1 - draw / 2)
