"""What is measured by looking now and then: the receiver's counts, the disk, the series that wait."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from daemon.core.values import Stage
from daemon.edge.database.patience import GONE_WORDS, is_gone, say_gone
from daemon.edge.database.results import Results
from daemon.edge.receiving.status import ListenerCounts, ReceiverStatus, read_status, running_pid
from daemon.edge.telemetry.lateness import Lateness
from daemon.edge.telemetry.metrics import AssociationOutcome, Metrics, Process

_HANGS_S = 10.0
_LOOK_S = 1.0
_AWAY = "the storage folder is gone: nothing more is acknowledged; bring it back, then restart"
_DEAF = "the receiver does not run, or hangs: no image can come in; it is started again and again, the log says why not"


class Observer:
    """Keeps the gauges and the receiver's counters current, and says what keeps the daemon from working."""

    def __init__(self, metrics: Metrics, results: Results, lateness: Lateness, spool: Path) -> None:
        self._metrics = metrics
        self._results = results
        self._lateness = lateness
        self._spool = spool
        self._counts = ListenerCounts()
        self._restarts = 0
        self._looking_since: float | None = None
        self._found: list[str] = []
        self._late: list[str] = []
        self._waiting: list[float] = []  # as last seen: whoever asks for metrics waits for no database
        metrics.spool_free.set_function(lambda: _free_bytes(spool))
        metrics.series_waiting.set_function(lambda: len(self._waiting))
        metrics.oldest_waiting_age.set_function(self._oldest)

    def obstacles(self) -> list[str]:
        """What the last look found, in words for people; a look that does not end waits for the database."""
        since = self._looking_since
        return [GONE_WORDS] if since is not None and time.monotonic() - since > _HANGS_S else self._found

    def notices(self) -> list[str]:
        """What keeps no series from being judged, but somebody should know: what did not arrive."""
        return self._late

    def turn(self) -> float:
        """Take one look; the seconds to wait before the next."""
        self.look()
        return _LOOK_S

    def look(self) -> None:
        """Take one look."""
        self._looking_since = time.monotonic()
        try:
            self._found = list(self._look())
        finally:
            self._looking_since = None

    def _look(self) -> Iterator[str]:
        status = read_status(self._spool)
        if status is not None:
            self._count(status)
        trouble = self._ask()
        self._metrics.database_up.set(not trouble)
        if trouble:
            yield trouble
        up = running_pid(self._spool, status) is not None
        self._metrics.receiver_up.set(up)
        if not self._spool.parent.exists():
            yield _AWAY
        elif not up:
            yield _DEAF

    def _count(self, status: ReceiverStatus) -> None:
        """Add what the receiver's counts have grown by; a restarted receiver counts from zero again."""
        self._metrics.restarts.labels(Process.RECEIVER).inc(max(0, status.restarts - self._restarts))
        counts, self._restarts = status.counts, status.restarts
        before = self._counts if counts.connections >= self._counts.connections else ListenerCounts()
        for outcome, name in _OUTCOMES.items():
            self._metrics.associations.labels(outcome).inc(max(0, getattr(counts, name) - getattr(before, name)))
        self._counts = counts

    def _ask(self) -> str:
        """What is wrong with the database, in words; nothing where it answers: then what waits is known."""
        try:
            self._waiting = self._results.closed_times((Stage.WAITING, Stage.ASSESSING))
            self._late = self._lateness.sentences(time.time())
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            if not is_gone(error):
                raise
            return say_gone(error)
        return ""

    def _oldest(self) -> float:
        return max((time.time() - closed for closed in self._waiting), default=0.0)


def _free_bytes(folder: Path) -> int:
    """On the file system of a folder, which need not be there yet, or any more."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


_OUTCOMES = {
    AssociationOutcome.RELEASED: "released",
    AssociationOutcome.ABORTED: "aborted",
    AssociationOutcome.REJECTED: "rejected",
}
