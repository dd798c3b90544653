"""The tables of an evaluation, as Markdown lines: Dice, rank correlations, causes, variances, and all the others."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from training.evaluation.calibration_tables import interval_table, reliability_table, volume_table
from training.evaluation.measure import Row
from training.evaluation.ranks import (
    HURT,
    NAMES,
    Measure,
    bootstrap_interval,
    clean,
    first_cause,
    found,
    grey,
    losses,
    named_instead,
    refusal,
    score_of,
    single,
    spearman,
)
from training.evaluation.severity_tables import (
    hurting_table,
    is_ladder,
    ladder_table,
    severity_rank_table,
    severity_table,
)
from training.synthesis.labelmaps import TISSUES

_SCORES = ("uncertainty", *NAMES, "task", "entropy", "snr", "cnr")


def report_on(rows: Sequence[Row]) -> Iterator[str]:
    """Every table."""
    yield "## Dice of clean heads\n"
    yield from _dice_table(clean(rows))
    yield f"\n## Spearman of grey-matter Dice with each score, {len(rows)} images, 95 % interval over people\n"
    yield from _rank_table(rows)
    yield "\n## Cause named first, images with one artefact\n"
    yield from _cause_table(rows)
    yield "\n## Cause named first, from the severity on that costs 0.05 Dice\n"
    yield from hurting_table(rows)
    yield "\n## Mean variance of each artefact (columns) in images with each artefact (rows)\n"
    yield from _matrix(rows, score_of, digits=4)
    yield "\n## Mean probability that each artefact is present (columns) in images with each artefact (rows)\n"
    yield from _matrix(rows, lambda name: lambda row: row.causes[name], digits=2)
    yield from _by_severity(rows)
    yield "\n## Volumes against the truth, in mL\n"
    yield from volume_table(rows)
    yield "\n## Intervals of the volumes\n"
    yield from interval_table(rows)
    yield "\n## Reliability: share of the voxels called a tissue that are it, by their mean confidence\n"
    yield from reliability_table(rows)


def _by_severity(rows: Sequence[Row]) -> Iterator[str]:
    yield "\n## Spearman of each artefact's severity, clean images included, 95 % interval over people\n"
    yield from severity_rank_table(rows)
    if is_ladder(rows):
        yield "\n## Mean uncertainty (own variance of the artefact; loss of Dice) on the ladder of severities\n"
        yield from ladder_table(rows)
        return
    yield "\n## Mean uncertainty and loss of grey-matter Dice by severity\n"
    yield from severity_table(rows)


def _dice_table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| person | " + " | ".join(TISSUES[1:]) + " |"
    yield "| --- |" + " ---: |" * len(TISSUES[1:])
    for row in rows:
        yield f"| {row.name} | " + " | ".join(f"{row.dice.get(t, 0):.3f}" for t in TISSUES[1:]) + " |"
    means = [np.mean([row.dice.get(t, 0) for row in rows]) for t in TISSUES[1:]]
    yield "| **mean** | " + " | ".join(f"**{m:.3f}**" for m in means) + " |"


def _rank_table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| score | rho | interval | AURC | excess |"
    yield "| --- | ---: | --- | ---: | ---: |"
    for name in _SCORES:
        low, high = bootstrap_interval(rows, grey, score_of(name))
        rho, (area, excess) = spearman(rows, grey, score_of(name)), refusal(rows, score_of(name))
        yield f"| {name} | {rho:.3f} | {low:.3f} to {high:.3f} | {area:.4f} | {excess:.4f} |"


def _cause_table(rows: Sequence[Row]) -> Iterator[str]:
    """By artefact: all images, and those that lost more than 0.05 Dice."""
    yield f"| applied | images | right | named instead | of those that lost > {HURT} Dice | named instead |"
    yield "| --- | ---: | ---: | --- | ---: | --- |"
    for name in NAMES:
        shown = single(rows, name)
        hurt = [row for row, lost in zip(shown, losses(rows, shown), strict=True) if lost > HURT]
        yield (
            f"| {name} | {len(shown)} | {_right(shown, name)} | {named_instead(shown, name)} "
            f"| {_right(hurt, name)}/{len(hurt)} | {named_instead(hurt, name)} |"
        )


def _right(rows: Sequence[Row], name: str) -> int:
    return sum(first_cause(row) == name for row in rows)


def _matrix(rows: Sequence[Row], measure: Callable[[str], Measure], digits: int) -> Iterator[str]:
    yield "| applied | " + " | ".join(NAMES) + " |"
    yield "| --- |" + " ---: |" * len(NAMES)
    for applied in ("none", *NAMES):
        shown = found(clean(rows) if applied == "none" else single(rows, applied))
        means = [np.mean([measure(name)(row) for row in shown]) if shown else np.nan for name in NAMES]
        yield f"| {applied} | " + " | ".join(f"{m:.{digits}f}" for m in means) + " |"
