"""A cohort on disk, and how far its answers are."""

from sqlalchemy.exc import OperationalError, ProgrammingError

from daemon.edge.database.cohorts import Cohort
from daemon.edge.database.migrations import connect


def counted(database: str, name: str) -> tuple[int, int]:
    """How many series of a cohort are answered, and how many there are; zeroes before it is begun."""
    engine = connect(database)
    try:
        return Cohort(engine, name).count()
    except (OperationalError, ProgrammingError):  # there is no table yet
        return 0, 0
    finally:
        engine.dispose()
