"""The tables of an evaluation, as Markdown lines: Dice, rank correlations, causes, variances."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from models.artefacts import ARTEFACTS
from training.labelmaps import TISSUES
from training.measure import Row

GREY_MATTER = "grey matter"
_ARTEFACTS = tuple(artefact.value for artefact in ARTEFACTS)
_SCORES = ("uncertainty", *_ARTEFACTS, "task", "entropy", "snr", "cnr")
_RESAMPLES = 2000
#: Severity is shown in thirds of its range.
_THIRDS = ((0.0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1.0))
#: A loss of grey-matter Dice that counts as hurt.
_HURT = 0.05


def report_on(rows: Sequence[Row]) -> Iterator[str]:
    """Every table."""
    clean = [row for row in rows if not row.artefacts]
    yield "## Dice of clean heads\n"
    yield from _dice_table(clean)
    yield f"\n## Spearman of grey-matter Dice with each score, {len(rows)} images, 95 % interval over people\n"
    yield from _rank_table(rows)
    yield "\n## Cause named first, images with one artefact\n"
    yield from _cause_table(rows, clean)
    yield "\n## Mean variance of each artefact (columns) in images with each artefact (rows)\n"
    yield from _variance_table(rows)
    yield "\n## Mean uncertainty and loss of grey-matter Dice by severity\n"
    yield from _severity_table(rows, clean)


def grey(row: Row) -> float:
    """Grey-matter Dice; 0 where no head was found."""
    return row.dice.get(GREY_MATTER, 0.0)


def first_cause(row: Row) -> str:
    """The artefact with the largest variance; empty where there was no head."""
    return max(_ARTEFACTS, key=lambda name: row.scores[name]) if row.scores else ""


def spearman(rows: Sequence[Row], name: str) -> float:
    """Rank correlation of grey-matter Dice with a score over the heads that were found."""
    found = [row for row in rows if row.scores]
    return float(spearmanr([grey(row) for row in found], [row.scores[name] for row in found]).statistic)


def bootstrap_interval(rows: Sequence[Row], name: str, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of ``spearman``; people are drawn, for the images of one person are not independent."""
    people = sorted({row.name for row in rows if row.scores})
    values = {person: _pairs([r for r in rows if r.name == person and r.scores], name) for person in people}
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(_RESAMPLES):
        sample = np.concatenate([values[people[i]] for i in rng.integers(len(people), size=len(people))])
        drawn.append(spearmanr(sample[:, 0], sample[:, 1]).statistic)
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _pairs(rows: Sequence[Row], name: str) -> npt.NDArray[np.float64]:
    return np.array([(grey(row), row.scores[name]) for row in rows])


def _dice_table(clean: Sequence[Row]) -> Iterator[str]:
    yield "| person | " + " | ".join(TISSUES[1:]) + " |"
    yield "| --- |" + " ---: |" * len(TISSUES[1:])
    for row in clean:
        yield f"| {row.name} | " + " | ".join(f"{row.dice.get(t, 0):.3f}" for t in TISSUES[1:]) + " |"
    means = [np.mean([row.dice.get(t, 0) for row in clean]) for t in TISSUES[1:]]
    yield "| **mean** | " + " | ".join(f"**{m:.3f}**" for m in means) + " |"


def _rank_table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| score | rho | interval |"
    yield "| --- | ---: | --- |"
    for name in _SCORES:
        low, high = bootstrap_interval(rows, name)
        yield f"| {name} | {spearman(rows, name):.3f} | {low:.3f} to {high:.3f} |"


def _cause_table(rows: Sequence[Row], clean: Sequence[Row]) -> Iterator[str]:
    """By artefact: all images, and those that lost more than 0.05 Dice."""
    before = {row.name: grey(row) for row in clean}
    yield "| applied | images | right | of those that lost > 0.05 Dice | named instead |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for name in _ARTEFACTS:
        single = [row for row in rows if row.artefacts == (name,)]
        hurt = [row for row in single if before[row.name] - grey(row) > _HURT]
        others = ", ".join(sorted({first_cause(row) for row in single} - {name}))
        yield f"| {name} | {len(single)} | {_right(single, name)} | {_right(hurt, name)}/{len(hurt)} | {others} |"


def _right(rows: Sequence[Row], name: str) -> int:
    return sum(first_cause(row) == name for row in rows)


def _variance_table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| applied | " + " | ".join(_ARTEFACTS) + " |"
    yield "| --- |" + " ---: |" * len(_ARTEFACTS)
    for applied in ((), *((name,) for name in _ARTEFACTS)):
        shown = [row for row in rows if row.artefacts == applied and row.scores]
        means = [np.mean([row.scores[name] for row in shown]) if shown else np.nan for name in _ARTEFACTS]
        yield f"| {applied[0] if applied else 'none'} | " + " | ".join(f"{m:.4f}" for m in means) + " |"


def _severity_table(rows: Sequence[Row], clean: Sequence[Row]) -> Iterator[str]:
    before = {row.name: grey(row) for row in clean}
    yield "| applied | " + " | ".join(f"severity {low:.2f} to {high:.2f}" for low, high in _THIRDS) + " |"
    yield "| --- |" + " ---: |" * len(_THIRDS)
    for name in _ARTEFACTS:
        cells = []
        for low, high in _THIRDS:
            shown = [r for r in rows if r.artefacts == (name,) and low < r.severity[name] <= high and r.scores]
            lost = np.mean([before[r.name] - grey(r) for r in shown]) if shown else np.nan
            level = np.mean([r.scores["uncertainty"] for r in shown]) if shown else np.nan
            cells.append(f"{level:.3f} ({lost:+.3f})")
        yield f"| {name} | " + " | ".join(cells) + " |"
