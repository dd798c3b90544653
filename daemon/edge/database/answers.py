"""What people answered to verdicts, in SQL: every answer is kept, the newest of a card holds."""

import json
from collections.abc import Iterable

import sqlalchemy as sa
from cattrs import Converter

from daemon.core.measures import Assessment
from daemon.core.people.card import Answer, Choice
from daemon.core.people.replay import Recorded
from daemon.core.values import State, Verdict
from daemon.edge.database import schema
from daemon.edge.database.rows import legible

_CONVERTER = Converter()
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

    def choices(self) -> dict[str, Answer]:
        """Every answer that holds, by the UID of its series."""
        table, held = schema.series, self.all()
        query = sa.select(table.c.card_id, table.c.series_instance_uid)
        query = query.where(table.c.card_id.in_(sa.select(_TABLE.c.card_id))).distinct()
        with self._engine.connect() as connection:
            return {uid: held[card_id] for card_id, uid in connection.execute(query) if card_id in held}

    def recorded(self, since: float) -> list[Recorded]:
        """Every verdict that holds and was given since then, with the answer to it, oldest first."""
        table, later = schema.series, schema.series.alias()
        newer = sa.exists().where(
            later.c.series_instance_uid == table.c.series_instance_uid, later.c.revision > table.c.revision
        )
        query = sa.select(table).where(table.c.verdict.is_not(None), table.c.closed_at >= since, ~newer)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(table.c.closed_at)).mappings().all()
        answers = self.all()
        return list(legible(rows, lambda row: _recorded(row, answers.get(row["card_id"]))))

    def answered(self, since: float) -> list[Recorded]:
        """Every verdict that holds, was given since then, and has an answer; without its assessment."""
        answers, table, later = self.all(), schema.series, schema.series.alias()
        newer = sa.exists().where(
            later.c.series_instance_uid == table.c.series_instance_uid, later.c.revision > table.c.revision
        )
        columns = [table.c[name] for name in ("card_id", "calling_ae", "description", "bundle", "verdict", "closed_at")]
        query = sa.select(*columns, sa.literal("null").label("assessment"))
        query = query.where(table.c.verdict.is_not(None), table.c.closed_at >= since, ~newer)
        query = query.where(table.c.card_id.in_(sa.select(_TABLE.c.card_id)))
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(table.c.closed_at)).mappings().all()
        return list(legible(rows, lambda row: _recorded(row, answers.get(row["card_id"]))))

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
        of_card = schema.series.c.card_id == card_id
        with self._engine.begin() as connection:
            version = schema.next_version(connection)
            connection.execute(sa.insert(_TABLE), row)
            connection.execute(sa.update(schema.series).where(of_card).values(version=version))


def _answer(row: sa.RowMapping) -> Answer:
    return Answer(
        choice=Choice(row["choice"]),
        state=State(row["state"]),
        reason=row["reason"],
        by=row["answered_by"],
        at=row["answered_at"],
    )


def _recorded(row: sa.RowMapping, answer: Answer | None) -> Recorded:
    assessment = json.loads(row["assessment"] or "null")
    return Recorded(
        card_id=row["card_id"],
        scanner=row["calling_ae"],
        protocol=row["description"],
        digest=row["bundle"],
        verdict=_CONVERTER.structure(json.loads(row["verdict"]), Verdict),
        assessment=assessment and _CONVERTER.structure(assessment, Assessment),
        judged_at=row["closed_at"],
        answer=answer,
    )
