"""Which protocols the exams of a scanner had, in SQL: what the usual list of an exam is learnt from."""

from collections.abc import Sequence

import sqlalchemy as sa

from daemon.core.people.exams import Exam
from daemon.edge.database import schema

_EXAMS, _SERIES = schema.exams, schema.exam_series
#: So many exams are learnt from, the newest.
_MOST = 400


def protocols_of(connection: sa.Connection, exam_id: str) -> list[str]:
    """The protocols of an exam's series, in the order in which they began."""
    query = sa.select(_SERIES.c.protocol).where(_SERIES.c.exam_id == exam_id)
    return list(connection.execute(query.order_by(_SERIES.c.began_at, _SERIES.c.series_instance_uid)).scalars())


def earlier_lists(connection: sa.Connection, exam: Exam) -> Sequence[Sequence[str]]:
    """The protocols of each exam of the same scanner that began before and is over, each in their order."""
    over = sa.select(_EXAMS.c.exam_id).where(
        _EXAMS.c.scanner == exam.scanner,
        _EXAMS.c.began_at < exam.began_at,
        _EXAMS.c.over_at.is_not(None),
        _EXAMS.c.exam_id != exam.exam_id,
    )
    newest = over.order_by(_EXAMS.c.began_at.desc(), _EXAMS.c.exam_id).limit(_MOST).subquery()
    query = sa.select(_SERIES.c.exam_id, _SERIES.c.protocol).where(_SERIES.c.exam_id.in_(sa.select(newest.c.exam_id)))
    found: dict[str, list[str]] = {}
    for exam_id, protocol in connection.execute(query.order_by(_SERIES.c.began_at, _SERIES.c.series_instance_uid)):
        found.setdefault(exam_id, []).append(protocol)
    return list(found.values())
