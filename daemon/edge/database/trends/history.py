"""The history of one series, out of everything that the line has recorded of it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from cattrs import Converter

from daemon.core.measures import Assessment
from daemon.core.people.history import Event, Happening, History, Step
from daemon.core.values import Verdict
from daemon.edge.database import schema
from daemon.edge.database.rows import ILLEGIBLE, legible

_CONVERTER = Converter()
_SERIES = schema.series


class Histories:
    """Histories of series. Every method is one transaction. ``scanners``: calling AE title -> alias."""

    def __init__(self, engine: sa.Engine, scanners: Mapping[str, str]) -> None:
        self._engine = engine
        self._scanners = scanners

    def uid(self, card_id: str) -> str | None:
        """The series behind a card; None where it is unknown or was never closed."""
        with self._engine.connect() as connection:
            return connection.execute(
                sa.select(_SERIES.c.series_instance_uid).where(_SERIES.c.card_id == card_id)
            ).scalar()

    def history(self, card_id: str) -> History | None:
        """What happened to the series behind a card; None where it is unknown or was never closed."""
        chosen = sa.select(_SERIES).where(_SERIES.c.card_id == card_id).order_by(_SERIES.c.revision.desc())
        with self._engine.connect() as connection:
            rows = connection.execute(chosen).mappings().all()
            if not rows:
                return None
            uid = rows[0]["series_instance_uid"]
            exam = connection.execute(_of(schema.exam_series, uid)).mappings().first()
            images = connection.execute(_of(schema.instances, uid)).mappings().all()
            events = [
                *_of_images(images),
                *(event for row in rows for event in _of_revision(row)),
                *map(_of_delivery, connection.execute(_of(schema.deliveries, uid)).mappings()),
                *map(_of_alert, connection.execute(_of(schema.alerts, uid)).mappings()),
                *map(_of_answer, connection.execute(_answers(card_id)).mappings()),
            ]
        first = rows[0]
        return History(
            card_id=card_id,
            scanner=self._scanners.get(first["calling_ae"], first["calling_ae"]),
            protocol=first["description"] or (exam["protocol"] if exam else ""),
            exam=exam["exam_id"] if exam else "",
            steps=tuple(map(_step, rows)),
            events=tuple(sorted(events, key=lambda event: event.at)),
        )


def _of(table: sa.Table, uid: str) -> sa.Select[Any]:
    return sa.select(table).where(table.c.series_instance_uid == uid)


def _answers(card_id: str) -> sa.Select[Any]:
    return sa.select(schema.answers).where(schema.answers.c.card_id == card_id)


def _of_images(rows: Iterable[sa.RowMapping]) -> Iterator[Event]:
    """The first image of each revision that brought one."""
    first: dict[int, float] = {}
    for revision, at in legible(rows, lambda row: (row["revision"], json.loads(row["body"])["arrival"]["received_at"])):
        if revision is not None:
            first[revision] = min(first.get(revision, at), at)
    for revision, at in first.items():
        yield Event(at=at, what=Happening.FIRST_IMAGE, revision=revision)


def _of_revision(row: sa.RowMapping) -> Iterator[Event]:
    revision, seconds = row["revision"], json.loads(row["seconds"])
    yield Event(at=row["last_received_at"], what=Happening.LAST_IMAGE, revision=revision, detail=str(row["images"]))
    yield Event(at=row["closed_at"], what=Happening.CLOSED, revision=revision, detail=row["closed_by"])
    if "queue" in seconds:
        yield Event(at=row["closed_at"] + seconds["queue"], what=Happening.BEGUN, revision=revision)
    if "verdict" in seconds and row["verdict"]:
        judged, state = row["last_received_at"] + seconds["verdict"], json.loads(row["verdict"])["state"]
        yield Event(at=judged, what=Happening.JUDGED, revision=revision, detail=state)
    if row["cleared_at"]:
        yield Event(at=row["cleared_at"], what=Happening.CLEARED, revision=revision)


def _of_delivery(row: sa.RowMapping) -> Event:
    place, revision = f"{row['kind']} {row['destination']}", row["revision"]
    if row["delivered_at"]:
        return Event(at=row["delivered_at"], what=Happening.DELIVERED, revision=revision, detail=place, safe=False)
    what = Happening.PARKED if row["parked"] else Happening.OWED
    why = row["parked"] or row["trouble"]
    detail = f"{place}: {why}" if why else place
    return Event(at=row["owed_at"], what=what, revision=revision, detail=detail, safe=False)


def _of_alert(row: sa.RowMapping) -> Event:
    at, outcome = row["settled_at"] or row["owed_at"], row["outcome"] or "owed"
    return Event(at=at, what=Happening.ALERTED, revision=row["revision"], detail=f"{row['target']}: {outcome}")


def _of_answer(row: sa.RowMapping) -> Event:
    detail = row["choice"] or "taken_back"
    return Event(at=row["answered_at"], what=Happening.ANSWERED, revision=row["revision"], detail=detail)


def _step(row: sa.RowMapping) -> Step:
    return Step(
        revision=row["revision"],
        images=row["images"],
        partial=row["partial"],
        closed_by=row["closed_by"],
        stage=row["stage"],
        verdict=_read(row["verdict"], Verdict),
        assessment=_read(row["assessment"], Assessment),
        bundle=row["bundle"],
        software=row["software"],
        seconds=json.loads(row["seconds"]),
    )


def _read(text: str | None, wanted: type[Any]) -> Any:  # noqa: ANN401 - of the type that is wanted
    """What was recorded; None where nothing was, or by a version that recorded it otherwise."""
    with suppress(*ILLEGIBLE):
        recorded = json.loads(text or "null")
        return None if recorded is None else _CONVERTER.structure(recorded, wanted)
    return None
