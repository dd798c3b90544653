"""What leaves the spool, and when.

The spool goes segment by segment: one leaves when nothing in it is needed any more, so that a series whose report a
destination refused keeps its whole segment. Removing a segment is one unlink, which a crash cannot tear.
"""

from pathlib import Path

import structlog

from daemon.core.errors import SpoolError
from daemon.core.retention import Retention, Stock, removable
from daemon.edge.inventory import Inventory
from daemon.edge.segments import segment_number
from daemon.edge.spool import SpoolReader

_log = structlog.get_logger()


class Warden:
    """Prunes one spool by the database beside it."""

    def __init__(self, spool: SpoolReader, inventory: Inventory, retention: Retention) -> None:
        self._spool = spool
        self._inventory = inventory
        self._retention = retention

    def prune(self, now: float) -> tuple[Stock, ...]:
        """Remove what may go at ``now``, and what the database keeps of associations that are long over."""
        gone = tuple(stock for stock in self.removable(now) if self._remove(stock))
        ends = self._inventory.forget_ends(now)
        if gone or ends:
            _log.info("spool_pruned", segments=len(gone), bytes=sum(stock.size_bytes for stock in gone), records=ends)
        return gone

    def removable(self, now: float) -> tuple[Stock, ...]:
        """What may go at ``now``."""
        return removable(self._stocks(), self._retention, now)

    def _stocks(self) -> list[Stock]:
        # The position before the needed: what is read in between is behind it, and so needed either way.
        read_up_to = self._inventory.position().segment
        segments, needed = self._spool.segments(), self._inventory.needed_segments()
        return [
            Stock(
                name=segment.name,
                size_bytes=segment.size_bytes,
                last_received_at=segment.last_received_at,
                needed=segment.newest or segment_number(Path(segment.name)) >= read_up_to or segment.name in needed,
            )
            for segment in segments
        ]

    def _remove(self, stock: Stock) -> bool:
        try:
            self._spool.remove(stock.name)
        except SpoolError:  # somebody else's prune was first
            return False
        except OSError as error:
            _log.warning("segment_not_removed", segment=stock.name, error=error.strerror)
            return False
        return True
