"""How well a score orders series by their Dice: correlations, AUROC, the area under risk and coverage.

AURC: the mean loss (1 - Dice) of the series that are kept, over all shares that can be kept, best score first (Geifman
et al. 2019). All take scores of which more is better.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata, spearmanr

Numbers = npt.NDArray[np.float64]
#: A number of scores and Dice.
Statistic = Callable[[Numbers, Numbers], float]
#: Dice below this is a failure: the "poor" of paper 001 in lesion Dice.
POOR = 0.5
_RESAMPLES = 1000


def pearson(scores: Numbers, dice: Numbers) -> float:
    """Linear correlation; NaN where one of them does not vary."""
    if len(scores) < 2 or np.ptp(scores) == 0 or np.ptp(dice) == 0:
        return float("nan")
    return float(np.corrcoef(scores, dice)[0, 1])


def spearman(scores: Numbers, dice: Numbers) -> float:
    """Rank correlation; NaN where one of them does not vary."""
    if len(scores) < 2 or np.ptp(scores) == 0 or np.ptp(dice) == 0:
        return float("nan")
    return float(spearmanr(scores, dice).statistic)


def auroc(scores: Numbers, dice: Numbers) -> float:
    """How often a failure scores below a success; NaN without one of either."""
    failed = dice < POOR
    if failed.all() or not failed.any():
        return float("nan")
    ranks = rankdata(-scores)
    positive = int(failed.sum())
    return float((ranks[failed].sum() - positive * (positive + 1) / 2) / (positive * (len(dice) - positive)))


def aurc(scores: Numbers, dice: Numbers) -> float:
    """Area under risk and coverage; equal scores count as their mean."""
    risk = 1 - dice
    order = np.argsort(-scores, kind="stable")
    means = np.array([risk[scores == value].mean() for value in scores[order]])
    return float((np.cumsum(means) / np.arange(1, len(dice) + 1)).mean())


def best_nine_tenths(scores: Numbers, dice: Numbers) -> float:
    """Mean Dice without the worst-scored tenth."""
    kept = np.argsort(-scores, kind="stable")[: max(1, round(0.9 * len(dice)))]
    return float(dice[kept].mean())


def interval_over_people(
    statistic: Statistic, scores: Numbers, dice: Numbers, people: Sequence[str], seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval; people are drawn, for the series of one person are not independent."""
    names = np.asarray(people)
    parts = [np.flatnonzero(names == name) for name in dict.fromkeys(people)]
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(_RESAMPLES):
        chosen = np.concatenate([parts[i] for i in rng.integers(len(parts), size=len(parts))])
        drawn.append(statistic(scores[chosen], dice[chosen]))
    found = np.asarray(drawn)
    if not np.isfinite(found).any():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)
