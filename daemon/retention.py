"""What leaves the disk, and when: segments of the spool, and reports with their pictures.

The spool goes segment by segment: one leaves when nothing in it is needed any more, so that a series whose report a
destination refused keeps its whole segment. Removing a segment is one unlink, which a crash cannot tear. A report goes
with all of its files; how a later revision refers to it is kept in the database before, and that they are gone
is recorded after: killed in between, the next turn does it again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from pydicom.errors import InvalidDicomError
from sqlalchemy import Engine

from daemon.config import Settings
from daemon.core.errors import SpoolError
from daemon.core.reception.retention import Kind, Retention, Stock, removable
from daemon.core.values import ReportKind, ReportReference
from daemon.edge.database.inventory import Inventory, Issued
from daemon.edge.files.reports import Reports
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.spool.segments import segment_number
from daemon.edge.spool.writer import shortage

#: A file of no report that is younger may be of one that is being published.
_PUBLISHING_S = 3600.0
_AT_ONCE = 100
#: Share of the disk that is made free before the receiver would refuse images.
_MARGIN = 0.01

_log = structlog.get_logger()


class Pruner:
    """Prunes one storage folder by the database beside it; ``shortage`` says how many bytes the disk is short of."""

    def __init__(
        self,
        spool: SpoolReader,
        reports: Reports,
        inventory: Inventory,
        retention: Retention,
        shortage: Callable[[], int] = lambda: 0,
    ) -> None:
        self._spool = spool
        self._reports = reports
        self._inventory = inventory
        self._retention = retention
        self._shortage = shortage

    def prune(self, now: float) -> tuple[Stock, ...]:
        """Remove what may go at ``now``, and what the database keeps of associations that are long over."""
        due = self.removable(now)
        segments = [stock for stock in due if stock.kind is Kind.SEGMENT and self._remove_segment(stock)]
        reports = self._remove_reports({stock.name: stock for stock in due if stock.kind is Kind.REPORT}, now)
        ends = self._inventory.forget_ends(now)
        gone = (*segments, *reports)
        if gone or ends:
            _log.info(
                "storage_pruned",
                segments=len(segments),
                files=len(reports),
                bytes=sum(stock.size_bytes for stock in gone),
                records=ends,
            )
        return gone

    def removable(self, now: float) -> tuple[Stock, ...]:
        """What may go at ``now``."""
        stocks = [*self._segments(), *self._issued(now)]
        return removable(stocks, self._retention, now, self._shortage())

    def _segments(self) -> list[Stock]:
        # The position before the needed: what is read in between is behind it, and so needed either way.
        read_up_to = self._inventory.position().segment
        segments, needed = self._spool.segments(), self._inventory.needed_segments()
        return [
            Stock(
                name=segment.name,
                size_bytes=segment.size_bytes,
                since=segment.last_received_at,
                needed=segment.newest or segment_number(Path(segment.name)) >= read_up_to or segment.name in needed,
            )
            for segment in segments
        ]

    def _issued(self, now: float) -> Iterator[Stock]:
        """The reports that lie on disk, and files that are of none: a crash left them, or a lost database."""
        sizes = self._reports.sizes()  # before the reports: what is published in between has no files yet
        for issued in self._inventory.issued():
            found = [sizes.pop(name)[0] for name in self._files(issued) if name in sizes]
            if found:
                yield Stock(
                    name=_name(issued),
                    size_bytes=sum(found),
                    since=issued.since,
                    needed=issued.needed,
                    kind=Kind.REPORT,
                )
        for name, (size, written_at) in sizes.items():
            yield Stock(
                name=name,
                size_bytes=size,
                since=written_at,
                needed=now - written_at < _PUBLISHING_S,
                kind=Kind.REPORT,
            )

    def _files(self, issued: Issued) -> list[str]:
        return self._reports.names(issued.card_id, issued.revision, issued.objects.values())

    def _remove_segment(self, stock: Stock) -> bool:
        try:
            self._spool.remove(stock.name)
        except SpoolError:  # somebody else's prune was first
            return False
        except OSError as error:
            _log.warning("segment_not_removed", segment=stock.name, error=error.strerror)
            return False
        return True

    def _remove_reports(self, due: Mapping[str, Stock], now: float) -> list[Stock]:
        """Remove reports, and files of none; what went. Reports that never had a file are cleared when they are old."""
        known = {_name(issued): issued for issued in self._inventory.issued()}
        wanted = [known[name] for name in due if name in known and not known[name].needed]
        gone = [name for name in due if name not in known and self._remove_files([name])]
        for first in range(0, len(wanted), _AT_ONCE):
            gone += self._clear(wanted[first : first + _AT_ONCE], now)
        empty = [issued for issued in known.values() if self._never_had_files(issued, now)]
        if empty:
            self._inventory.clear(empty, 0.0)
        return [due[name] for name in gone]

    def _clear(self, wanted: Sequence[Issued], now: float) -> list[str]:
        """Remove the files of some reports; the names of those that went."""
        self._inventory.keep_references([(issued, kept) for issued in wanted if (kept := self._reference(issued))])
        gone = [issued for issued in wanted if self._remove_files(self._files(issued))]
        self._inventory.clear(gone, now)
        return [_name(issued) for issued in gone]

    def _remove_files(self, names: Sequence[str]) -> bool:
        try:
            self._reports.remove(names)
        except OSError as error:
            _log.warning("report_not_removed", detail=error.strerror)
            return False
        return True

    def _reference(self, issued: Issued) -> ReportReference | None:
        """How a later revision refers to the SR; None where there is none, or none that can be read."""
        sr = issued.objects.get(ReportKind.SR)
        try:
            return self._reports.reference(sr) if sr else None
        except (OSError, InvalidDicomError, AttributeError):
            return None

    def _never_had_files(self, issued: Issued, now: float) -> bool:
        old = now - issued.since > self._retention.kept_s(Kind.REPORT)
        return old and not issued.needed and not issued.objects and not self._has_picture(issued)

    def _has_picture(self, issued: Issued) -> bool:
        return self._reports.picture(issued.card_id, issued.revision).exists()


def _name(issued: Issued) -> str:
    return f"{issued.card_id}-{issued.revision}"


def make_pruner(settings: Settings, engine: Engine) -> Pruner:
    """Whoever prunes the storage folder of a configuration."""

    def missing() -> int:
        with suppress(FileNotFoundError):  # nothing was received yet
            return shortage(settings.spool_settings, _MARGIN)
        return 0

    spool, reports = SpoolReader(settings.spool_settings.folder), Reports(settings.reports)
    return Pruner(spool, reports, Inventory(engine), settings.retention, missing)
