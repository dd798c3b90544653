"""Looks into a database that other processes work in, again and again and for little."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import sqlalchemy as sa

from daemon.edge.database.migrations import open_existing


@contextmanager
def looked_into(url: str) -> Iterator[sa.Engine]:
    """A database that a daemon has made, for one look: no connection stays, for a test may take the database away."""
    engine = _engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@cache
def _engine(url: str) -> sa.Engine:
    """It keeps its compiled statements from look to look: each new one would compile them anew, 0.03 s of a core."""
    with open_existing(url) as engine:
        return engine
