"""What is usual of one protocol, learnt from its own past, and how far a new series lies from it.

Each measure has a location and a scale that single odd series do not move: the median and the median absolute deviation
of the logarithm (Iglewicz and Hoaglin 1993), so that "three times its usual level" means the same in any unit. Measures
that rise and fall together are one family, of which the mean counts; the mean of the families is the distance, and what
a measure apart (not ``joint``) exceeds ``FAR`` by, or in a short past what is as rare, is added to it. Its p-value is
exact for any number of series: location and scale come from the past and the new series together, so that under
exchangeability every rank of the new one is equally likely (full conformal prediction, Vovk et al. 2005).

A rank among n others is never below 1 / (n + 1). Of a series further than all of a short past there is an estimate
beside it: that of its distance in Student's distribution about the past's median, which holds as far as distances are
normal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import nan

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtr, stdtrit

from models.past import Worse
from models.statistics.uncertainty import conformal_p_value

FloatArray = npt.NDArray[np.float64]
#: Measure -> value, of one series.
Measures = Mapping[str, float]

#: With fewer series than these a location and a scale say little.
FEWEST = 12
#: Standard deviations of a normal distribution in its median and in its mean absolute deviation.
_OF_MEDIAN, _OF_MEAN = 1.4826, 1.2533
#: Robust standard deviations from which on a measure apart counts, and between which a measure is called usual.
FAR, USUAL = 4.0, 2.0
#: Degrees of freedom of a scale from the median absolute deviation, a series: its efficiency (Rousseeuw, Croux 1993).
_FREEDOM = 0.37


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a measure is compared. ``family``: with which others it rises and falls.

    ``ratio``: by its logarithm, as positive quantities are; else by its value, as shares that may be 0. ``joint``: it
    counts in the mean of all families; else only by what is far from usual in it, for a mean would dilute it.
    ``offsets``: being better than usual in it makes up for being worse in others.
    """

    name: str
    family: str
    worse: Worse = Worse.HIGHER
    ratio: bool = True
    joint: bool = True
    offsets: bool = True


@dataclass(frozen=True, slots=True)
class Learning:
    """Too few series yet to say what is usual."""

    held: int
    needed: int = FEWEST

    def __str__(self) -> str:
        return f"learning ({self.held} of {self.needed})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One measure beside its past: ``usual`` is the past's median, ``score`` in robust standard deviations, > 0 worse.

    ``low``, ``high``: the range of what is usual, ``USUAL`` standard deviations about it. ``times``: value over usual;
    NaN where the measure is not compared by its ratio; ``departure``: in robust standard deviations, > 0 higher. Where
    a series has no number that its like have, ``value`` and ``departure`` are NaN and ``score`` infinite.
    """

    name: str
    value: float
    usual: float
    low: float
    high: float
    times: float
    score: float
    departure: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One series beside its past, of ``count`` series.

    ``distance``: mean of the families' scores, in robust standard deviations, and what lies beyond ``FAR`` apart from
    them; ``p_value``: the share of series like those of the past that lie as far, ``estimate``: the same of a series
    that lies further than all of them, else 1; ``families``: the p-value of each family, Bonferroni-corrected for their
    number; ``deviations``: the worst first; ``unmeasured``: what most of the past has no number of.
    """

    count: int
    distance: float
    p_value: float
    estimate: float
    families: Mapping[str, float]
    deviations: tuple[Deviation, ...]
    unmeasured: tuple[str, ...]

    @property
    def smallest_rate(self) -> float:
        """The smallest rate of false alarms at which so long a past can raise one: 1 / (n + 1)."""
        return 1 / (self.count + 1)


def compare(past: Sequence[Measures], new: Measures, kinds: Sequence[Kind]) -> Comparison | Learning:
    """A new series beside the accepted ones of its own protocol; in whatever order, with the same result.

    A series without a number that its like have, such as the noise of air where stripes left none, lies beyond all that
    have it; one that lacks a past for a measure is not compared by it; a past without any measure is none.

    Raises:
        ValueError: a kind is named twice.
    """
    if len({kind.name for kind in kinds}) < len(kinds):
        raise ValueError("a measure is named twice")
    if len(past) < FEWEST:
        return Learning(len(past))
    rows = _numbers((*past, new), kinds)
    known = 2 * np.isfinite(rows[:-1]).sum(axis=0) > len(past)
    if not known.any():
        return Learning(0)
    held = [kind for kind, is_known in zip(kinds, known, strict=True) if is_known]
    return _comparison(rows[:, known], held, tuple(kind.name for kind in kinds if kind not in held))


def distances(past: Sequence[Measures], news: Sequence[Measures], kinds: Sequence[Kind]) -> FloatArray:
    """How far series lie from the past and each of ``news``, (news, past + 1), the new one last; as ``compare`` has it.

    Of measures that every series has; one pass for many new ones.
    """
    before, added = _numbers(past, kinds), _numbers(news, kinds)
    rows = np.concatenate([np.broadcast_to(before, (len(added), *before.shape)), added[:, None]], axis=1)
    return _distances(_scores(rows, *_usual(rows), kinds), kinds)


def _comparison(rows: FloatArray, held: Sequence[Kind], unmeasured: tuple[str, ...]) -> Comparison:
    """Of rows (series, kinds), the new one last."""
    centre, scale = _usual(rows)
    scores = _scores(rows, centre, scale, held)
    families = _families(scores, held)
    distances = _distances(scores, held)
    return Comparison(
        count=len(rows) - 1,
        distance=float(distances[-1]),
        p_value=conformal_p_value(distances[:-1], distances[-1]),
        estimate=_estimate(distances[:-1], float(distances[-1])),
        families={
            name: min(1.0, len(families) * conformal_p_value(column[:-1], column[-1]))
            for name, column in families.items()
        },
        deviations=_deviations(rows, scores[-1], held),
        unmeasured=unmeasured,
    )


def _families(scores: FloatArray, kinds: Sequence[Kind]) -> dict[str, FloatArray]:
    """The mean score (..., series) of each family of ``scores`` (..., series, kinds)."""
    names = dict.fromkeys(kind.family for kind in kinds)
    return {name: scores[..., [kind.family == name for kind in kinds]].mean(axis=-1) for name in names}


def _distances(scores: FloatArray, kinds: Sequence[Kind]) -> FloatArray:
    """How far each series lies from the others, (..., series)."""
    joint = [place for place, kind in enumerate(kinds) if kind.joint]
    apart = [place for place, kind in enumerate(kinds) if not kind.joint]
    counted = [kinds[place] for place in joint]
    floors = [-np.inf if kind.offsets else 0.0 for kind in counted]
    families = [*_families(np.maximum(scores[..., joint], floors), counted).values()]
    mean = np.mean(families, axis=0) if families else np.zeros(scores.shape[:-1])
    beyond = np.maximum(scores[..., apart] - far(scores.shape[-2]), 0).max(axis=-1, initial=0.0)
    summed: FloatArray = mean + beyond
    return summed


@cache
def far(count: int) -> float:
    """``FAR`` where the scale is of ``count`` series: what is as rare in Student's distribution."""
    return float(-stdtrit(max(1.0, _FREEDOM * (count - 1)), ndtr(-FAR)))


def p_value_beside(past: FloatArray, new: float) -> float:
    """The share of numbers like those of the ``past`` (n,) that are as high as ``new``.

    Exact where the past is long enough, else the estimate by Student's distribution.
    """
    return min(conformal_p_value(past, new), _estimate(past, new))


def usual_of(past: FloatArray) -> tuple[float, float]:
    """The median and the robust standard deviation of numbers (n,)."""
    centre, scale = _usual(past[:, None])
    return float(centre[0]), float(scale[0])


def _estimate(past: FloatArray, new: float) -> float:
    """The p-value of one more draw by Student's distribution; 1 where it is not beyond all those of the past."""
    if np.isnan(new) or not (past < new).all():
        return 1.0
    scale = float(past.std(ddof=1))
    if not (np.isfinite(scale) and scale > 0):
        return 1.0
    far = (new - past.mean()) / (scale * np.sqrt(1 + 1 / len(past)))
    return float(stdtr(len(past) - 1, -far))


def _deviations(rows: FloatArray, scores: FloatArray, held: Sequence[Kind]) -> tuple[Deviation, ...]:
    centre, scale = _usual(rows[:-1])

    def told(kind: Kind, value: float) -> float:
        return float(np.exp(value) if kind.ratio else value)

    found = (
        Deviation(
            name=kind.name,
            value=told(kind, value),
            usual=told(kind, middle),
            low=told(kind, middle - USUAL * spread),
            high=told(kind, middle + USUAL * spread),
            times=float(np.exp(value - middle)) if kind.ratio else float("nan"),
            score=float(score),
            departure=float((value - middle) / (spread or 1.0)),
        )
        for kind, value, middle, spread, score in zip(held, rows[-1], centre, scale, scores, strict=True)
    )
    return tuple(sorted(found, key=lambda deviation: -deviation.score))


def _usual(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Location and scale (..., kinds) of ``rows`` (..., series, kinds); 0 where all are the same."""
    centre = _median(rows)
    spread = np.abs(rows - centre[..., None, :])
    scale = _OF_MEDIAN * _median(spread)
    if (scale > 0).all():
        return centre, scale
    return centre, np.where(scale > 0, scale, _OF_MEAN * np.nanmean(spread, axis=-2))  # most of the series are the same


def _scores(rows: FloatArray, centre: FloatArray, scale: FloatArray, kinds: Sequence[Kind]) -> FloatArray:
    """Each number of (..., series, kinds) in robust standard deviations: > 0 is worse, what is none infinitely so."""
    scored = (rows - centre[..., None, :]) / np.where(scale > 0, scale, 1.0)[..., None, :]
    for column, kind in enumerate(kinds):
        if kind.worse is Worse.LOWER:
            scored[..., column] *= -1
        elif kind.worse is Worse.EITHER:
            scored[..., column] = np.abs(scored[..., column])
    return np.where(np.isnan(scored), np.inf, scored)


def _numbers(series: Sequence[Measures], kinds: Sequence[Kind]) -> FloatArray:
    """What is compared of ``series``, (series, kinds); NaN where one has no such number."""
    values = np.array([[one.get(kind.name, nan) for kind in kinds] for one in series], float)
    ratio = np.array([kind.ratio for kind in kinds])
    numbers: FloatArray = np.where(np.isfinite(values) & ~(ratio & (values <= 0)), values, nan)
    numbers[:, ratio] = np.log(numbers[:, ratio])
    return numbers


def _median(rows: FloatArray) -> FloatArray:
    """Of each kind of (..., series, kinds), of what is a number in it."""
    found: FloatArray = (np.nanmedian if np.isnan(rows).any() else np.median)(rows, axis=-2)
    return found
