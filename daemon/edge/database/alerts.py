"""Alerts that are owed, in SQL: a row a target and revision, written with the verdict and kept until its end."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from daemon.core.alerts import AlertOutcome, OwedAlert
from daemon.core.values import State
from daemon.edge.database import schema

_TABLE, _SERIES = schema.alerts, schema.series
_UNSETTLED = _TABLE.c.outcome.is_(None)
#: Ends of which somebody should know that nobody was told.
_LOST = (AlertOutcome.EXPIRED.value, AlertOutcome.GIVEN_UP.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAlert:
    """An alert that did not arrive: ``outcome`` None while it is tried again; ``trouble``: why."""

    series_instance_uid: str
    revision: int
    target: str
    owed_at: float
    outcome: AlertOutcome | None
    trouble: str


class Alerts:
    """Alerts that are owed or at their end. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def claim(self, target: str, worker: str, now: float) -> OwedAlert | None:
        """Take the alert that has been due for longest, with what is known of it; None where none is due.

        Of one series an alert waits for those of earlier revisions to end.
        """
        earlier = _TABLE.alias()
        waits = sa.exists().where(_same(earlier), earlier.c.revision < _TABLE.c.revision, earlier.c.outcome.is_(None))
        free = sa.or_(_TABLE.c.claimed_by.is_(None), _TABLE.c.claimed_by == worker)
        due = (_TABLE.c.target == target, _UNSETTLED, _TABLE.c.due_at <= now, free)
        key = (_TABLE.c.series_instance_uid, _TABLE.c.revision)
        first = sa.select(*key).where(*due, ~waits).order_by(_TABLE.c.due_at, _TABLE.c.owed_at, *key)
        first = first.limit(1).with_for_update(skip_locked=True)
        taken = sa.update(_TABLE).where(*due, sa.tuple_(*key).in_(first)).values(claimed_by=worker).returning(_TABLE)
        with self._engine.begin() as connection:
            row = connection.execute(taken).mappings().first()
            return _owed(connection, row) if row else None

    def settle(self, alert: OwedAlert, outcome: AlertOutcome, at: float, trouble: str = "") -> None:
        """Record how it ended; ``trouble``: why, where that is more than was known."""
        values = {"outcome": outcome.value, "settled_at": at, "claimed_by": None}
        self._change(alert, values | ({"trouble": trouble} if trouble else {}))

    def postpone(self, alert: OwedAlert, trouble: str, due_at: float) -> None:
        """Give it back: an attempt failed, and it is due again then."""
        self._change(
            alert, {"trouble": trouble, "due_at": due_at, "attempts": _TABLE.c.attempts + 1, "claimed_by": None}
        )

    def release(self, workers: Collection[str]) -> None:
        """Void the claims of all workers but these."""
        others = (_TABLE.c.claimed_by.is_not(None), _TABLE.c.claimed_by.not_in(workers))
        with self._engine.begin() as connection:
            connection.execute(sa.update(_TABLE).where(*others).values(claimed_by=None))

    def give_up_unknown(self, targets: Collection[str], at: float) -> int:
        """Give up what is owed to targets that the configuration no longer names; how many."""
        trouble = _TABLE.c.target + " is no longer configured: add its URL again"
        values = {"outcome": AlertOutcome.GIVEN_UP.value, "settled_at": at, "trouble": trouble}
        unknown = sa.update(_TABLE).where(_UNSETTLED, _TABLE.c.target.not_in(targets)).values(**values)
        with self._engine.begin() as connection:
            return connection.execute(unknown).rowcount

    def late(self, since: float) -> list[LateAlert]:
        """What failed and is tried again, and what ended since then without having arrived; oldest first."""
        failing = sa.and_(_UNSETTLED, _TABLE.c.attempts > 0)
        lost = sa.and_(_TABLE.c.outcome.in_(_LOST), _TABLE.c.settled_at >= since)
        query = sa.select(_TABLE).where(sa.or_(failing, lost)).order_by(_TABLE.c.owed_at, _TABLE.c.target)
        with self._engine.connect() as connection:
            return [_late(row) for row in connection.execute(query).mappings()]

    def adopt(self, card_id: str, revision: int, targets: Sequence[str], at: float) -> None:
        """Owe what an older version left under way for a verdict that asks for a rescan."""
        of_card = (_SERIES.c.card_id == card_id, _SERIES.c.revision == revision)
        asks = _SERIES.c.verdict.like(f'%"state": "{State.RESCAN.value}"%')
        with self._engine.begin() as connection:
            schema.next_version(connection)
            for uid in connection.execute(sa.select(_SERIES.c.series_instance_uid).where(*of_card, asks)).scalars():
                owe_alerts(connection, (uid, revision), targets, rescan=True, at=at)

    def _change(self, alert: OwedAlert, values: Mapping[str, object]) -> None:
        key = (
            _TABLE.c.series_instance_uid == alert.series_instance_uid,
            _TABLE.c.revision == alert.revision,
            _TABLE.c.target == alert.target,
        )
        with self._engine.begin() as connection:
            connection.execute(sa.update(_TABLE).where(*key, _UNSETTLED).values(**values))


def owe_alerts(
    connection: sa.Connection,
    key: tuple[str, int],
    targets: Collection[str],
    *,
    rescan: bool,
    at: float,
) -> None:
    """Owe what a verdict has to say: a rescan to ``targets``; any other one to those that an earlier alert went to.

    ``key``: the series' UID and revision.

    Part of the transaction that publishes the verdict, which holds the counter of changes. What earlier revisions owe
    is due at once, to find that it is withdrawn. Nothing where a later revision was judged already.
    """
    series_instance_uid, revision = key
    earlier = (_TABLE.c.series_instance_uid == series_instance_uid, _TABLE.c.revision < revision)
    if _judged_after(connection, series_instance_uid, revision):
        return
    if not rescan:
        targets = connection.execute(sa.select(_TABLE.c.target).where(*earlier).distinct()).scalars().all()
    if not targets:
        return
    connection.execute(sa.update(_TABLE).where(*earlier, _UNSETTLED).values(due_at=0.0))
    row = {"series_instance_uid": series_instance_uid, "revision": revision, "withdrawal": not rescan, "owed_at": at}
    insert = schema.insert_or_ignore(connection.engine, _TABLE)
    connection.execute(insert, [row | {"target": target} for target in targets])


def _judged_after(connection: sa.Connection, series_instance_uid: str, revision: int) -> bool:
    later = (_SERIES.c.series_instance_uid == series_instance_uid, _SERIES.c.revision > revision)
    return bool(connection.execute(sa.select(sa.exists().where(*later, _SERIES.c.verdict.is_not(None)))).scalar())


def _owed(connection: sa.Connection, row: sa.RowMapping) -> OwedAlert:
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
        superseded=_judged_after(connection, uid, revision),
        patient_left=bool(connection.execute(sa.select(sa.exists().where(*next_study))).scalar())
        or _is_over(connection, uid),
        answered=_is_answered(connection, series["card_id"]),
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


def _late(row: sa.RowMapping) -> LateAlert:
    values = {name: row[name] for name in LateAlert.__slots__}
    values["outcome"] = AlertOutcome(row["outcome"]) if row["outcome"] else None
    return LateAlert(**values)


def _same(other: sa.FromClause) -> sa.ColumnElement[bool]:
    """Of the same series, for the same target."""
    return sa.and_(
        other.c.series_instance_uid == _TABLE.c.series_instance_uid,
        other.c.target == _TABLE.c.target,
    )
