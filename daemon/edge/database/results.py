"""What was decided, in SQL: one row a series and revision, and what is owed to which destination."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from cattrs import Converter

from daemon.core.judging.gathering import Member, Offer
from daemon.core.judging.own_past import Entry
from daemon.core.measures import Assessment
from daemon.core.people.calibration import Scored
from daemon.core.sending.delivery import URGENCY
from daemon.core.values import ClosedBy, ReportKind, ReportReference, Stage, State, Verdict
from daemon.edge.database import schema
from daemon.edge.database.alerts import owe_alerts
from daemon.edge.database.pasts import remember
from daemon.edge.database.rows import legible, scored
from daemon.edge.database.studies.examinations import settle

_CONVERTER = Converter()
#: Kind, SOP instance UID and destination of one object that is owed.
Owed = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One series and revision as stored.

    ``objects``: report kind -> SOP instance UID. ``seconds``: durations by stage, and ``verdict`` and ``sr``, counted
    from the last image. ``superseded``: a later revision exists. ``parked``: destination -> why it refused.
    ``bundle``: digest of the one that judged; empty before the verdict, and where an older version recorded none.
    ``cleared``: its files, report and picture, have left the disk.
    """

    series_instance_uid: str
    revision: int
    study_instance_uid: str
    card_id: str
    calling_ae: str
    stage: Stage
    images: int
    closed_by: ClosedBy
    closed_at: float
    last_received_at: float
    partial: bool
    description: str
    verdict: Verdict | None
    seconds: dict[str, float]
    objects: dict[str, str]
    superseded: bool
    parked: dict[str, str]
    bundle: str
    cleared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What the judgement of a series adds to its record; ``at``: when.

    ``past``: what it adds to the past of its protocol, None where nothing; ``offers``: what it may be in examinations
    of its study; ``members``: who joined it.
    ``unasked``: destinations that want no such verdict; they get it only where they were told of an earlier revision.
    ``alerted``: the targets of alerts, and how many seconds after the verdict each is due. ``software``: of the
    scanner, as its header says.
    """

    verdict: Verdict
    assessment: Assessment | None
    description: str
    seconds: dict[str, float]
    objects: dict[str, str]
    bundle: str
    at: float
    unasked: Collection[str] = ()
    alerted: Mapping[str, float] = field(default_factory=dict)
    past: Entry | None = None
    software: str = ""
    offers: Sequence[Offer] = ()
    members: Sequence[Member] = ()


class Results:
    """Verdicts. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def begin(self, series_instance_uid: str, revision: int) -> int:
        """A worker begins to judge a series; how many have by now. More than one: the others died, or were given up.

        One that was answered meanwhile stays so: a worker that was given up may come back and begin.
        """
        key = schema.series_key(series_instance_uid, revision)
        with self._engine.begin() as connection:
            unanswered = schema.series.c.verdict.is_(None)
            _update(connection, series_instance_uid, revision, {"stage": Stage.ASSESSING.value}, unanswered)
            begun = sa.update(schema.series).where(*key).values(attempts=schema.series.c.attempts + 1)
            return int(connection.execute(begun.returning(schema.series.c.attempts)).scalar_one())

    def publish(
        self,
        series_instance_uid: str,
        revision: int,
        published: Published,
        owed: Sequence[Owed],
        place: Callable[[Callable[[], object]], None] = lambda _: None,
    ) -> bool:
        """Record the verdict and what is owed; a series that owes nothing is done. False where another was faster.

        ``place`` puts the report's files in their place, once it is certain that this verdict is the one that counts
        and before anybody can read of it: a worker that was given up but lives on cannot change what is delivered. It
        is given what asks once more: a transaction that the server has ended meanwhile raises an OperationalError.
        What a later revision has overtaken is owed to nobody.
        """
        values = {
            "verdict": json.dumps(_CONVERTER.unstructure(published.verdict)),
            "assessment": json.dumps(_CONVERTER.unstructure(published.assessment)),
            "description": published.description,
            "seconds": json.dumps(published.seconds),
            "objects": json.dumps(published.objects),
            "bundle": published.bundle,
            "software": published.software,
            "stage": Stage.DONE.value,
        }
        rows = [
            {
                "sop_instance_uid": sop_instance_uid,
                "destination": destination,
                "series_instance_uid": series_instance_uid,
                "revision": revision,
                "kind": kind,
                "owed_at": published.at,
                "urgency": URGENCY[published.verdict.state],
            }
            for kind, sop_instance_uid, destination in owed
        ]
        with self._engine.begin() as connection:
            if not _update(connection, series_instance_uid, revision, values, schema.series.c.verdict.is_(None)):
                return False
            if published.unasked:
                told = _told_before(connection, series_instance_uid, revision)
                rows = [
                    row for row in rows if row["destination"] not in published.unasked or row["destination"] in told
                ]
            if rows and not _is_overtaken(connection, series_instance_uid, revision):
                connection.execute(schema.insert_or_ignore(self._engine, schema.deliveries), rows)
                delivering = {"stage": Stage.DELIVERING.value}
                _update(connection, series_instance_uid, revision, delivering)
            key = (series_instance_uid, revision)
            if not _is_overtaken(connection, series_instance_uid, revision):
                settle(connection, key, published.offers, published.members, published.at)
                remember(connection, series_instance_uid, published.past, published.at)
            rescan = published.verdict.state is State.RESCAN
            owe_alerts(connection, key, published.alerted, rescan=rescan, at=published.at)
            place(lambda: connection.execute(sa.select(1)))
        return True

    def sr_before(self, series_instance_uid: str, revision: int) -> str | None:
        """SOP instance UID of the newest SR of a revision before this one: what a revised report supersedes."""
        table = schema.series
        earlier = (table.c.series_instance_uid == series_instance_uid, table.c.revision < revision)
        query = sa.select(table.c.objects).where(*earlier).order_by(table.c.revision.desc())
        with self._engine.connect() as connection:
            reports = (json.loads(text).get(ReportKind.SR) for text in connection.execute(query).scalars())
            return next((uid for uid in reports if uid), None)

    def may_supersede(self, series_instance_uid: str, revision: int) -> bool:
        """Whether somebody was told of an earlier revision, or may yet be: one without a verdict may get it now."""
        table = schema.series
        earlier = (table.c.series_instance_uid == series_instance_uid, table.c.revision < revision)
        told = sa.or_(table.c.verdict.is_(None), table.c.objects != "{}")
        with self._engine.connect() as connection:
            return connection.execute(sa.select(table.c.revision).where(*earlier, told).limit(1)).first() is not None

    def kept_reference(self, series_instance_uid: str, sop_instance_uid: str) -> ReportReference | None:
        """How to refer to an SR of a series whose file has left the disk; None where it has not."""
        table = schema.series
        kept = (table.c.series_instance_uid == series_instance_uid, table.c.reference != "")
        with self._engine.connect() as connection:
            found = [
                json.loads(text) for text in connection.execute(sa.select(table.c.reference).where(*kept)).scalars()
            ]
        references = (ReportReference(**one) for one in found)
        return next((one for one in references if one.sop_instance_uid == sop_instance_uid), None)

    def unjudged(self) -> list[tuple[str, int]]:
        """Series and revision of everything that is closed and has no verdict, oldest first."""
        query = sa.select(schema.series.c.series_instance_uid, schema.series.c.revision)
        query = query.where(schema.series.c.verdict.is_(None)).order_by(schema.series.c.closed_at)
        with self._engine.connect() as connection:
            return [(uid, revision) for uid, revision in connection.execute(query)]

    def closed_times(self, stages: Sequence[Stage]) -> list[float]:
        """When each series that stands in one of these stages was found complete."""
        query = sa.select(schema.series.c.closed_at).where(schema.series.c.stage.in_([stage.value for stage in stages]))
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def version(self) -> int:
        """Grows with every change of any series."""
        with self._engine.connect() as connection:
            return schema.newest_version(connection)

    def records(self, limit: int) -> list[Record]:
        """The newest series, newest first."""
        return self._records(sa.select(schema.series).order_by(schema.series.c.closed_at.desc()).limit(limit))

    def of_exam(self, exam_id: str) -> list[Record]:
        """Every revision of each series of an exam, newest first."""
        table, entry = schema.series, schema.exam_series
        query = sa.select(table).join(entry, entry.c.series_instance_uid == table.c.series_instance_uid)
        return self._records(query.where(entry.c.exam_id == exam_id).order_by(table.c.closed_at.desc()))

    def scored(self) -> list[Scored]:
        """What was found about every complete series that has a verdict, by its newest revision."""
        table, later = schema.series, schema.series.alias()
        newer = sa.exists().where(
            later.c.series_instance_uid == table.c.series_instance_uid, later.c.revision > table.c.revision
        )
        query = sa.select(table).where(table.c.verdict.is_not(None), table.c.partial.is_(sa.false()), ~newer)
        with self._engine.connect() as connection:
            return list(legible(connection.execute(query.order_by(table.c.closed_at)).mappings(), scored))

    def record(self, series_instance_uid: str, revision: int) -> Record:
        """One series and revision."""
        return self._records(sa.select(schema.series).where(*schema.series_key(series_instance_uid, revision)))[0]

    def newest(self, card_id: str) -> Record | None:
        """The newest revision behind a card; None for an unknown card."""
        query = sa.select(schema.series).where(schema.series.c.card_id == card_id)
        return next(iter(self._records(query.order_by(schema.series.c.revision.desc()).limit(1))), None)

    def _records(self, query: sa.Select[Any]) -> list[Record]:
        table, owed = schema.series, schema.deliveries
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
            uids = {row["series_instance_uid"] for row in rows}
            last = sa.select(table.c.series_instance_uid, sa.func.max(table.c.revision))
            last = last.where(table.c.series_instance_uid.in_(uids)).group_by(table.c.series_instance_uid)
            latest: dict[str, int] = {row[0]: row[1] for row in connection.execute(last)}
            refused = sa.select(owed).where(owed.c.series_instance_uid.in_(uids), owed.c.parked.is_not(None))
            parked = connection.execute(refused).mappings().all()
        return list(legible(rows, lambda row: _record(row, latest[row["series_instance_uid"]], parked)))


def _told_before(connection: sa.Connection, series_instance_uid: str, revision: int) -> set[str]:
    """The destinations that earlier revisions were, or still are to be, delivered to."""
    owed = schema.deliveries.c
    earlier = (owed.series_instance_uid == series_instance_uid, owed.revision < revision)
    return set(connection.execute(sa.select(owed.destination).where(*earlier)).scalars())


def _is_overtaken(connection: sa.Connection, series_instance_uid: str, revision: int) -> bool:
    table = schema.series.c
    later = (table.series_instance_uid == series_instance_uid, table.revision > revision, table.verdict.is_not(None))
    return connection.execute(sa.select(table.revision).where(*later).limit(1)).first() is not None


def _update(
    connection: sa.Connection,
    series_instance_uid: str,
    revision: int,
    values: dict[str, str],
    condition: sa.ColumnElement[bool] = sa.true(),  # noqa: B008 - an immutable constant
) -> bool:
    """Change one row; whether there was one."""
    version = schema.next_version(connection)
    key = schema.series_key(series_instance_uid, revision)
    changed = connection.execute(sa.update(schema.series).where(*key, condition).values(version=version, **values))
    return changed.rowcount > 0


def _record(row: sa.RowMapping, latest: int, parked: Sequence[sa.RowMapping]) -> Record:
    values = {name: row[name] for name in row if name in Record.__slots__}
    values.update(
        stage=Stage(row["stage"]),
        closed_by=ClosedBy(row["closed_by"]),
        verdict=_CONVERTER.structure(json.loads(row["verdict"]), Verdict) if row["verdict"] else None,
        seconds=json.loads(row["seconds"]),
        objects=json.loads(row["objects"]),
        superseded=row["revision"] < latest,
        cleared=bool(row["cleared_at"]),
        parked={
            refusal["destination"]: refusal["parked"]
            for refusal in parked
            if (refusal["series_instance_uid"], refusal["revision"]) == (row["series_instance_uid"], row["revision"])
        },
    )
    return Record(**values)
