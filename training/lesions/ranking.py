"""How well a score orders series by their Dice: correlations, AUROC, the area under risk and coverage.

AURC: the mean loss (1 - Dice) of the series that are kept, over all shares that can be kept, best score first (Geifman
et al. 2019). All take scores of which more is better.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from models.statistics import ranking
from models.statistics.ranking import interval_over_groups, rank_correlation, risk_coverage

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
    return rank_correlation(scores, dice)


def auroc(scores: Numbers, dice: Numbers) -> float:
    """How often a failure scores below a success; NaN without one of either."""
    return ranking.auroc(-scores, dice < POOR)


def aurc(scores: Numbers, dice: Numbers) -> float:
    """Area under risk and coverage; equal scores count as their mean."""
    return risk_coverage(-scores, 1 - dice)[0]


def best_nine_tenths(scores: Numbers, dice: Numbers) -> float:
    """Mean Dice without the worst-scored tenth."""
    kept = np.argsort(-scores, kind="stable")[: max(1, round(0.9 * len(dice)))]
    return float(dice[kept].mean())


def interval_over_people(
    statistic: Statistic, scores: Numbers, dice: Numbers, people: Sequence[str], seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval; people are drawn, for the series of one person are not independent."""
    return interval_over_groups(lambda index: statistic(scores[index], dice[index]), people, _RESAMPLES, seed)
