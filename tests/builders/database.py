"""A database for a while, and one that goes away in the middle of things."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import sqlalchemy as sa

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
