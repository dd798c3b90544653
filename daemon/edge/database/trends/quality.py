"""What was measured of each scanner, out of the verdicts in the database: read once, then whatever has changed."""

import json
import time
from array import array
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final

import sqlalchemy as sa

from daemon.core.trends.quality import Rated
from daemon.core.values import State
from daemon.edge.database import schema
from daemon.edge.database.rows import legible

#: Charts go back so far, and so does what a week is compared with.
KEPT_S: Final = 104 * 7 * 86400.0
_ROWS: Final = 500


class Quality:
    """Two years of every scanner's series, in memory.

    ``scanners``: calling AE title -> alias; what has none is called by its title. ``units``: measure -> unit.
    """

    def __init__(self, engine: sa.Engine, scanners: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._scanners = scanners
        self._clock = clock
        self._seen = -1
        self._found: dict[str, tuple[int, Rated]] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._lock = Lock()
        self.units: dict[str, str] = {}

    def scanner(self, name: str) -> list[Rated]:
        """The series of one scanner, oldest first; it has none where it is unknown."""
        return sorted((one for one in self._current() if one.scanner == name), key=lambda one: one.at)

    def scanners(self) -> list[str]:
        """Every scanner that has sent a series which was answered."""
        return sorted({one.scanner for one in self._current()})

    def _current(self) -> list[Rated]:
        with self._lock:
            self._read()
            return [one for _, one in self._found.values()]

    def _read(self) -> None:
        """Take up what has changed since the last time, in the order of its changes."""
        table, oldest = schema.series, self._clock() - KEPT_S
        wanted = (table.c.verdict.is_not(None), table.c.partial.is_(sa.false()), table.c.last_received_at >= oldest)
        names = ("series_instance_uid", "study_instance_uid", "calling_ae", "description", "bundle", "software")
        columns = [table.c[name] for name in (*names, "revision", "last_received_at", "verdict", "assessment")]
        with self._engine.connect() as connection:
            newest = schema.newest_version(connection)
            if newest == self._seen:
                return
            query = sa.select(*columns).where(*wanted, table.c.version > self._seen, table.c.version <= newest)
            rows = connection.execution_options(yield_per=_ROWS).execute(query.order_by(table.c.revision)).mappings()
            for uid, revision, rated in legible(rows, self._rated):
                if revision >= self._found.get(uid, (0, rated))[0]:
                    self._found[uid] = revision, rated
        self._seen = newest
        self._found = {uid: kept for uid, kept in self._found.items() if kept[1].at >= oldest}

    def _rated(self, row: sa.RowMapping) -> tuple[str, int, Rated]:
        verdict, scores = json.loads(row["verdict"]), self._scores(row["assessment"])
        names = tuple(scores)
        rated = Rated(
            scanner=self._scanners.get(row["calling_ae"], row["calling_ae"]),
            protocol=row["description"],
            bundle=row["bundle"],
            software=row["software"],
            at=row["last_received_at"],
            exam=row["study_instance_uid"],
            state=State(verdict["state"]),
            cause=verdict.get("cause_word") or verdict.get("cause") or "",
            names=self._names.setdefault(names, names),
            values=array("d", scores.values()),
        )
        return row["series_instance_uid"], row["revision"], rated

    def _scores(self, text: str | None) -> dict[str, float]:
        """The measures of the whole series; those of a slice or a volume are not compared."""
        assessment: Any = json.loads(text or "null") or {}
        measures = assessment.get("measures", ())
        if isinstance(measures, dict):  # as 0.1 recorded them
            return {name: measure["value"] for name, measure in measures.items()}
        beside = (assessment.get("own_past") or {}).get("assessment", {}).get("measures", ())
        whole = [one for one in (*beside, *measures) if not one.get("at")]  # of one name the task's
        self.units |= {one["name"]: one.get("unit", "1") for one in whole}
        return {one["name"]: float(one["value"]) for one in whole}
