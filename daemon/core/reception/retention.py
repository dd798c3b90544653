"""What may leave the disk: what nobody needs any more, once it is old, or room is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from daemon.core.bounds import Range

_DAY_S = 86_400.0
Days = Annotated[float, Range(0, 36_500)]


class Kind(StrEnum):
    """What is kept: segments of the spool, with images; reports, with the pictures of their verdicts."""

    SEGMENT = "segment"
    REPORT = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long images and reports are kept once their series is answered and delivered.

    ``keep_days``: since a segment's last image; ``keep_reports_days``: since a report was delivered everywhere.
    ``max_bytes`` of both together: above it, the oldest go sooner; 0: no limit. They go sooner, too, where the disk is
    about to become so full that the receiver would refuse images (``[spool]``).
    """

    keep_days: Days = 7.0
    keep_reports_days: Days = 30.0
    max_bytes: Annotated[int, Range(0, 1 << 50, "0: no limit")] = 0

    def kept_s(self, kind: Kind) -> float:
        """For how many seconds something of a kind is kept after it was needed last."""
        return _DAY_S * (self.keep_days if kind is Kind.SEGMENT else self.keep_reports_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What leaves the disk together: one segment of the spool, or the files of one report.

    ``since``: when it was last needed. ``needed``: a segment may still grow, was not read yet, or holds images of a
    series that is open, not answered, or whose report is not delivered; a report is owed, parked, or to be committed.
    """

    name: str
    size_bytes: int
    since: float
    needed: bool
    kind: Kind = Kind.SEGMENT


def removable(stocks: Sequence[Stock], retention: Retention, now: float, shortage: int = 0) -> tuple[Stock, ...]:
    """What may go at ``now``, the oldest first; ``shortage``: bytes that the disk is short of."""
    total = sum(stock.size_bytes for stock in stocks)
    excess = max(shortage, total - retention.max_bytes if retention.max_bytes else 0)
    gone: list[Stock] = []
    for stock in sorted(stocks, key=lambda stock: stock.since):
        old = now - stock.since > retention.kept_s(stock.kind)
        if not stock.needed and (old or excess > 0):
            gone.append(stock)
            excess -= stock.size_bytes
    return tuple(gone)
