"""What is known, when an alert is due, of its series: is it answered, repeated, overtaken, its patient gone."""

import sqlalchemy as sa

from daemon.core.sending.alerts import AlertOutcome, OwedAlert
from daemon.core.values import State
from daemon.edge.database import schema

_TABLE, _SERIES = schema.alerts, schema.series


def owed(connection: sa.Connection, row: sa.RowMapping) -> OwedAlert:
    """An alert with what is known of its series and exam by now."""
    uid, revision, target = row["series_instance_uid"], row["revision"], row["target"]
    series = connection.execute(sa.select(_SERIES).where(*schema.series_key(uid, revision))).mappings().one()
    next_study = (
        _SERIES.c.calling_ae == series["calling_ae"],
        _SERIES.c.study_instance_uid != series["study_instance_uid"],
        _SERIES.c.last_received_at > series["last_received_at"],
    )
    arrived = (
        _TABLE.c.series_instance_uid == uid,
        _TABLE.c.target == target,
        _TABLE.c.revision < revision,
        _TABLE.c.outcome == AlertOutcome.DELIVERED.value,
    )
    last = sa.select(_TABLE.c.withdrawal).where(*arrived).order_by(_TABLE.c.revision.desc()).limit(1)
    return OwedAlert(
        series_instance_uid=uid,
        revision=revision,
        target=target,
        withdrawal=row["withdrawal"],
        owed_at=row["owed_at"],
        attempts=row["attempts"],
        trouble=row["trouble"],
        last_received_at=series["last_received_at"],
        superseded=judged_after(connection, uid, revision),
        patient_left=bool(connection.execute(sa.select(sa.exists().where(*next_study))).scalar())
        or _is_over(connection, uid),
        answered=_is_answered(connection, series["card_id"]),
        repeated=_is_repeated(connection, series),
        held=bool(row["trouble"]) and not row["attempts"],
        told=connection.execute(last).scalar() is False,
    )


def _is_over(connection: sa.Connection, series_instance_uid: str) -> bool:
    """Whether the exam of a series is over: its scanner is at the next one."""
    exams, entries = schema.exams, schema.exam_series
    over = sa.exists().where(
        entries.c.series_instance_uid == series_instance_uid,
        exams.c.exam_id == entries.c.exam_id,
        exams.c.over_at.is_not(None),
    )
    return bool(connection.execute(sa.select(over)).scalar())


def _is_answered(connection: sa.Connection, card_id: str) -> bool:
    """Whether an answer to a RESCAN of the card holds."""
    table = schema.answers
    newest = sa.select(table.c.choice, table.c.state).where(table.c.card_id == card_id).order_by(table.c.id.desc())
    row = connection.execute(newest.limit(1)).first()
    return row is not None and bool(row[0]) and row[1] == State.RESCAN.value


def _is_repeated(connection: sa.Connection, series: sa.RowMapping) -> bool:
    """Whether a later series of the same protocol and exam was judged."""
    entries, mine = schema.exam_series, schema.exam_series.alias()
    own = mine.c.series_instance_uid == series["series_instance_uid"]
    later = sa.exists().where(
        own,
        entries.c.exam_id == mine.c.exam_id,
        entries.c.series_instance_uid == _SERIES.c.series_instance_uid,
        _SERIES.c.series_instance_uid != series["series_instance_uid"],
        _SERIES.c.description == series["description"],
        _SERIES.c.description != "",
        _SERIES.c.last_received_at > series["last_received_at"],
        _SERIES.c.verdict.is_not(None),
    )
    return bool(connection.execute(sa.select(later)).scalar())


def judged_after(connection: sa.Connection, series_instance_uid: str, revision: int) -> bool:
    """Whether a later revision of a series was judged."""
    later = (_SERIES.c.series_instance_uid == series_instance_uid, _SERIES.c.revision > revision)
    return bool(connection.execute(sa.select(sa.exists().where(*later, _SERIES.c.verdict.is_not(None)))).scalar())
