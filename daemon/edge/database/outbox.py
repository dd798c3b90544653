"""What is owed to which destination, in SQL: the queue of deliveries, its order, and what became of each.

A delivery is a row, not a place in a queue: whatever is most urgent when the destination can take something goes
first, however long others have waited. A row is claimed by the worker that is at it; claims of a worker that has ended
are void.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from daemon.core.values import ReportKind, Stage
from daemon.edge.database import schema

_TABLE = schema.deliveries
_UNSETTLED = (_TABLE.c.delivered_at.is_(None), _TABLE.c.parked.is_(None))
#: A row as if nobody had ever tried.
_ANEW = {
    "delivered_at": None,
    "parked": None,
    "claimed_by": None,
    "attempts": 0,
    "due_at": 0.0,
    "trouble": "",
    "remark": "",
    "commitment": "",
    "transaction_uid": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One object that is owed to one destination.

    ``attempts`` that failed; ``trouble``: the last thing that went wrong and may pass; ``parked``: why it was given up;
    ``remark``: what the destination said as it took it; ``commitment``: a ``pledges.Commitment``.
    """

    sop_instance_uid: str
    destination: str
    series_instance_uid: str
    revision: int
    kind: str
    owed_at: float
    attempts: int
    trouble: str
    parked: str | None
    delivered_at: float | None
    remark: str
    commitment: str


class Outbox:
    """Deliveries that are owed, done, or parked. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def claim(self, destination: str, worker: str, now: float) -> Delivery | None:
        """Take the most urgent object that is due; None where nothing is. It stays ours until it is settled."""
        free = sa.or_(_TABLE.c.claimed_by.is_(None), _TABLE.c.claimed_by == worker)
        due = (_TABLE.c.destination == destination, *_UNSETTLED, _TABLE.c.due_at <= now, free)
        with self._engine.connect() as connection:  # asked ten times a second: a look locks nothing
            if connection.execute(sa.select(_TABLE.c.sop_instance_uid).where(*due).limit(1)).first() is None:
                return None
        first = sa.select(_TABLE.c.sop_instance_uid).where(*due)
        # SC before SR: a console shows the picture, whatever the archive says about the report
        first = first.order_by(_TABLE.c.urgency, _TABLE.c.owed_at, _TABLE.c.kind, _TABLE.c.sop_instance_uid)
        first = first.limit(1).with_for_update(skip_locked=True)
        taken = sa.update(_TABLE).where(*due, _TABLE.c.sop_instance_uid == first.scalar_subquery())
        with self._engine.begin() as connection:
            row = connection.execute(taken.values(claimed_by=worker).returning(_TABLE)).mappings().first()
        return _delivery(row) if row else None

    def delivered(
        self, delivery: Delivery, at: float, remark: str = "", *, commitment: bool = False
    ) -> dict[str, float] | None:
        """Record a delivery; the first time counts. The series' seconds if nothing of it is owed any more.

        ``commitment``: the destination is to be asked to commit it.
        """
        pledge = {"commitment": "owed", "commit_at": at} if commitment else {}
        return self._settle(delivery, {"delivered_at": at, "parked": None, "remark": remark, "trouble": ""} | pledge)

    def park(self, delivery: Delivery, reason: str) -> dict[str, float] | None:
        """Record that it will not be delivered before a person has done something."""
        return self._settle(delivery, {"parked": reason})

    def postpone(self, delivery: Delivery, trouble: str, due_at: float) -> None:
        """Give it back: it failed by its own doing, or by trouble of the destination with it, and is due again then."""
        self._give_back(delivery, {"trouble": trouble, "due_at": due_at, "attempts": _TABLE.c.attempts + 1})

    def keep(self, delivery: Delivery, trouble: str) -> None:
        """Give it back as it was: nobody was there to take it, so it keeps its place."""
        self._give_back(delivery, {"trouble": trouble})

    def release(self, workers: Collection[str]) -> None:
        """Void the claims of all workers but these."""
        with self._engine.begin() as connection:
            others = (_TABLE.c.claimed_by.is_not(None), _TABLE.c.claimed_by.not_in(workers))
            connection.execute(sa.update(_TABLE).where(*others).values(claimed_by=None))

    def park_unknown(self, destinations: Collection[str]) -> None:
        """Park what is owed to destinations that the configuration no longer names."""
        with self._engine.connect() as connection:
            unknown = sa.select(_TABLE).where(*_UNSETTLED, _TABLE.c.destination.not_in(destinations))
            left = [_delivery(row) for row in connection.execute(unknown).mappings()]
        for delivery in left:
            self.park(delivery, f"{delivery.destination} is no longer configured: add it again, then requeue")

    def troubled(self, destinations: Collection[str], before: float) -> list[tuple[str, int, str]]:
        """Of each destination how many objects, owed since before then, failed and are tried again, and a reason."""
        failed = (
            *_UNSETTLED,
            _TABLE.c.destination.in_(destinations),
            _TABLE.c.trouble != "",
            _TABLE.c.owed_at < before,
        )
        query = sa.select(_TABLE.c.destination, sa.func.count(), sa.func.max(_TABLE.c.trouble)).where(*failed)
        with self._engine.connect() as connection:
            rows = connection.execute(query.group_by(_TABLE.c.destination).order_by(_TABLE.c.destination)).all()
        return [(name, count, trouble) for name, count, trouble in rows]

    def parked(self) -> list[Delivery]:
        """Everything that waits for a person, oldest first."""
        query = sa.select(_TABLE).where(_TABLE.c.parked.is_not(None)).order_by(_TABLE.c.owed_at, _TABLE.c.kind)
        with self._engine.connect() as connection:
            return [_delivery(row) for row in connection.execute(query).mappings()]

    def of_series(self, uids: Collection[str]) -> list[Delivery]:
        """Everything that these series owe or owed."""
        query = sa.select(_TABLE).where(_TABLE.c.series_instance_uid.in_(uids))
        with self._engine.connect() as connection:
            return [_delivery(row) for row in connection.execute(query.order_by(_TABLE.c.kind)).mappings()]

    def requeue(self, now: float, series_instance_uid: str | None = None, destination: str | None = None) -> int:
        """Owe again what was parked, all of it or of one series or destination; how many. Twice is once."""
        chosen: list[sa.ColumnElement[bool]] = [_TABLE.c.parked.is_not(None)]
        if series_instance_uid is not None:
            chosen.append(_TABLE.c.series_instance_uid == series_instance_uid)
        if destination is not None:
            chosen.append(_TABLE.c.destination == destination)
        anew = {"parked": None, "claimed_by": None, "attempts": 0, "due_at": 0.0, "owed_at": now, "trouble": ""}
        of_these = (_TABLE.c.series_instance_uid, _TABLE.c.revision)
        with self._engine.begin() as connection:
            version = schema.next_version(connection)
            rows = connection.execute(sa.update(_TABLE).where(*chosen).values(**anew).returning(*of_these)).all()
            for uid, revision in set(rows):
                values = {"version": version, "stage": Stage.DELIVERING.value}
                connection.execute(sa.update(schema.series).where(*schema.series_key(uid, revision)).values(**values))
        return len(rows)

    def resend(self, now: float, series_instance_uid: str) -> int:
        """Owe once more what the newest revision of a series gave, delivered or parked; how many. Cleared files stay.

        What the destination was to commit, it is asked anew.
        """
        table = schema.series
        newest = sa.select(table.c.revision, table.c.cleared_at).where(
            table.c.series_instance_uid == series_instance_uid
        )
        settled = sa.or_(_TABLE.c.delivered_at.is_not(None), _TABLE.c.parked.is_not(None))
        with self._engine.begin() as connection:
            version = schema.next_version(connection)
            row = connection.execute(newest.order_by(table.c.revision.desc()).limit(1)).first()
            if row is None or row[1] is not None:
                return 0
            of_it = (_TABLE.c.series_instance_uid == series_instance_uid, _TABLE.c.revision == row[0], settled)
            again = sa.update(_TABLE).where(*of_it).values(owed_at=now, **_ANEW).returning(_TABLE.c.destination)
            count = len(connection.execute(again).all())
            if count:
                key = schema.series_key(series_instance_uid, row[0])
                delivering = {"version": version, "stage": Stage.DELIVERING.value}
                connection.execute(sa.update(table).where(*key).values(**delivering))
            return count

    def _give_back(self, delivery: Delivery, values: dict[str, object]) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.update(_TABLE).where(*_key(delivery), *_UNSETTLED).values(claimed_by=None, **values))

    def _settle(self, delivery: Delivery, values: dict[str, object]) -> dict[str, float] | None:
        with self._engine.begin() as connection:
            version = schema.next_version(connection)  # first: two deliveries of one series settle one after the other
            unsettled = _TABLE.c.delivered_at.is_(None)
            connection.execute(sa.update(_TABLE).where(*_key(delivery), unsettled).values(claimed_by=None, **values))
            return _finish(connection, delivery, version)


def _finish(connection: sa.Connection, delivery: Delivery, version: int) -> dict[str, float] | None:
    """Mark the series done if nothing of it is owed any more; its seconds then, None while something is."""
    of_series = (
        _TABLE.c.series_instance_uid == delivery.series_instance_uid,
        _TABLE.c.revision == delivery.revision,
    )
    rows = connection.execute(sa.select(_TABLE).where(*of_series)).mappings().all()
    key = schema.series_key(delivery.series_instance_uid, delivery.revision)
    row = connection.execute(sa.select(schema.series).where(*key)).mappings().one()
    seconds: dict[str, float] = json.loads(row["seconds"])
    if _arrived(rows) and "sr" not in seconds:
        seconds["sr"] = round(max(_arrived(rows)) - row["last_received_at"], 3)
    owed = any(other["delivered_at"] is None and other["parked"] is None for other in rows)
    stage = Stage.DELIVERING if owed else Stage.DONE
    values = {"version": version, "stage": stage.value} | ({} if owed else {"seconds": json.dumps(seconds)})
    connection.execute(sa.update(schema.series).where(*key).values(**values))
    return None if owed else seconds


def _arrived(rows: Iterable[sa.RowMapping]) -> list[float]:
    return [row["delivered_at"] for row in rows if row["kind"] == ReportKind.SR and row["delivered_at"]]


def _key(delivery: Delivery) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return schema.delivery_key(delivery.sop_instance_uid, delivery.destination)


def _delivery(row: sa.RowMapping) -> Delivery:
    return Delivery(**{name: row[name] for name in Delivery.__slots__})
