"""Alerts that are owed, in SQL: a row a target and revision, written with the verdict and kept until its end."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from daemon.core.sending.alerts import AlertOutcome, OwedAlert, Told
from daemon.core.values import State
from daemon.edge.database import schema
from daemon.edge.database.alerting.state import judged_after, owed

_TABLE, _SERIES = schema.alerts, schema.series
_UNSETTLED = _TABLE.c.outcome.is_(None)
#: Ends of which somebody should know that nobody was told.
_LOST = (AlertOutcome.EXPIRED.value, AlertOutcome.GIVEN_UP.value)
#: Alerts that one summary tells of.
_TOGETHER_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAlert:
    """An alert that did not arrive: ``outcome`` None while it is tried again, or ``held`` back; ``trouble``: why."""

    series_instance_uid: str
    revision: int
    target: str
    owed_at: float
    outcome: AlertOutcome | None
    trouble: str
    held: bool = False


class Alerts:
    """Alerts that are owed or at their end. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def claim(self, target: str, worker: str, now: float) -> OwedAlert | None:
        """Take the alert that has been due for longest, with what is known of it; None where none is due.

        Of one series an alert waits for those of earlier revisions to end.
        """
        return next(iter(self._claim(target, worker, now, 1)), None)

    def claim_all(self, target: str, worker: str, now: float) -> list[OwedAlert]:
        """Take every alert that is due, up to a thousand."""
        return self._claim(target, worker, now, _TOGETHER_MAX)

    def _claim(self, target: str, worker: str, now: float, most: int) -> list[OwedAlert]:
        earlier = _TABLE.alias()
        waits = sa.exists().where(_same(earlier), earlier.c.revision < _TABLE.c.revision, earlier.c.outcome.is_(None))
        free = sa.or_(_TABLE.c.claimed_by.is_(None), _TABLE.c.claimed_by == worker)
        due = (_TABLE.c.target == target, _UNSETTLED, _TABLE.c.due_at <= now, free)
        key = (_TABLE.c.series_instance_uid, _TABLE.c.revision)
        first = sa.select(*key).where(*due, ~waits).order_by(_TABLE.c.due_at, _TABLE.c.owed_at, *key)
        first = first.limit(most).with_for_update(skip_locked=True)
        taken = sa.update(_TABLE).where(*due, sa.tuple_(*key).in_(first)).values(claimed_by=worker).returning(_TABLE)
        with self._engine.begin() as connection:
            return [owed(connection, row) for row in connection.execute(taken).mappings().all()]

    def told(self, target: str, since: float) -> Told:
        """What a target took since then."""
        took = sa.select(_TABLE.c.settled_at).where(_TABLE.c.target == target, _TABLE.c.settled_at > since)
        singly = took.where(_TABLE.c.outcome == AlertOutcome.DELIVERED.value, ~_TABLE.c.withdrawal)
        together = took.where(_TABLE.c.outcome == AlertOutcome.SUMMARISED.value)
        with self._engine.connect() as connection:
            single = connection.execute(singly.order_by(_TABLE.c.settled_at)).scalars().all()
            newest = connection.execute(together.order_by(_TABLE.c.settled_at.desc()).limit(1)).scalar()
        return Told(singly=[at for at in single if at is not None], together=newest)

    def hold(self, alert: OwedAlert, why: str, due_at: float) -> None:
        """Give it back untried: it may go out then."""
        self._change(alert, {"trouble": why, "due_at": due_at, "claimed_by": None})

    def settle(self, alert: OwedAlert, outcome: AlertOutcome, at: float, trouble: str = "") -> None:
        """Record how it ended; ``trouble``: why, where that is more than was known."""
        values = {"outcome": outcome.value, "settled_at": at, "claimed_by": None}
        self._change(alert, values | ({"trouble": trouble} if trouble else {}))

    def settle_all(self, alerts: Sequence[OwedAlert], outcome: AlertOutcome, at: float) -> None:
        """Record that they ended together."""
        with self._engine.begin() as connection:
            for alert in alerts:
                values = {"outcome": outcome.value, "settled_at": at, "claimed_by": None}
                connection.execute(sa.update(_TABLE).where(*_key(alert), _UNSETTLED).values(**values))

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
        """What failed or is held back, and what ended since then without having arrived; oldest first."""
        failing = sa.and_(_UNSETTLED, _TABLE.c.trouble != "")
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
                owe_alerts(connection, (uid, revision), dict.fromkeys(targets, 0.0), rescan=True, at=at)

    def _change(self, alert: OwedAlert, values: Mapping[str, object]) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.update(_TABLE).where(*_key(alert), _UNSETTLED).values(**values))


def _key(alert: OwedAlert) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _TABLE.c.series_instance_uid == alert.series_instance_uid,
        _TABLE.c.revision == alert.revision,
        _TABLE.c.target == alert.target,
    )


def owe_alerts(
    connection: sa.Connection,
    key: tuple[str, int],
    targets: Mapping[str, float],
    *,
    rescan: bool,
    at: float,
) -> None:
    """Owe what a verdict has to say: a rescan to ``targets``; any other one to those that an earlier alert went to.

    ``key``: the series' UID and revision. ``targets``: each is told so many seconds after the verdict.

    Part of the transaction that publishes the verdict, which holds the counter of changes. What earlier revisions owe
    is due at once, to find that it is withdrawn. Nothing where a later revision was judged already.
    """
    series_instance_uid, revision = key
    earlier = (_TABLE.c.series_instance_uid == series_instance_uid, _TABLE.c.revision < revision)
    if judged_after(connection, series_instance_uid, revision):
        return
    if not rescan:
        told = connection.execute(sa.select(_TABLE.c.target).where(*earlier).distinct()).scalars()
        targets = dict.fromkeys(told, 0.0)
    if not targets:
        return
    connection.execute(sa.update(_TABLE).where(*earlier, _UNSETTLED).values(due_at=0.0))
    row = {"series_instance_uid": series_instance_uid, "revision": revision, "withdrawal": not rescan, "owed_at": at}
    insert = schema.insert_or_ignore(connection.engine, _TABLE)
    due = [(target, at + after if after else 0.0) for target, after in targets.items()]
    connection.execute(insert, [row | {"target": target, "due_at": due_at} for target, due_at in due])


def _late(row: sa.RowMapping) -> LateAlert:
    values = {name: row[name] for name in LateAlert.__slots__ if name in row}
    values["outcome"] = AlertOutcome(row["outcome"]) if row["outcome"] else None
    return LateAlert(**values, held=row["outcome"] is None and not row["attempts"])


def _same(other: sa.FromClause) -> sa.ColumnElement[bool]:
    """Of the same series, for the same target."""
    return sa.and_(
        other.c.series_instance_uid == _TABLE.c.series_instance_uid,
        other.c.target == _TABLE.c.target,
    )
