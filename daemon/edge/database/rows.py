"""What rows hold as text: one that was damaged costs itself, not all that are read with it."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

import sqlalchemy as sa
import structlog
from cattrs import BaseValidationError

from daemon.core.measures import worst
from daemon.core.people.calibration import Scored
from daemon.core.values import State

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


def scores_of(text: str | None) -> dict[str, float]:
    """Measure -> value, of several places the worst; as this version records them and as 0.1 did, by a mapping."""
    measures = (json.loads(text or "null") or {}).get("measures", ())
    if isinstance(measures, dict):
        return {name: measure["value"] for name, measure in measures.items()}
    found: dict[str, list[float]] = {}
    for measure in measures:
        found.setdefault(measure["name"], []).append(measure["value"])
    return {name: worst(values) for name, values in found.items()}


def scored(row: sa.RowMapping) -> Scored:
    """What was found about a series, by its row."""
    return Scored(
        series_instance_uid=row["series_instance_uid"],
        scanner=row["calling_ae"],
        protocol=row["description"],
        bundle=row["bundle"],
        state=State(json.loads(row["verdict"])["state"]),
        scores=scores_of(row["assessment"]),
    )
