"""Calls for service, in SQL: one row a call, written together with the alerts that tell of it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from cattrs import Converter

from daemon.core.sending.alerts import AlertOutcome
from daemon.core.trends.quality import Finding
from daemon.core.trends.service import ServiceCall
from daemon.edge.database import schema
from daemon.edge.database.rows import legible

_CONVERTER = Converter()
_TABLE, _ALERTS = schema.service_calls, schema.service_alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedCall:
    """What one target is owed: the call, and how often it was tried."""

    call: ServiceCall
    target: str
    attempts: int


class Calls:
    """Calls for service. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, call: ServiceCall, targets: Collection[str]) -> bool:
        """Record a call, and owe an alert of it to each target; False where it is known."""
        body = json.dumps(_CONVERTER.unstructure(call.findings))
        row = {"call_id": call.call_id, "scanner": call.scanner, "found_at": call.found_at, "body": body}
        with self._engine.begin() as connection:
            schema.next_version(connection)
            if connection.execute(sa.select(_TABLE.c.call_id).where(_TABLE.c.call_id == call.call_id)).first():
                return False
            connection.execute(sa.insert(_TABLE), row)
            owed = [{"call_id": call.call_id, "target": target, "owed_at": call.found_at} for target in targets]
            if owed:
                connection.execute(sa.insert(_ALERTS), owed)
        return True

    def settle(self, call_id: str, by: str, at: float) -> bool:
        """A person says that it was seen to; False where there is no such call, or it was said before."""
        standing = (_TABLE.c.call_id == call_id, _TABLE.c.settled_at.is_(None))
        with self._engine.begin() as connection:
            schema.next_version(connection)
            settled = sa.update(_TABLE).where(*standing).values(settled_at=at, settled_by=by)
            return connection.execute(settled.returning(_TABLE.c.call_id)).first() is not None

    def of_scanner(self, scanner: str) -> Sequence[ServiceCall]:
        """Every call of a scanner, the newest first."""
        return self._calls(_TABLE.c.scanner == scanner)

    def standing(self) -> Sequence[ServiceCall]:
        """The calls that nobody has seen to yet, of all scanners."""
        return self._calls(_TABLE.c.settled_at.is_(None))

    def call(self, call_id: str) -> ServiceCall | None:
        """One call; None where it is unknown."""
        return next(iter(self._calls(_TABLE.c.call_id == call_id)), None)

    def due(self, target: str, now: float) -> OwedCall | None:
        """The alert that a target has been owed for longest; None where none is due."""
        unsent = (_ALERTS.c.target == target, _ALERTS.c.outcome.is_(None), _ALERTS.c.due_at <= now)
        query = sa.select(_TABLE, _ALERTS.c.attempts).join(_ALERTS, _ALERTS.c.call_id == _TABLE.c.call_id)
        query = query.where(*unsent).order_by(_ALERTS.c.owed_at, _TABLE.c.call_id).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return OwedCall(call=_call(row), target=target, attempts=row["attempts"]) if row else None

    def end(self, owed: OwedCall, outcome: AlertOutcome, at: float, trouble: str = "") -> None:
        """Record how an alert ended."""
        self._change(owed, {"outcome": outcome.value, "settled_at": at, "trouble": trouble})

    def postpone(self, owed: OwedCall, trouble: str, due_at: float) -> None:
        """An attempt failed: it is due again then."""
        self._change(owed, {"trouble": trouble, "due_at": due_at, "attempts": _ALERTS.c.attempts + 1})

    def _change(self, owed: OwedCall, values: Mapping[str, object]) -> None:
        key = (_ALERTS.c.call_id == owed.call.call_id, _ALERTS.c.target == owed.target)
        with self._engine.begin() as connection:
            connection.execute(sa.update(_ALERTS).where(*key).values(**values))

    def _calls(self, chosen: sa.ColumnElement[bool]) -> list[ServiceCall]:
        query = sa.select(_TABLE).where(chosen).order_by(_TABLE.c.found_at.desc(), _TABLE.c.call_id)
        with self._engine.connect() as connection:
            return list(legible(connection.execute(query).mappings(), _call))


def _call(row: sa.RowMapping) -> ServiceCall:
    return ServiceCall(
        call_id=row["call_id"],
        scanner=row["scanner"],
        found_at=row["found_at"],
        findings=tuple(_CONVERTER.structure(json.loads(row["body"]), list[Finding])),
        settled_at=row["settled_at"],
        settled_by=row["settled_by"],
    )
