"""A database that does not answer is waited for: the process lives on, and with it its receiver.

Whole transactions are repeated: whether the last one was committed is unknown where its connection broke.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import sqlalchemy as sa
import structlog

from daemon.core.errors import DatabaseDamaged

_T = TypeVar("_T")
_FIRST_S, _LONGEST_S = 0.25, 5.0

#: The server is away, starts, or shuts down; no connection is free; SQLite's file is locked, or its disk full.
_GONE: Final = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, sqlite3.OperationalError)
_ANY: Final = (sa.exc.DBAPIError, sa.exc.TimeoutError, sqlite3.DatabaseError)
#: Program limit exceeded; the class of PostgreSQL's SQLSTATE.
_REFUSED: Final = "54"
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIMARY: Final = 0xFF  # the rest of an error code of SQLite says more of the same

GONE_WORDS: Final = "the database does not answer: images are received and kept, and judged when it is back"
DAMAGED_WORDS: Final = (
    "the database is damaged: images are received and kept; stop the daemon, rename scanside.sqlite, and beside it "
    "scanside.sqlite-wal and -shm, then start: what the spool holds is read and judged anew"
)

_log = structlog.get_logger()


def is_damaged(error: BaseException) -> bool:
    """Whether SQLite says that its file is none, or that a page of it is broken."""
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY in _DAMAGED


def is_gone(error: Exception) -> bool:
    """Whether an error says that the database cannot be used just now: it does not answer, or is damaged.

    PostgreSQL says of what it will never take that its operation failed, too: an index row that is too long.
    """
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return is_damaged(error) or (isinstance(error, _GONE) and not (state or "").startswith(_REFUSED))


def say_gone(error: Exception) -> str:
    """In words for people, what is wrong and what to do."""
    return DAMAGED_WORDS if is_damaged(error) else GONE_WORDS


@contextmanager
def unless_gone() -> Iterator[None]:
    """Leave the block where the database cannot be used just now."""
    try:
        yield
    except _ANY as error:
        if not is_gone(error):
            raise


def patiently(transaction: Callable[[], _T]) -> _T:
    """What the transaction gives, once the database answers."""
    failures = 0
    while True:
        try:
            return transaction()
        except _ANY as error:
            if not is_gone(error):
                raise
            failures += 1
            time.sleep(note_gone(error, failures))


class PatientTurn:
    """A turn that is taken again, after a pause, while the database does not answer.

    Raises:
        DatabaseDamaged: waiting will not help; a person must do something.
    """

    def __init__(self, turn: Callable[[], float]) -> None:
        self._turn = turn
        self._failures = 0

    def __call__(self) -> float:
        """The seconds to wait before the next turn."""
        try:
            pause = self._turn()
        except _ANY as error:
            if is_damaged(error):
                raise DatabaseDamaged(DAMAGED_WORDS) from error
            if not is_gone(error):
                raise
            self._failures += 1
            return note_gone(error, self._failures)
        self._failures = 0
        return pause


def note_gone(error: Exception, failures: int) -> float:
    """Log the ``failures``-th time in a row; the seconds to wait: doubled each time, up to a few."""
    # The driver's class, not its words: SQLAlchemy's text holds what was to be written.
    event = "database_damaged" if is_damaged(error) else "database_gone"
    _log.warning(event, error=type(getattr(error, "orig", error)).__name__, attempt=failures)
    return float(min(_LONGEST_S, _FIRST_S * 2.0 ** min(failures - 1, 16)))
