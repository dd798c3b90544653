"""What rows hold as text: one that was damaged costs itself, not all that are read with it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

import structlog
from cattrs import BaseValidationError

_Row = TypeVar("_Row")
_Value = TypeVar("_Value")

#: No JSON, or not of this form.
ILLEGIBLE: Final = (ValueError, KeyError, TypeError, AttributeError, RecursionError, BaseValidationError)

_log = structlog.get_logger()


def legible(rows: Iterable[_Row], read: Callable[[_Row], _Value]) -> Iterator[_Value]:
    """What can be read of the rows, in their order; how many cannot is logged."""
    illegible = 0
    for row in rows:
        try:
            value = read(row)
        except ILLEGIBLE:
            illegible += 1
        else:
            yield value
    if illegible:
        _log.error("rows_illegible", records=illegible)
