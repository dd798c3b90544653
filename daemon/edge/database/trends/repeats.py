"""Series that were repeated: the first judged one of the same protocol and exam after one that was to be."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from daemon.core.values import State
from daemon.edge.database import schema

_SERIES, _ENTRIES = schema.series, schema.exam_series


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A series whose verdict holds, as far as its repeat is concerned; ``scanner``: the calling AE title."""

    exam_id: str
    scanner: str
    protocol: str
    received_at: float
    state: State


def repeats(judged: Sequence[Judged]) -> list[tuple[Judged, Judged]]:
    """Each series that asked for a RESCAN, with its repeat."""
    found = []
    for one in judged:
        later = [other for other in judged if _may_repeat(other, one)] if one.state is State.RESCAN else []
        if later and one.protocol:
            found.append((one, min(later, key=lambda other: other.received_at)))
    return found


def judged_with_rescans(engine: sa.Engine, since: float) -> list[list[Judged]]:
    """The judged series of every exam with a RESCAN since then, an exam a list."""
    asks = _SERIES.c.verdict.like(f'%"state": "{State.RESCAN.value}"%')
    join = _SERIES.join(_ENTRIES, _ENTRIES.c.series_instance_uid == _SERIES.c.series_instance_uid)
    exams = sa.select(_ENTRIES.c.exam_id).select_from(join).where(asks, _SERIES.c.closed_at >= since)
    later = _SERIES.alias()
    newer = sa.exists().where(
        later.c.series_instance_uid == _SERIES.c.series_instance_uid, later.c.revision > _SERIES.c.revision
    )
    columns = (_ENTRIES.c.exam_id, _SERIES.c.calling_ae, _SERIES.c.description, _SERIES.c.last_received_at)
    query = sa.select(*columns, _SERIES.c.verdict).select_from(join)
    query = query.where(_ENTRIES.c.exam_id.in_(exams), _SERIES.c.verdict.is_not(None), ~newer)
    by_exam: dict[str, list[Judged]] = {}
    with engine.connect() as connection:
        for exam_id, scanner, protocol, received_at, verdict in connection.execute(query):
            state = State(json.loads(verdict)["state"])
            one = Judged(exam_id=exam_id, scanner=scanner, protocol=protocol, received_at=received_at, state=state)
            by_exam.setdefault(exam_id, []).append(one)
    return list(by_exam.values())


def _may_repeat(other: Judged, one: Judged) -> bool:
    return other.protocol == one.protocol and other.received_at > one.received_at
