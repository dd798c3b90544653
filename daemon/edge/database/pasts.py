"""The past of each protocol, in SQL: one row a series that was accepted, the newest of each protocol."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from daemon.core.judging.own_past import Entry, Member, Parameters
from daemon.core.judging.site_artefacts import Kept
from daemon.core.people.card import is_rejection
from daemon.edge.database import schema
from daemon.edge.database.rows import legible


class Pasts:
    """What was accepted of each protocol. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def members(self, bundle: str, scanner: str, protocol: str, but: str = "") -> Sequence[Member]:
        """The series of a protocol that ``bundle`` (digest) measured, the newest first.

        ``but``: without the one of this UID; nor are there those that a person rejected by what he answered.
        """
        table = schema.pasts.c
        of_protocol = (table.scanner == scanner, table.protocol == protocol)
        return list(legible(self._rows(bundle, *of_protocol, table.series_instance_uid != but), _member))

    def kept(self, bundle: str) -> Sequence[Kept]:
        """The series that ``bundle`` (digest) measured, the newest first, but for those that a person rejected."""
        return list(legible(self._rows(bundle), _kept))

    def _rows(self, bundle: str, *chosen: sa.ColumnElement[bool]) -> Sequence[sa.RowMapping]:
        """Those that ``bundle`` (digest) measured, the newest first, but for those that a person rejected."""
        table = schema.pasts.c
        query = sa.select(schema.pasts).where(table.bundle == bundle, *chosen)
        query = query.order_by(table.judged_at.desc(), table.series_instance_uid)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
            rejected = _rejected(connection, [row["series_instance_uid"] for row in rows])
        return [row for row in rows if row["series_instance_uid"] not in rejected]

    def counts(self, bundle: str) -> Mapping[tuple[str, str], int]:
        """How many series of each scanner and protocol ``bundle`` (digest) has measured and are kept."""
        table = schema.pasts.c
        query = sa.select(table.scanner, table.protocol).where(table.bundle == bundle)
        with self._engine.connect() as connection:
            return Counter((scanner, protocol) for scanner, protocol in connection.execute(query))

    def leave_out(self, series_instance_uids: Collection[str]) -> int:
        """Forget series that a person rejected; how many were there."""
        rejected = schema.pasts.c.series_instance_uid.in_(series_instance_uids)
        with self._engine.begin() as connection:
            return connection.execute(sa.delete(schema.pasts).where(rejected)).rowcount


def remember(connection: sa.Connection, series_instance_uid: str, entry: Entry | None, at: float) -> None:
    """Put what a series adds to its protocol's past in the place of what it added before; nothing takes it out."""
    table = schema.pasts
    connection.execute(sa.delete(table).where(table.c.series_instance_uid == series_instance_uid))
    if entry is None:
        return
    member = entry.member
    body = json.dumps({"parameters": dict(member.parameters), "measures": dict(member.measures)})
    key = {"scanner": entry.scanner, "protocol": entry.protocol}
    row = {"series_instance_uid": series_instance_uid, "bundle": entry.bundle, "judged_at": at, "body": body, **key}
    connection.execute(sa.insert(table), row)
    of_protocol = tuple(table.c[name] == value for name, value in key.items())
    newest = sa.select(table.c.judged_at).where(*of_protocol).order_by(table.c.judged_at.desc())
    oldest = connection.execute(newest.offset(entry.most - 1).limit(1)).scalar()
    if oldest is not None:
        connection.execute(sa.delete(table).where(*of_protocol, table.c.judged_at < oldest))


def _rejected(connection: sa.Connection, series_instance_uids: Collection[str]) -> set[str]:
    """Those of some series whose newest answer says that the images were not good."""
    series, answers = schema.series.c, schema.answers.c
    query = sa.select(series.series_instance_uid, answers.choice, answers.state)
    query = query.where(series.card_id == answers.card_id, series.series_instance_uid.in_(series_instance_uids))
    newest = {uid: (choice, state) for uid, choice, state in connection.execute(query.order_by(answers.id))}
    return {uid for uid, (choice, state) in newest.items() if is_rejection(choice, state)}


def _member(row: sa.RowMapping) -> Member:
    body = json.loads(row["body"])
    return Member(parameters=_parameters(body), measures=body["measures"])


def _kept(row: sa.RowMapping) -> Kept:
    return Kept(
        series_instance_uid=row["series_instance_uid"],
        scanner=row["scanner"],
        protocol=row["protocol"],
        parameters=_parameters(json.loads(row["body"])),
    )


def _parameters(body: Mapping[str, Any]) -> Parameters:
    return {name: tuple(values) for name, values in body["parameters"].items()}
