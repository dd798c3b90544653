"""The series of a cohort and their answers, in SQL: one row a series, whoever judges it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa

from daemon.core.errors import ConfigError
from daemon.edge.database import schema

#: One row of the tables: plain JSON values.
Row = Mapping[str, Any]
#: Folder -> names of files.
Files = Mapping[str, Sequence[str]]
#: A series, its study (empty where none is stated), and its files.
Entry = tuple[str, str, Files]

_TABLE = schema.cohort_series
#: Series that are compared in one transaction, and rows that are read at once.
_CHUNK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a look into the folder brought: series that are new, have other files, are tried again, have gone."""

    new: int = 0
    changed: int = 0
    again: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class Begun:
    """A series that is to be answered now; ``attempts``: workers that began it, this one among them."""

    files: Files
    attempts: int


class Cohort:
    """One cohort. Every method is one transaction, but for those that take or give many series."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    def enter(self, judge: str) -> None:
        """Begin it, or join it; ``judge``: digest of all that decides an answer.

        Raises:
            ConfigError: it was begun with another judge.
        """
        table, row = schema.cohorts, {"cohort": self.name, "judge": judge}
        with self._engine.begin() as connection:
            connection.execute(schema.insert_or_ignore(self._engine, table), row)
            begun = connection.execute(sa.select(table.c.judge).where(table.c.cohort == self.name)).scalar_one()
        if begun != judge:
            raise ConfigError(
                f"cohort {self.name} was begun with another bundle, scanner, references, routes or rule, and its rows "
                "would not compare: use those, or begin a new one with --name"
            )

    def add(self, found: Iterable[Entry]) -> Changes:
        """Take in what lies in the folder now; series with other files than before are begun anew."""
        names: set[str] = set()
        waiting, counts = iter(found), {"new": 0, "changed": 0, "again": 0}
        while chunk := {series: (json.dumps(files), study) for series, study, files in islice(waiting, _CHUNK)}:
            names.update(chunk)
            with self._engine.begin() as connection:
                for what, number in self._add(connection, chunk).items():
                    counts[what] += number
        with self._engine.connect() as connection:
            known = connection.execute(sa.select(_TABLE.c.series).where(_TABLE.c.cohort == self.name)).scalars()
            return Changes(gone=sum(series not in names for series in known), **counts)

    def _add(self, connection: sa.Connection, chunk: dict[str, tuple[str, str]]) -> dict[str, int]:
        """``chunk``: series -> its files and its study."""
        ours = (_TABLE.c.cohort == self.name, _TABLE.c.series.in_(chunk))
        query = sa.select(_TABLE.c.series, _TABLE.c.files, _TABLE.c.revision, _TABLE.c.passing)
        known = {row.series: row for row in connection.execute(query.where(*ours))}
        begun = {"cohort": self.name, "revision": 1, "attempts": 0, "passing": False}
        added = [
            {**begun, "series": series, "files": files, "study": study}
            for series, (files, study) in chunk.items()
            if series not in known
        ]
        if added:
            connection.execute(schema.insert_or_ignore(self._engine, _TABLE), added)
        changed = [row for row in known.values() if row.files != chunk[row.series][0]]
        again = [row for row in known.values() if row.files == chunk[row.series][0] and row.passing]
        for row in (*changed, *again):
            # whoever else takes the cohort up at this moment sees the same: one of us changes it
            unchanged = (*self._key(row.series, row.revision), _TABLE.c.files == row.files)
            files, study = chunk[row.series]
            anew = {"files": files, "study": study, "revision": row.revision + 1, "attempts": 0, "passing": False}
            connection.execute(sa.update(_TABLE).where(*unchanged).values(answer=None, answered_at=None, **anew))
        return {"new": len(added), "changed": len(changed), "again": len(again)}

    def unanswered(self) -> list[tuple[str, int]]:
        """Series and revision of everything that has no answer yet."""
        query = sa.select(_TABLE.c.series, _TABLE.c.revision).where(
            _TABLE.c.cohort == self.name, _TABLE.c.answered_at.is_(None)
        )
        with self._engine.connect() as connection:
            return [(series, revision) for series, revision in connection.execute(query)]

    def begin(self, series: str, revision: int) -> Begun | None:
        """A worker begins with a series; None where it has its answer, or was begun anew."""
        open_ = (*self._key(series, revision), _TABLE.c.answered_at.is_(None))
        begun = sa.update(_TABLE).where(*open_).values(attempts=_TABLE.c.attempts + 1)
        with self._engine.begin() as connection:
            row = connection.execute(begun.returning(_TABLE.c.files, _TABLE.c.attempts)).one_or_none()
        return None if row is None else Begun(json.loads(row.files), row.attempts)

    def others(self, series: str) -> dict[str, Files]:
        """The files of the other series of its study; none where it states no study."""
        own = sa.select(_TABLE.c.study).where(_TABLE.c.cohort == self.name, _TABLE.c.series == series)
        query = sa.select(_TABLE.c.series, _TABLE.c.files).where(
            _TABLE.c.cohort == self.name,
            _TABLE.c.series != series,
            _TABLE.c.study != "",
            _TABLE.c.study == own.scalar_subquery(),
        )
        with self._engine.connect() as connection:
            return {other: json.loads(files) for other, files in connection.execute(query)}

    def answer(self, series: str, revision: int, row: Row, at: float, *, passing: bool) -> bool:
        """Record the answer; False where another worker was faster, or the files have changed since.

        ``passing``: it stands until the next start, which tries again.
        """
        open_ = (*self._key(series, revision), _TABLE.c.answered_at.is_(None))
        values = {"answer": json.dumps(row), "answered_at": at, "passing": passing}
        with self._engine.begin() as connection:
            return connection.execute(sa.update(_TABLE).where(*open_).values(**values)).rowcount > 0

    def count(self) -> tuple[int, int]:
        """How many series have their answer, and how many there are."""
        query = sa.select(sa.func.count(_TABLE.c.answered_at), sa.func.count()).where(_TABLE.c.cohort == self.name)
        with self._engine.connect() as connection:
            answered, total = connection.execute(query).one()
            return int(answered), int(total)

    def rows(self) -> Iterator[Row]:
        """Every answer, in the order of the series' names; a few at a time are in memory."""
        answered = (_TABLE.c.cohort == self.name, _TABLE.c.answered_at.is_not(None))
        query = sa.select(_TABLE.c.answer).where(*answered).order_by(_TABLE.c.series)
        with self._engine.connect().execution_options(yield_per=_CHUNK) as connection:
            for answer in connection.execute(query).scalars():
                yield json.loads(answer)

    def _key(self, series: str, revision: int) -> tuple[sa.ColumnElement[bool], ...]:
        return (_TABLE.c.cohort == self.name, _TABLE.c.series == series, _TABLE.c.revision == revision)
