"""How well a number orders things: rank correlation, AUROC, the area under risk and coverage, each with its ties.

Spearman 1904; AUROC as the statistic of Mann and Whitney 1947, ties counting half; AURC and its excess over the best
that there could be: Geifman and El-Yaniv 2019. One code for every table.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Numbers = npt.NDArray[np.float64]
_LEAST = 2


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Spearman's rho of the pairs (N,) of which both are known; NaN where they are too few, or one does not vary."""
    one, other = np.asarray(first, float), np.asarray(second, float)
    known = np.isfinite(one) & np.isfinite(other)
    one, other = one[known], other[known]
    if known.sum() < _LEAST or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def auroc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """The probability that a positive one (N,) scores higher than another; NaN where one kind is missing."""
    is_positive, ranks = np.asarray(positive, bool), rankdata(np.asarray(scores, float))
    count = int(is_positive.sum())
    others = len(is_positive) - count
    if not count or not others:
        return float("nan")
    return float((ranks[is_positive].sum() - count * (count + 1) / 2) / (count * others))


def risk_coverage(doubt: npt.ArrayLike, loss: npt.ArrayLike) -> tuple[float, float]:
    """Area under the curve of the mean loss of what is kept, and its excess over who refuses by the loss itself.

    Things (N,) are refused from the largest ``doubt`` on; equal ones count as their mean, in whatever order they come.
    """
    doubts, losses = np.asarray(doubt, float), np.asarray(loss, float)
    if not len(losses):
        return float("nan"), float("nan")
    return _area(doubts, losses), _area(doubts, losses) - _area(losses, losses)


def _area(doubt: Numbers, loss: Numbers) -> float:
    _, place = np.unique(doubt, return_inverse=True)
    mean = np.bincount(place, loss) / np.bincount(place)
    return float((np.cumsum(mean[np.sort(place)]) / np.arange(1, len(loss) + 1)).mean())


def interval_over_groups(
    statistic: Callable[[npt.NDArray[np.intp]], float], groups: Sequence[str], resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of a statistic of indices; groups are drawn: images of one person are not independent.

    NaN where the statistic is none in any draw.
    """
    names = np.asarray(groups)
    parts = [np.flatnonzero(names == name) for name in dict.fromkeys(groups)]
    rng = np.random.default_rng(seed)
    draws = (np.concatenate([parts[i] for i in rng.integers(len(parts), size=len(parts))]) for _ in range(resamples))
    drawn = np.array([statistic(index) for index in draws])
    if not np.isfinite(drawn).any():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)
