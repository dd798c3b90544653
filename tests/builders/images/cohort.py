"""A cohort on disk, and how far its answers are."""

from functools import cache

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError

from daemon.edge.database.cohorts import Cohort
from daemon.edge.database.migrations import connect


def counted(database: str, name: str) -> tuple[int, int]:
    """How many series of a cohort are answered, and how many there are; zeroes before it is begun."""
    engine = _engine(database)
    try:
        return Cohort(engine, name).count()
    except (OperationalError, ProgrammingError):  # there is no table yet
        return 0, 0
    finally:
        engine.dispose()


@cache
def _engine(database: str) -> sa.Engine:
    """Of one that need not be there yet; it keeps its compiled statements from look to look."""
    return connect(database)
