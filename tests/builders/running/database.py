"""A database for a while, and one that goes away in the middle of things."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import sqlalchemy as sa

from builders.judging.values import instance
from daemon.core.values import ClosedBy, Series
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_database


@contextmanager
def opened(url: str) -> Iterator[sa.Engine]:
    """The database at ``url``, in its newest shape."""
    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def gone_at(engine: sa.Engine, number: int) -> Iterator[list[int]]:
    """The connection breaks at one statement, counted from 0; the list holds that number once it has."""
    statements, broken = count(), []

    def break_off(*_: object) -> None:
        if next(statements) == number:
            broken.append(number)
            raise sa.exc.OperationalError("a statement", {}, ConnectionError())

    sa.event.listen(engine, "before_cursor_execute", break_off)
    try:
        yield broken
    finally:
        sa.event.remove(engine, "before_cursor_execute", break_off)


def closed(engine: sa.Engine, name: str, revision: int = 1) -> str:
    """A series of one image that is closed and has no verdict yet."""
    index = Index(engine, b"key")
    index.record([instance(revision, series=name)], [], "1:1")
    held, _ = index.unclosed()
    series = Series(
        series_instance_uid=held[0].series_instance_uid,
        study_instance_uid="1.2",
        revision=revision,
        instances=tuple(held),
        closed_by=ClosedBy.RELEASE,
        closed_at=1.0,
        partial=False,
    )
    index.close_series(series)
    return series.series_instance_uid
