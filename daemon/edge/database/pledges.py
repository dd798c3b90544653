"""What archives were asked to commit, and what they said, in SQL."""

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from daemon.core.sending.commitment import Outcome
from daemon.core.values import Stage
from daemon.edge.database import schema

_TABLE = schema.deliveries
_AT_ONCE = 100  # instances in one request
#: Failure reasons that no second delivery mends (PS3.3 C.14.1.1): SOP class not supported, class and instance differ.
_LASTING = frozenset({0x0122, 0x0119})
#: How often an object is delivered again because its archive will not commit it.
_RESENT_MAX = 3


class Commitment(StrEnum):
    """How far one delivered object is."""

    NONE = ""
    OWED = "owed"
    ASKED = "asked"
    COMMITTED = "committed"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What an answer changed: how many objects are committed, are sent again, are parked."""

    committed: int
    resent: int
    parked: int


class Pledges:
    """Commitments. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def claim(self, destination: str, transaction_uid: str, now: float, again_at: float) -> list[str]:
        """SOP instance UIDs to ask about; they are asked about again at ``again_at`` if no answer comes."""
        waiting = (
            _TABLE.c.destination == destination,
            _TABLE.c.delivered_at.is_not(None),
            _TABLE.c.commitment.in_((Commitment.OWED, Commitment.ASKED)),
            _TABLE.c.commit_at <= now,
        )
        chosen = sa.select(_TABLE.c.sop_instance_uid).where(*waiting).limit(_AT_ONCE).with_for_update(skip_locked=True)
        values = {"commitment": Commitment.ASKED, "transaction_uid": transaction_uid, "commit_at": again_at}
        asked = sa.update(_TABLE).where(*waiting, _TABLE.c.sop_instance_uid.in_(chosen)).values(**values)
        with self._engine.begin() as connection:
            return list(connection.execute(asked.returning(_TABLE.c.sop_instance_uid)).scalars())

    def ask_again(self, transaction_uid: str, at: float) -> None:
        """The request did not get through: ask at another time."""
        with self._engine.begin() as connection:
            asked = (_TABLE.c.transaction_uid == transaction_uid, _TABLE.c.commitment == Commitment.ASKED)
            connection.execute(sa.update(_TABLE).where(*asked).values(commit_at=at))

    def drop(self, destination: str, sop_instance_uid: str, reason: str) -> None:
        """Ask about one object no more; ``reason`` is kept with it."""
        one = (*schema.delivery_key(sop_instance_uid, destination), _TABLE.c.commitment == Commitment.ASKED)
        with self._engine.begin() as connection:
            dropped = {"commitment": Commitment.UNANSWERED, "trouble": reason}
            connection.execute(sa.update(_TABLE).where(*one).values(**dropped))

    def give_up(self, destination: str, before: float) -> int:
        """Ask no longer about what was owed before then; how many."""
        old = (_TABLE.c.destination == destination, _TABLE.c.owed_at < before)
        waiting = _TABLE.c.commitment.in_((Commitment.OWED, Commitment.ASKED))
        with self._engine.begin() as connection:
            ended = sa.update(_TABLE).where(*old, waiting).values(commitment=Commitment.UNANSWERED)
            return connection.execute(ended).rowcount

    def settle(self, outcome: Outcome, now: float) -> Answered | None:
        """Record an answer: what failed is delivered again, or parked; None where nobody asked. Twice is once."""
        of_transaction = _TABLE.c.transaction_uid == outcome.transaction_uid
        asked = (of_transaction, _TABLE.c.commitment == Commitment.ASKED)
        with self._engine.begin() as connection:
            version = schema.next_version(connection)
            rows = connection.execute(sa.select(_TABLE).where(of_transaction)).mappings().all()
            if not rows:
                return None
            kept = sa.update(_TABLE).where(*asked, _TABLE.c.sop_instance_uid.in_(outcome.committed))
            committed = connection.execute(kept.values(commitment=Commitment.COMMITTED)).rowcount
            lasting = [
                _reopen(connection, row, outcome.failed[row["sop_instance_uid"]], now, version)
                for row in rows
                if row["commitment"] == Commitment.ASKED and row["sop_instance_uid"] in outcome.failed
            ]
        return Answered(committed=committed, resent=lasting.count(False), parked=lasting.count(True))


def _reopen(connection: sa.Connection, row: sa.RowMapping, reason: int, now: float, version: int) -> bool:
    """Owe again what was not committed; whether it was parked instead."""
    lasting = reason in _LASTING or row["attempts"] >= _RESENT_MAX
    why = f"{row['destination']} does not commit it (failure reason {reason:04X}): see its log, then requeue"
    values = {"delivered_at": None, "commitment": Commitment.NONE, "due_at": now, "trouble": why}
    values |= {"attempts": row["attempts"] + 1, "parked": why if lasting else None}
    key = schema.delivery_key(row["sop_instance_uid"], row["destination"])
    connection.execute(sa.update(_TABLE).where(*key).values(**values))
    if not lasting:
        of_series = schema.series_key(row["series_instance_uid"], row["revision"])
        changed = {"version": version, "stage": Stage.DELIVERING.value}
        connection.execute(sa.update(schema.series).where(*of_series).values(**changed))
    return lasting
