"""A database that does not answer is waited for: the process lives on, and with it its receiver.

What is taken again must be whole transactions, for a connection that breaks says nothing of the last one.
"""

import time
from collections.abc import Callable
from itertools import count
from typing import Final, TypeVar

import sqlalchemy as sa
import structlog

_T = TypeVar("_T")
_FIRST_S, _LONGEST_S = 0.25, 5.0

#: The server is away, starts, or shuts down; no connection is free; SQLite's file is locked, or its disk full.
GONE: Final = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)

#: Program limit exceeded; the class of PostgreSQL's SQLSTATE.
_REFUSED: Final = "54"

_log = structlog.get_logger()


def is_gone(error: Exception) -> bool:
    """Whether an error says that the database does not answer just now.

    PostgreSQL says of what it will never take that its operation failed, too: an index row that is too long.
    """
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return isinstance(error, GONE) and not (state or "").startswith(_REFUSED)


def patiently(transaction: Callable[[], _T]) -> _T:
    """What the transaction gives, once the database answers."""
    for failures in count(1):
        try:
            return transaction()
        except GONE as error:
            if not is_gone(error):
                raise
            time.sleep(note_gone(error, failures))
    raise AssertionError  # never: counting does not end


class PatientTurn:
    """A turn that is taken again, after a pause, while the database does not answer."""

    def __init__(self, turn: Callable[[], float]) -> None:
        self._turn = turn
        self._failures = 0

    def __call__(self) -> float:
        """The seconds to wait before the next turn."""
        try:
            pause = self._turn()
        except GONE as error:
            if not is_gone(error):
                raise
            self._failures += 1
            return note_gone(error, self._failures)
        self._failures = 0
        return pause


def note_gone(error: Exception, failures: int) -> float:
    """Log the ``failures``-th time in a row; the seconds to wait: doubled each time, up to a few."""
    # The driver's class, not its words: SQLAlchemy's text holds what was to be written.
    _log.warning("database_gone", error=type(getattr(error, "orig", error)).__name__, attempt=failures)
    return float(min(_LONGEST_S, _FIRST_S * 2.0 ** min(failures - 1, 16)))
