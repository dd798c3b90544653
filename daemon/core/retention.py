"""Which segments of the spool may go: what nobody needs any more, once it is old or the spool is too large."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from daemon.core.bounds import Range

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long images are kept once their series is answered and delivered.

    ``keep_days``: since a segment's last image. ``max_bytes``: above it, the oldest segments go sooner; 0: no limit.
    """

    keep_days: Annotated[float, Range(0, 36_500)] = 7.0
    max_bytes: Annotated[int, Range(0, 1 << 50, "0: no limit")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """One segment of the spool.

    ``needed``: it may still grow, was not read yet, or holds images of a series that is open, not answered, or whose
    report is not delivered.
    """

    name: str
    size_bytes: int
    last_received_at: float
    needed: bool


def removable(stocks: Sequence[Stock], retention: Retention, now: float) -> tuple[Stock, ...]:
    """The segments that may go at ``now``, oldest first."""
    total = sum(stock.size_bytes for stock in stocks)
    gone: list[Stock] = []
    for stock in sorted(stocks, key=lambda stock: stock.last_received_at):
        old = now - stock.last_received_at > retention.keep_days * _DAY_S
        crowded = 0 < retention.max_bytes < total
        if not stock.needed and (old or crowded):
            gone.append(stock)
            total -= stock.size_bytes
    return tuple(gone)
