"""What people answered to verdicts, in SQL: every answer is kept, the newest of a card holds."""

import json
from collections.abc import Iterable

import sqlalchemy as sa

from daemon.core.card import Answer, Choice
from daemon.core.values import State
from daemon.edge.database import schema

_TABLE = schema.answers


class Answers:
    """Answers of people. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def judged(self, card_id: str, revision: int) -> State | None:
        """The verdict of a revision of a card; None where there is none."""
        table = schema.series
        query = sa.select(table.c.verdict).where(table.c.card_id == card_id, table.c.revision == revision)
        with self._engine.connect() as connection:
            text = connection.execute(query).scalar()
        return State(json.loads(text)["state"]) if text else None

    def give(self, card_id: str, revision: int, answer: Answer) -> None:
        """Keep an answer; it takes the place of an earlier one."""
        self._add(card_id, revision, answer, answer.choice.value)

    def take_back(self, card_id: str, revision: int, answer: Answer) -> None:
        """Keep that the answer no longer holds: ``answer`` says who took it back, and when."""
        self._add(card_id, revision, answer, "")

    def of(self, card_ids: Iterable[str]) -> dict[str, Answer]:
        """The answers that hold, by card."""
        query = sa.select(_TABLE).where(_TABLE.c.card_id.in_(list(card_ids))).order_by(_TABLE.c.id)
        with self._engine.connect() as connection:
            newest = {row["card_id"]: row for row in connection.execute(query).mappings()}
        return {card_id: _answer(row) for card_id, row in newest.items() if row["choice"]}

    def all(self) -> dict[str, Answer]:
        """Every answer that holds, by card."""
        with self._engine.connect() as connection:
            newest = {
                row["card_id"]: row for row in connection.execute(sa.select(_TABLE).order_by(_TABLE.c.id)).mappings()
            }
        return {card_id: _answer(row) for card_id, row in newest.items() if row["choice"]}

    def _add(self, card_id: str, revision: int, answer: Answer, choice: str) -> None:
        row = {
            "card_id": card_id,
            "revision": revision,
            "state": answer.state.value,
            "choice": choice,
            "reason": answer.reason,
            "answered_by": answer.by,
            "answered_at": answer.at,
        }
        with self._engine.begin() as connection:
            schema.next_version(connection)
            connection.execute(sa.insert(_TABLE), row)


def _answer(row: sa.RowMapping) -> Answer:
    return Answer(
        choice=Choice(row["choice"]),
        state=State(row["state"]),
        reason=row["reason"],
        by=row["answered_by"],
        at=row["answered_at"],
    )
