"""Examinations of several series, in SQL: what closed series offer to be, who joined whom, and what is made anew."""

from collections.abc import Collection, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from daemon.core.judging.gathering import Member, Offer, is_outdated
from daemon.core.reception.turns import next_turn
from daemon.core.values import ClosedBy, Stage, State
from daemon.edge.database import schema
from daemon.edge.database.studies import tables

_OFFERS, _MEMBERS, _SERIES = tables.offers, tables.members, schema.series
#: A series' UID and its revision.
Key = tuple[str, int]


class Examinations:
    """Who may join whom. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def offers(self, study_instance_uid: str, bundle: str) -> list[Offer]:
        """What the closed series of a study may be for ``bundle``, by its configured name."""
        with self._engine.connect() as connection:
            return _offers(connection, study_instance_uid, bundle)

    def members(self, series_instance_uid: str, revision: int) -> tuple[Member, ...]:
        """Who joined a series in the examination of a revision of it."""
        with self._engine.connect() as connection:
            return _members(connection, (series_instance_uid, revision))

    def all_members(self, series_instance_uids: Collection[str]) -> dict[Key, list[Member]]:
        """Who joined each revision of some series; those that nobody joined are not there."""
        query = sa.select(_MEMBERS).where(_MEMBERS.c.series_instance_uid.in_(series_instance_uids))
        found: dict[Key, list[Member]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(query.order_by(_MEMBERS.c.role, _MEMBERS.c.member_series_uid)).mappings():
                found.setdefault((row["series_instance_uid"], row["revision"]), []).append(_member(row))
        return found

    def waiting(self) -> list[Key]:
        """What is to be judged again, for another series joins it, and was not begun yet or is under way."""
        again = (_SERIES.c.verdict.is_(None), _SERIES.c.closed_by == ClosedBy.JOINED.value)
        query = sa.select(_SERIES.c.series_instance_uid, _SERIES.c.revision).where(*again)
        query = query.where(_SERIES.c.stage.in_([Stage.WAITING.value, Stage.ASSESSING.value]))
        with self._engine.connect() as connection:
            return [(uid, revision) for uid, revision in connection.execute(query)]


def settle(connection: sa.Connection, key: Key, offers: Sequence[Offer], members: Sequence[Member], at: float) -> None:
    """Record what an answered series offers and who joined it; what is outdated by it gets its next revision.

    Part of the transaction that publishes the verdict, which holds the counter of changes: of two series that are
    answered at once, the later sees the earlier.
    """
    uid, revision = key
    _record(connection, key, offers, members)
    study = str(connection.execute(sa.select(_SERIES.c.study_instance_uid).where(*schema.series_key(*key))).scalar())
    if not study:
        return
    for bundle in sorted({offer.bundle for offer in offers}):
        known = _offers(connection, study, bundle)
        for lead in sorted({offer.series_instance_uid for offer in known if offer.leads}):
            newest = revision if lead == uid else _answered(connection, lead)
            if newest is not None and is_outdated(lead, _members(connection, (lead, newest)), known, by=uid):
                _reopen(connection, (lead, newest), key, at)


def _record(connection: sa.Connection, key: Key, offers: Sequence[Offer], members: Sequence[Member]) -> None:
    """A revision in which no image came offers nothing new."""
    uid, revision = key
    row = {"series_instance_uid": uid, "revision": revision}
    if members:
        played = [
            {"role": m.role, "member_series_uid": m.series_instance_uid, "member_revision": m.revision} for m in members
        ]
        connection.execute(sa.insert(_MEMBERS), [row | one for one in played])
    arrived = schema.instances.c
    came = sa.select(sa.func.max(arrived.revision)).where(
        arrived.series_instance_uid == uid, arrived.revision <= revision
    )
    images = connection.execute(came).scalar() or revision
    own = _OFFERS.c.series_instance_uid == uid
    known = connection.execute(sa.select(sa.func.max(_OFFERS.c.revision)).where(own)).scalar()
    if known is not None and known >= images:
        return
    connection.execute(sa.delete(_OFFERS).where(own))
    study = sa.select(_SERIES.c.study_instance_uid).where(*schema.series_key(uid, revision)).scalar_subquery()
    for offer in offers:
        values = asdict(offer) | {"revision": images, "state": offer.state.value, "study_instance_uid": study}
        connection.execute(sa.insert(_OFFERS).values(**values))


def _offers(connection: sa.Connection, study_instance_uid: str, bundle: str) -> list[Offer]:
    of_study = (_OFFERS.c.study_instance_uid == study_instance_uid, _OFFERS.c.bundle == bundle)
    rows = connection.execute(sa.select(_OFFERS).where(*of_study)).mappings() if study_instance_uid else ()
    return [_offer(row) for row in rows]


def _offer(row: sa.RowMapping) -> Offer:
    values = {name: row[name] for name in Offer.__slots__}
    return Offer(**values | {"state": State(row["state"])})


def _members(connection: sa.Connection, key: Key) -> tuple[Member, ...]:
    uid, revision = key
    query = sa.select(_MEMBERS).where(_MEMBERS.c.series_instance_uid == uid, _MEMBERS.c.revision == revision)
    rows = connection.execute(query.order_by(_MEMBERS.c.role, _MEMBERS.c.member_series_uid)).mappings()
    return tuple(_member(row) for row in rows)


def _member(row: sa.RowMapping) -> Member:
    return Member(role=row["role"], series_instance_uid=row["member_series_uid"], revision=row["member_revision"])


def _answered(connection: sa.Connection, series_instance_uid: str) -> int | None:
    """The newest revision of a series; None while it has no verdict: who is answered looks for itself."""
    of_series = _SERIES.c.series_instance_uid == series_instance_uid
    newest = sa.select(_SERIES.c.revision, _SERIES.c.verdict).where(of_series).order_by(_SERIES.c.revision.desc())
    row = connection.execute(newest.limit(1)).first()
    return None if row is None or row[1] is None else int(row[0])


def _reopen(connection: sa.Connection, lead: Key, by: Key, at: float) -> None:
    """Let a series be judged again with the same images, for another one joins it: its next revision."""
    row = connection.execute(sa.select(_SERIES).where(*schema.series_key(*lead))).mappings().one()
    joined = sa.select(_SERIES.c.last_received_at).where(*schema.series_key(*by))
    values = {
        name: row[name]
        for name in ("series_instance_uid", "study_instance_uid", "card_id", "calling_ae", "images", "partial")
    }
    values |= {
        "revision": lead[1] + 1,
        "version": schema.next_version(connection),
        "stage": Stage.WAITING.value,
        "closed_by": ClosedBy.JOINED.value,
        "closed_at": at,
        "last_received_at": connection.execute(joined).scalar_one(),
        "turn": scanner_turn(connection, row["calling_ae"]),
    }
    connection.execute(sa.insert(_SERIES).values(**values))


def scanner_turn(connection: sa.Connection, calling_ae: str) -> int:
    """The turn of a series that this scanner's next one gets; whoever asks has asked for a version before."""
    unanswered = _SERIES.c.stage.in_([Stage.WAITING.value, Stage.ASSESSING.value])
    own = sa.func.max(sa.case((_SERIES.c.calling_ae == calling_ae, _SERIES.c.turn)))
    foremost, own_last = connection.execute(sa.select(sa.func.min(_SERIES.c.turn), own).where(unanswered)).one()
    return next_turn(foremost, own_last)
