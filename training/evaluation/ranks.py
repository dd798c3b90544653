"""What the tables and figures ask of rows: Dice, the cause named, rank correlations with an interval over people."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from models.brain.scores import JUDGED
from models.physics.artefacts import ARTEFACTS
from models.statistics.ranking import interval_over_groups, rank_correlation, risk_coverage
from training.evaluation.measure import Row

#: A number of a row.
Measure = Callable[[Row], float]

NAMES = tuple(artefact.value for artefact in ARTEFACTS)
#: A loss of grey-matter Dice that counts as hurt.
HURT = 0.05
_RESAMPLES = 2000


def grey(row: Row) -> float:
    """Grey-matter Dice; 0 where no head was found."""
    return row.dice.get(JUDGED, 0.0)


def first_cause(row: Row) -> str:
    """The artefact with the largest variance; empty where there was no head."""
    return max(NAMES, key=lambda name: row.scores[name]) if row.scores else ""


def score_of(name: str) -> Measure:
    """The measure that reads a score."""
    return lambda row: row.scores[name]


def severity_of(name: str) -> Measure:
    """The measure that reads an artefact's severity."""
    return lambda row: row.severity[name]


def found(rows: Sequence[Row]) -> list[Row]:
    """The rows in which a head was found."""
    return [row for row in rows if row.scores]


def single(rows: Sequence[Row], name: str) -> list[Row]:
    """The rows with this artefact and no other."""
    return [row for row in rows if row.artefacts == (name,)]


def clean(rows: Sequence[Row]) -> list[Row]:
    """The rows without an artefact."""
    return [row for row in rows if not row.artefacts]


def losses(rows: Sequence[Row], shown: Sequence[Row]) -> list[float]:
    """Grey-matter Dice that each of ``shown`` lost against the same person's clean image among ``rows``."""
    before = {row.name: grey(row) for row in clean(rows)}
    return [before[row.name] - grey(row) for row in shown]


def spearman(rows: Sequence[Row], first: Measure, second: Measure) -> float:
    """Rank correlation of two measures over the heads that were found; NaN where one of them does not vary."""
    return rank_correlation(*_pairs(rows, first, second).T)


def bootstrap_interval(rows: Sequence[Row], first: Measure, second: Measure, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of ``spearman``; people are drawn, for the images of one person are not independent."""
    pairs, names = _pairs(rows, first, second), [row.name for row in found(rows)]
    return interval_over_groups(lambda index: rank_correlation(*pairs[index].T), names, _RESAMPLES, seed)


def refusal(rows: Sequence[Row], score: Measure) -> tuple[float, float]:
    """AURC and excess AURC where heads are refused by a score, in its better direction; the loss is 1 - Dice."""
    pairs = _pairs(rows, score, grey)
    doubt, loss = pairs[:, 0], 1 - pairs[:, 1]
    rho = rank_correlation(doubt, loss)
    return risk_coverage(np.nan_to_num(-doubt if rho < 0 else doubt), loss)


def hurting_severity(severities: Sequence[float], lost: Sequence[float]) -> float:
    """The severity from which on an artefact costs more than ``HURT``, by isotonic regression; infinite if never."""
    order = np.argsort(severities)
    if not order.size:
        return float("inf")
    fitted = isotonic_regression(np.asarray(lost, float)[order]).x
    above = np.asarray(severities, float)[order][fitted > HURT]
    return float(above[0]) if above.size else float("inf")


def named_instead(rows: Sequence[Row], name: str) -> str:
    """The other causes that were named first, most frequent first, with their number."""
    others = Counter(first_cause(row) or "no head" for row in rows if first_cause(row) != name)
    return ", ".join(f"{other} {count}" for other, count in others.most_common())


def _pairs(rows: Sequence[Row], first: Measure, second: Measure) -> npt.NDArray[np.float64]:
    """Two measures (N, 2) of the heads that were found."""
    return np.array([(first(row), second(row)) for row in found(rows)], float).reshape(-1, 2)
