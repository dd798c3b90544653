"""Whether going on with a site's people was worth it: the new networks on people they did not see, beside the old."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.methods.lesions import LesionSettings
from training.lesions.judged import Row
from training.lesions.ranking import Numbers, interval_over_people, spearman
from training.lesions.tables import tables

#: Image and what was done to it -> its row.
Rows = Mapping[tuple[str, str], Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a bundle of a ``name`` gave, by its ``settings``."""

    name: str
    rows: Rows
    settings: LesionSettings


def report(own: Judged, start: Judged, people: int, folds: int) -> Iterator[str]:
    """The page, as Markdown."""
    yield f"# {own.name}: how good it is on people held out"
    yield ""
    yield (
        f"{people} people in {folds} parts; each is judged by a network that did not see the person, from the "
        "probability on that is best for the other parts. The network that ships is of everybody. Predicted Dice, its "
        "least and the volume's interval are fitted on these series: where a table has a line of the other people, "
        "that one is honest."
    )
    yield ""
    yield from comparison(own, start)
    yield ""
    for one in (own, start):
        yield f"## {one.name}"
        yield ""
        yield from tables([*one.rows.values()], one.settings.loss, one.settings.margin, one.settings.threshold)
        yield ""


def comparison(own: Judged, start: Judged) -> Iterator[str]:
    """What is better by how much; only series that both could judge count."""
    both = [key for key in own.rows if key in start.rows]
    yield f"| | {start.name} | {own.name} | difference [95 %, people drawn] |"
    yield "| --- | ---: | ---: | ---: |"
    for title, chosen in (("clean", [key for key in both if not key[1]]), ("spoilt", [key for key in both if key[1]])):
        if chosen:
            before, after = ([one.rows[key] for key in chosen] for one in (start, own))
            yield _line(f"Dice, {len(chosen)} {title} series", before, after, _dice, 3)
            yield _line(f"volume's error in mL, {title}", before, after, _error_ml, 1)
    yield f"| rank of the predicted Dice, all series | {_rank(start, both):.2f} | {_rank(own, both):.2f} | |"
    yield f"| series that could be judged | {len(start.rows)} | {len(own.rows)} | |"


def _line(title: str, before: Sequence[Row], after: Sequence[Row], of: Callable[[Row], float], digits: int) -> str:
    first, second, names = _column(before, of), _column(after, of), [row.name for row in after]
    gained = second - first
    low, high = interval_over_people(lambda _, difference: float(difference.mean()), gained, gained, names)
    return (
        f"| {title} | {first.mean():.{digits}f} | {second.mean():.{digits}f} | "
        f"{gained.mean():+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}] |"
    )


def _rank(judged: Judged, keys: Sequence[tuple[str, str]]) -> float:
    """Spearman of the predicted Dice with Dice."""
    rows = [judged.rows[key] for key in keys]
    return spearman(_column(rows, lambda row: -judged.settings.loss.expect(row.numbers)), _column(rows, _dice))


def _dice(row: Row) -> float:
    return row.dice


def _error_ml(row: Row) -> float:
    return abs(row.volume_ml - row.load_ml)


def _column(rows: Sequence[Row], of: Callable[[Row], float]) -> Numbers:
    return np.array([of(row) for row in rows], float)
