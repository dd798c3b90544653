"""How scores follow the severity of an artefact, as Markdown lines: ranks, thirds, the ladder."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from training.evaluation.measure import Row
from training.evaluation.ranks import (
    NAMES,
    bootstrap_interval,
    clean,
    first_cause,
    found,
    grey,
    hurting_severity,
    losses,
    score_of,
    severity_of,
    single,
    spearman,
)

#: Severities of the ladder, above clean.
LADDER = (0.2, 0.4, 0.6, 0.8, 1.0)
#: Severity drawn at random is shown in thirds of its range.
_THIRDS = ((0.0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1.0))


def severity_rank_table(rows: Sequence[Row]) -> Iterator[str]:
    """Whether uncertainty, the artefact's own variance and Dice follow its severity, on the same people."""
    yield "| artefact | images | with the uncertainty | interval | with its own variance | interval | with Dice |"
    yield "| --- | ---: | ---: | --- | ---: | --- | ---: |"
    for name in NAMES:
        shown = found(clean(rows) + single(rows, name))
        cells = []
        for score in ("uncertainty", name):
            pair = severity_of(name), score_of(score)
            low, high = bootstrap_interval(shown, *pair)
            cells += [f"{spearman(shown, *pair):.3f}", f"{low:.3f} to {high:.3f}"]
        dice = spearman(shown, severity_of(name), grey)
        yield f"| {name} | {len(shown)} | " + " | ".join(cells) + f" | {dice:.3f} |"


def severity_table(rows: Sequence[Row]) -> Iterator[str]:
    """Mean uncertainty and mean loss of Dice in thirds of the severity."""
    yield "| applied | " + " | ".join(f"severity {low:.2f} to {high:.2f}" for low, high in _THIRDS) + " |"
    yield "| --- |" + " ---: |" * len(_THIRDS)
    for name in NAMES:
        thirds = ([r for r in found(single(rows, name)) if low < r.severity[name] <= high] for low, high in _THIRDS)
        cells = (f"{_mean(shown, 'uncertainty'):.3f} ({_lost(rows, shown):+.3f})" for shown in thirds)
        yield f"| {name} | " + " | ".join(cells) + " |"


def is_ladder(rows: Sequence[Row]) -> bool:
    """Whether every artefact among the rows has a severity of the ladder."""
    severities = {round(row.severity[name], 4) for row in rows for name in row.artefacts}
    return bool(severities) and severities <= set(LADDER)


def ladder_table(rows: Sequence[Row]) -> Iterator[str]:
    """Mean uncertainty, own variance and loss at each severity, and whether the means never fall.

    The steps up are counted over people: of all steps from one severity to the next, how many raise the score.
    """
    yield "| applied | clean | " + " | ".join(f"{s:.1f}" for s in LADDER) + " | monotone | steps up | own: monotone |"
    yield "| --- |" + " ---: |" * (1 + len(LADDER)) + " --- | ---: | --- |"
    for name in NAMES:
        rungs = _rungs(rows, name)
        totals, own = ([_mean(rung, score) for rung in rungs] for score in ("uncertainty", name))
        lost = [_lost(rows, rung) for rung in rungs]
        cells = [f"{t:.3f} ({o:.3f}; {x:+.2f})" for t, o, x in zip(totals, own, lost, strict=True)]
        up, steps = _steps_up(rungs, "uncertainty")
        yield f"| {name} | " + " | ".join(cells) + f" | {_monotone(totals)} | {up}/{steps} | {_monotone(own)} |"


def hurting_table(rows: Sequence[Row]) -> Iterator[str]:
    """By artefact: the severity from which on it costs 0.05 Dice, and the right causes among images above it."""
    yield "| applied | from severity | images | right | share |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name in NAMES:
        shown = single(rows, name)
        limit = hurting_severity([row.severity[name] for row in shown], losses(rows, shown))
        above = [row for row in shown if row.severity[name] >= limit]
        right = sum(first_cause(row) == name for row in above)
        share = f"{right / len(above):.2f}" if above else "-"
        yield f"| {name} | {limit:.2f} | {len(above)} | {right} | {share} |"


def _rungs(rows: Sequence[Row], name: str) -> list[list[Row]]:
    """The clean images, then those at each severity of the ladder, heads that were found only."""
    shown = found(single(rows, name))
    return [found(clean(rows))] + [[r for r in shown if abs(r.severity[name] - s) < 1e-3] for s in LADDER]


def _steps_up(rungs: Sequence[Sequence[Row]], score: str) -> tuple[int, int]:
    """Of the steps that one person takes from rung to rung, how many raise the score; and how many there are."""
    levels = [{row.name: row.scores[score] for row in rung} for rung in rungs]
    pairs = pairwise(levels)
    steps = [after[p] > before[p] for before, after in pairs for p in before.keys() & after.keys()]
    return sum(steps), len(steps)


def _monotone(values: Sequence[float]) -> str:
    known = np.asarray(values, float)
    return "yes" if (np.diff(known[np.isfinite(known)]) >= 0).all() else "no"


def _mean(rows: Sequence[Row], score: str) -> float:
    return float(np.mean([row.scores[score] for row in rows])) if rows else float("nan")


def _lost(rows: Sequence[Row], shown: Sequence[Row]) -> float:
    return float(np.mean(losses(rows, shown))) if shown else float("nan")
