"""The index of the spool in SQL: every instance, the series it belongs to, and up to where the spool has been read.

The spool is the truth about what was received; the index is written together with the position in it, so that a
restart goes on exactly there.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from cattrs import Converter

from daemon.core.reception.rhythm import Rhythm
from daemon.core.steps import StepReport, StepState
from daemon.core.tokens import token
from daemon.core.values import AssociationEnd, ClosedBy, Instance, Series, Stage
from daemon.edge.database import schema
from daemon.edge.database.rows import legible
from daemon.edge.database.studies.examinations import scanner_turn

_CONVERTER = Converter()


class Index:
    """Instances and series as received. Every method is one transaction."""

    def __init__(self, engine: sa.Engine, site_key: bytes) -> None:
        self._engine = engine
        self._site_key = site_key

    def card_id(self, series_instance_uid: str) -> str:
        """The opaque token that pages, links and logs carry instead of the UID."""
        return token(series_instance_uid, self._site_key)

    def position(self) -> str | None:
        """Up to where the spool has been read, as the reader's own text; None at the first start."""
        with self._engine.connect() as connection:
            return connection.execute(sa.select(schema.position.c.cursor)).scalar()

    def record(
        self,
        instances: Sequence[Instance],
        ends: Sequence[AssociationEnd],
        position: str,
        reports: Sequence[StepReport] = (),
    ) -> None:
        """Record what was read from the spool, and up to where."""
        rows = [_instance_row(instance) for instance in instances]
        gone = [{"association": e.association, "ended_at": e.ended_at, "aborted": e.aborted} for e in ends]
        told = [_report_row(report) for report in reports]
        with self._engine.begin() as connection:
            if rows:
                connection.execute(schema.insert_or_mend(self._engine), rows)
            for table, values in ((schema.associations, gone), (schema.step_reports, told)):
                if values:
                    connection.execute(schema.insert_or_ignore(self._engine, table), values)
            connection.execute(sa.delete(schema.position))
            connection.execute(sa.insert(schema.position), {"id": 1, "cursor": position})

    def unclosed(self) -> tuple[list[Instance], list[AssociationEnd]]:
        """Instances of series still open at the last stop, in order of arrival, and the associations that ended."""
        with self._engine.connect() as connection:
            bodies = connection.execute(
                sa.select(schema.instances.c.body).where(schema.instances.c.revision.is_(None))
            ).scalars()
            instances = list(legible(bodies, _instance))
            ends = connection.execute(sa.select(schema.associations)).mappings()
            return sorted(instances, key=lambda i: i.arrival.received_at), [AssociationEnd(**end) for end in ends]

    def reports(self, since: float) -> list[StepReport]:
        """What was reported of procedure steps since then, in that order; what is older is deleted."""
        newest = sa.select(schema.step_reports).order_by(schema.step_reports.c.reported_at)
        with self._engine.begin() as connection:
            connection.execute(sa.delete(schema.step_reports).where(schema.step_reports.c.reported_at < since))
            return list(legible(connection.execute(newest).mappings(), _report))

    def rhythms(self) -> dict[str, Rhythm]:
        """What was learned of each scanner, by calling AE title."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(schema.rhythms)).mappings()
            return dict(legible(rows, _rhythm))

    def close_series(self, series: Series, rhythm: Rhythm | None = None) -> Series:
        """Record a series as complete, and what its scanner's rhythm is now; recording it again changes nothing.

        The series as it is recorded: its revision is behind those that others made that joined it.
        """
        sops = [instance.arrival.sop_instance_uid for instance in series.instances]
        key = schema.instances.c.series_instance_uid == series.series_instance_uid
        row = {
            "series_instance_uid": series.series_instance_uid,
            "revision": series.revision,
            "study_instance_uid": series.study_instance_uid,
            "card_id": self.card_id(series.series_instance_uid),
            "calling_ae": series.instances[0].arrival.calling_ae,
            "stage": Stage.WAITING.value,
            "images": len(sops),
            "closed_by": series.closed_by.value,
            "closed_at": series.closed_at,
            "last_received_at": series.last_received_at,
            "partial": series.partial,
        }
        with self._engine.begin() as connection:
            if rhythm is not None:
                scanner = {"calling_ae": row["calling_ae"], "pauses": json.dumps(rhythm.pauses)}
                connection.execute(sa.delete(schema.rhythms).where(schema.rhythms.c.calling_ae == row["calling_ae"]))
                connection.execute(sa.insert(schema.rhythms), scanner)
            row["version"] = schema.next_version(connection)
            row["revision"] = revision = _revision(connection, series)
            row["turn"] = scanner_turn(connection, str(row["calling_ae"]))
            connection.execute(schema.insert_or_ignore(self._engine, schema.series), [row])
            connection.execute(
                sa.update(schema.instances).where(key, schema.instances.c.revision.is_(None)).values(revision=revision)
            )
        return replace(series, revision=revision)

    def turn(self, series_instance_uid: str, revision: int) -> int:
        """The turn of a closed series: the lower, the sooner it is judged."""
        closed = sa.select(schema.series.c.turn).where(*schema.series_key(series_instance_uid, revision))
        with self._engine.connect() as connection:
            return int(connection.execute(closed).scalar_one())

    def newest(self, series_instance_uid: str) -> Series | None:
        """The newest revision of a closed series; None if it is unknown or was never closed."""
        newest = sa.select(sa.func.max(schema.series.c.revision)).where(
            schema.series.c.series_instance_uid == series_instance_uid
        )
        with self._engine.connect() as connection:
            revision = connection.execute(newest).scalar()
        return None if revision is None else self.series(series_instance_uid, revision)

    def series(self, series_instance_uid: str, revision: int) -> Series:
        """A closed series with its instances, in order of arrival."""
        key = schema.instances.c.series_instance_uid == series_instance_uid
        members = sa.select(schema.instances.c.body).where(key, schema.instances.c.revision <= revision)
        closed = sa.select(schema.series).where(*schema.series_key(series_instance_uid, revision))
        with self._engine.connect() as connection:
            row = connection.execute(closed).mappings().one()
            bodies = connection.execute(members).scalars().all()
        instances = [_instance(body) for body in bodies]
        return Series(
            series_instance_uid=series_instance_uid,
            study_instance_uid=row["study_instance_uid"],
            revision=revision,
            instances=tuple(sorted(instances, key=lambda i: i.arrival.received_at)),
            closed_by=ClosedBy(row["closed_by"]),
            closed_at=row["closed_at"],
            partial=row["partial"],
        )


def _revision(connection: sa.Connection, series: Series) -> int:
    """The revision that a closed series gets: its own, or the next where one that joined it has made that one."""
    table, arrived = schema.series.c, schema.instances.c
    uid = series.series_instance_uid
    query = sa.select(sa.func.max(table.revision)).where(table.series_instance_uid == uid)
    newest = connection.execute(query).scalar()
    if newest is None or newest < series.revision:
        return series.revision
    new = sa.exists().where(arrived.series_instance_uid == uid, arrived.revision.is_(None))
    return int(newest) + 1 if connection.execute(sa.select(new)).scalar() else series.revision


def _instance(body: str) -> Instance:
    return _CONVERTER.structure(json.loads(body), Instance)


def _rhythm(row: sa.RowMapping) -> tuple[str, Rhythm]:
    return row["calling_ae"], Rhythm(tuple(float(pause) for pause in json.loads(row["pauses"])))


def _instance_row(instance: Instance) -> dict[str, str]:
    return {
        "series_instance_uid": instance.series_instance_uid,
        "sop_instance_uid": instance.arrival.sop_instance_uid,
        "body": json.dumps(_CONVERTER.unstructure(instance)),
    }


def _report_row(report: StepReport) -> dict[str, str | float]:
    images = None if report.images is None else {uid: sorted(named) for uid, named in report.images.items()}
    body = json.dumps({"state": report.state, "images": images})
    return {"step_uid": report.step_uid, "reported_at": report.reported_at, "body": body}


def _report(row: sa.RowMapping) -> StepReport:
    body = json.loads(row["body"])
    return StepReport(
        step_uid=row["step_uid"],
        reported_at=row["reported_at"],
        state=body["state"] and StepState(body["state"]),
        images=body["images"] and {uid: frozenset(named) for uid, named in body["images"].items()},
    )
