"""What of spool and reports is still needed, asked of the database: the disk says what is there, this says for whom."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from daemon.core.values import ReportReference, Stage
from daemon.edge.database import schema
from daemon.edge.database.pledges import Commitment
from daemon.edge.database.rows import legible
from daemon.edge.spool.segments import START, Cursor

#: Ends of associations are kept so long even where no open series came on them.
_ENDS_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a series stands: OPEN, a stage of its newest revision, or PARKED where a destination refused its report.

    ``settled``: it is answered and nothing of it is owed to anybody.
    """

    state: str
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """The report of one series and revision, whose files were not cleared away yet.

    ``objects``: report kind -> SOP instance UID; ``since``: when it was answered, or the last of it delivered;
    ``needed``: something of it is owed, parked, or is to be committed yet.
    """

    series_instance_uid: str
    revision: int
    card_id: str
    objects: Mapping[str, str]
    since: float
    needed: bool


class Inventory:
    """Which segments, reports and association ends are still needed. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def position(self) -> Cursor:
        """Up to where the spool has been read."""
        with self._engine.connect() as connection:
            text = connection.execute(sa.select(schema.position.c.cursor)).scalar()
        return parse_position(text)

    def needed_segments(self) -> frozenset[str]:
        """The segments with an image of a series that is open, not answered, or not delivered everywhere."""
        table = schema.instances
        unsettled = sa.select(table.c.body).where(table.c.series_instance_uid.in_(_unsettled()))
        with self._engine.connect() as connection:
            bodies = connection.execute(unsettled).scalars()
            return frozenset(legible(bodies, lambda body: str(_arrival(body)["segment"])))

    def places(self) -> Mapping[tuple[str, int], str]:
        """The series of every image by its place: segment and offset."""
        table = schema.instances
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(table.c.series_instance_uid, table.c.body))
            return {place: uid for uid, place in legible(rows, lambda row: (row[0], _place(row[1])))}

    def standings(self) -> Mapping[str, Standing]:
        """Where each series stands."""
        owed, table = schema.deliveries, schema.series
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(table.c.series_instance_uid, table.c.stage).order_by(table.c.revision))
            stages = {uid: str(stage) for uid, stage in rows}
            unsettled = set(connection.execute(_unsettled()).scalars())
            parked = set(
                connection.execute(sa.select(owed.c.series_instance_uid).where(owed.c.parked.is_not(None))).scalars()
            )
            unclosed = sa.select(schema.instances.c.series_instance_uid).where(schema.instances.c.revision.is_(None))
            opened = set(connection.execute(unclosed.distinct()).scalars())
        found = {
            uid: Standing(
                state="PARKED" if stage == Stage.DONE and uid in parked else stage, settled=uid not in unsettled
            )
            for uid, stage in stages.items()
        }
        return found | {uid: Standing(state="OPEN", settled=False) for uid in opened}

    def issued(self) -> list[Issued]:
        """Every report that was not cleared away yet."""
        table, owed = schema.series, schema.deliveries
        of_one = (owed.c.series_instance_uid, owed.c.revision)
        columns = (
            table.c.series_instance_uid,
            table.c.revision,
            table.c.card_id,
            table.c.objects,
            table.c.closed_at,
            table.c.stage,
        )
        answered = sa.select(*columns).where(table.c.verdict.is_not(None), table.c.cleared_at.is_(None))
        pending = sa.or_(owed.c.delivered_at.is_(None), owed.c.commitment.in_((Commitment.OWED, Commitment.ASKED)))
        with self._engine.connect() as connection:
            rows = connection.execute(answered).all()  # first: what is answered in between is not among them
            waiting = {(uid, revision) for uid, revision in connection.execute(sa.select(*of_one).where(pending))}
            last = sa.select(*of_one, sa.func.max(owed.c.delivered_at)).group_by(*of_one)
            delivered = {(uid, revision): at for uid, revision, at in connection.execute(last)}
        return [
            Issued(
                series_instance_uid=uid,
                revision=revision,
                card_id=card_id,
                objects=json.loads(objects),
                since=max(closed_at, delivered.get((uid, revision)) or 0.0),
                needed=stage != Stage.DONE or (uid, revision) in waiting,
            )
            for uid, revision, card_id, objects, closed_at, stage in rows
        ]

    def keep_references(self, references: Sequence[tuple[Issued, ReportReference]]) -> None:
        """Keep how to refer to each SR, for a later revision: its file is about to go."""
        with self._engine.begin() as connection:
            for issued, reference in references:
                kept = sa.update(schema.series).where(*schema.series_key(issued.series_instance_uid, issued.revision))
                connection.execute(kept.values(reference=json.dumps(asdict(reference))))

    def clear(self, cleared: Iterable[Issued], at: float) -> None:
        """Record that the files of these reports are gone; ``at`` 0: that there were none."""
        with self._engine.begin() as connection:
            version = schema.next_version(connection)
            for issued in cleared:
                key = schema.series_key(issued.series_instance_uid, issued.revision)
                connection.execute(sa.update(schema.series).where(*key).values(cleared_at=at, version=version))

    def forget_ends(self, now: float) -> int:
        """Delete the ends of associations that no open series came on; how many."""
        table = schema.associations
        with self._engine.begin() as connection:
            unclosed = sa.select(schema.instances.c.body).where(schema.instances.c.revision.is_(None))
            bodies = connection.execute(unclosed).scalars()
            waiting = set(legible(bodies, lambda body: str(_arrival(body)["association"])))
            old = connection.execute(sa.select(table.c.association).where(table.c.ended_at < now - _ENDS_S)).scalars()
            gone = [{"gone": association} for association in old if association not in waiting]
            if gone:
                connection.execute(sa.delete(table).where(table.c.association == sa.bindparam("gone")), gone)
        return len(gone)


def _arrival(body: str) -> dict[str, Any]:
    arrival: dict[str, Any] = json.loads(body)["arrival"]
    return arrival


def _place(body: str) -> tuple[str, int]:
    arrival = _arrival(body)
    return str(arrival["segment"]), int(arrival["offset"])


def parse_position(text: str | None) -> Cursor:
    """The cursor that the index keeps as text; the start where it keeps none that can be read: twice is once."""
    try:
        segment, offset = (text or "").split(":")
        return Cursor(int(segment), int(offset))
    except ValueError:
        return START


def _unsettled() -> sa.CompoundSelect[tuple[str]]:
    """The series that are open, not answered, or whose report is owed to a destination, refused or not."""
    received, answered, owed = schema.instances.c, schema.series.c, schema.deliveries.c
    return sa.union(
        sa.select(received.series_instance_uid).where(received.revision.is_(None)),
        sa.select(answered.series_instance_uid).where(answered.stage != Stage.DONE),
        sa.select(owed.series_instance_uid).where(owed.delivered_at.is_(None)),
    )
