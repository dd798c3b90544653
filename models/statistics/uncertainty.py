"""From maps to numbers: region means, error bars, conformal p-values. numpy only, used by both sides."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float32]


def rim(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The mask and the voxels that touch it: where a segmentation can err."""
    grown: npt.NDArray[np.bool_] = ndimage.binary_dilation(mask)
    return grown


def mean_within(values: FloatArray, mask: npt.NDArray[np.bool_]) -> float:
    """Mean of ``values`` over ``mask``; NaN for an empty mask."""
    return float(values[mask].mean()) if mask.any() else float("nan")


def signal_to_noise(image: FloatArray, tissue: npt.NDArray[np.bool_]) -> float:
    """Mean over standard deviation within a tissue (Shaw et al. 2021, section 6.3)."""
    inside = image[tissue]
    spread = float(inside.std()) if inside.size else 0.0
    return float(inside.mean()) / spread if spread > 0 else float("nan")


def contrast_to_noise(image: FloatArray, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """Difference of two tissues' means over their pooled standard deviation (Shaw et al. 2021, section 6.3)."""
    if not (first.any() and second.any()):
        return float("nan")
    pooled = float(np.sqrt((image[first].var() + image[second].var()) / 2))
    return abs(float(image[first].mean()) - float(image[second].mean())) / pooled if pooled > 0 else float("nan")


#: Share of the truths that an interval is to hold.
COVERAGE = 0.9


Interval = tuple[float, float]


def sampled_interval(samples: npt.ArrayLike) -> Interval:
    """The central 90 % of some samples."""
    low, high = np.quantile(np.asarray(samples, float), [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


def widen(interval: Interval, margin: float) -> Interval:
    """An interval widened on both sides by ``margin`` times its own width; never below zero.

    Samples of a network know what it is unsure of, not what it is wrong about: the margin is what makes the interval
    hold 90 % of the truths (conformalised quantile regression, Romano et al. 2019, in units of the width).
    """
    low, high = interval
    by = margin * _width(low, high)
    return max(0.0, low - by), high + by


def miss(interval: Interval, truth: float) -> float:
    """The margin at which an interval just holds ``truth``; negative where it does so anyway."""
    low, high = interval
    return max(low - truth, truth - high) / _width(low, high)


def _width(low: float, high: float) -> float:
    """Width of an interval, and one per cent of its middle: samples that all agree are no certainty."""
    return high - low + 0.01 * max((high + low) / 2, 1e-6)


def conformal_p_value(reference: npt.ArrayLike, score: float) -> float:
    """(1 + the number of reference scores >= ``score``) / (n + 1): small where the score is unusually high.

    Uniform or larger for a score from the reference's own distribution (Vovk et al. 2005); 1 for a score that is NaN.
    """
    scores = np.asarray(reference, float)
    return float((1 + np.count_nonzero(~(scores < score))) / (scores.size + 1))


def conformal_limit(reference: npt.ArrayLike, level: float) -> float:
    """The smallest score whose conformal p-value is at most ``level``; infinite where the reference is too small."""
    scores = np.sort(np.asarray(reference, float))
    possible = np.arange(1, scores.size + 1) / (scores.size + 1)  # the p-values themselves: no rounding of its own
    exceeding = np.count_nonzero(possible <= level) - 1
    return float("inf") if exceeding < 0 else float(scores[scores.size - 1 - exceeding])


def tukey_limit(reference: npt.ArrayLike) -> float:
    """Third quartile plus 1.5 interquartile ranges (Tukey 1977); infinite without a reference.

    The rule of the segmentation-quality papers (Williams et al. 2021, Galati & Zuluaga 2022). Its share of false
    alarms is not fixed: from 0.4 % to 7 % by the scores' distribution, and more with few references.
    """
    scores = np.asarray(reference, float)
    if not scores.size:
        return float("inf")
    lower, upper = np.quantile(scores, (0.25, 0.75))
    return float(upper + 1.5 * (upper - lower))
