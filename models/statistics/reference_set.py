"""What is usual of one protocol, learnt from its own past, and how far a new series lies from it.

Each measure has a location and a scale that single odd series do not move: the median and the median absolute deviation
of the logarithm (Iglewicz and Hoaglin 1993), so that "three times its usual level" means the same in any unit. Measures
that rise and fall together are one family, of which the mean counts; the mean of the families is the distance. Its
p-value is exact for any number of series: location and scale come from the past and the new series together, so that
under exchangeability every rank of the new one is equally likely (full conformal prediction, Vovk et al. 2005).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from models.statistics.uncertainty import conformal_p_value

FloatArray = npt.NDArray[np.float64]
#: Measure -> value, of one series.
Measures = Mapping[str, float]

#: With fewer series than these a location and a scale say little.
FEWEST = 12
#: Standard deviations of a normal distribution in its median and in its mean absolute deviation.
_OF_MEDIAN, _OF_MEAN = 1.4826, 1.2533


class Worse(StrEnum):
    """On which side of the usual a measure is worse."""

    HIGHER = "higher"
    LOWER = "lower"
    EITHER = "either"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a measure is compared. ``family``: with which others it rises and falls.

    ``ratio``: by its logarithm, as positive quantities are; else by its value, as shares that may be 0.
    """

    name: str
    family: str
    worse: Worse = Worse.HIGHER
    ratio: bool = True


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

    ``times``: value over usual; NaN where the measure is not compared by its ratio. Where a series has no number that
    its like have, ``value`` is NaN and ``score`` infinite.
    """

    name: str
    value: float
    usual: float
    times: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One series beside its past, of ``count`` series.

    ``distance``: mean of the families' scores, in robust standard deviations; ``p_value``: the share of series like
    those of the past that lie as far; ``families``: the p-value of each family, Bonferroni-corrected for their number;
    ``deviations``: the worst first; ``unmeasured``: what most of the past has no number of.
    """

    count: int
    distance: float
    p_value: float
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
    have it; one that lacks a past for a measure is not compared by it.

    Raises:
        ValueError: no measure that the past has, or a kind is named twice.
    """
    if len({kind.name for kind in kinds}) < len(kinds):
        raise ValueError("a measure is named twice")
    if len(past) < FEWEST:
        return Learning(len(past))
    held = [kind for kind in kinds if _mostly_known(past, kind)]
    if not held:
        raise ValueError("no measure to compare: name those that the series have")
    rows = np.array([[_number(series, kind) for kind in held] for series in (*past, new)])
    return _comparison(rows, held, tuple(kind.name for kind in kinds if kind not in held))


def _comparison(rows: FloatArray, held: Sequence[Kind], unmeasured: tuple[str, ...]) -> Comparison:
    """Of rows (series, kinds), the new one last."""
    scores = _scores(rows, held)
    names = list(dict.fromkeys(kind.family for kind in held))
    families = np.column_stack(
        [scores[:, [kind.family == name for kind in held]].mean(axis=1) for name in names]
    )  # (series, families)
    distances = families.mean(axis=1)
    return Comparison(
        count=len(rows) - 1,
        distance=float(distances[-1]),
        p_value=conformal_p_value(distances[:-1], distances[-1]),
        families={
            name: min(1.0, len(names) * conformal_p_value(column[:-1], column[-1]))
            for name, column in zip(names, families.T, strict=True)
        },
        deviations=_deviations(rows[-1], np.nanmedian(rows[:-1], axis=0), scores[-1], held),
        unmeasured=unmeasured,
    )


def _deviations(new: FloatArray, usual: FloatArray, scores: FloatArray, held: Sequence[Kind]) -> tuple[Deviation, ...]:
    found = (
        Deviation(
            name=kind.name,
            value=float(np.exp(value) if kind.ratio else value),
            usual=float(np.exp(middle) if kind.ratio else middle),
            times=float(np.exp(value - middle)) if kind.ratio else float("nan"),
            score=float(score),
        )
        for kind, value, middle, score in zip(held, new, usual, scores, strict=True)
    )
    return tuple(sorted(found, key=lambda deviation: -deviation.score))


def _scores(rows: FloatArray, kinds: Sequence[Kind]) -> FloatArray:
    """Each number of (series, kinds) in robust standard deviations of its column: > 0 is worse, none infinitely so."""
    off = rows - np.nanmedian(rows, axis=0)
    spread = np.abs(off)
    scale = _OF_MEDIAN * np.nanmedian(spread, axis=0)
    scale = np.where(scale > 0, scale, _OF_MEAN * np.nanmean(spread, axis=0))  # most of the series are the same
    scored = off / np.where(scale > 0, scale, 1.0)
    for column, kind in enumerate(kinds):
        if kind.worse is Worse.LOWER:
            scored[:, column] *= -1
        elif kind.worse is Worse.EITHER:
            scored[:, column] = np.abs(scored[:, column])
    return np.where(np.isnan(scored), np.inf, scored)


def _number(series: Measures, kind: Kind) -> float:
    """What is compared; NaN where the series has no such number."""
    value = series.get(kind.name, float("nan"))
    if not kind.ratio:
        return value if np.isfinite(value) else float("nan")
    return float(np.log(value)) if np.isfinite(value) and value > 0 else float("nan")


def _mostly_known(past: Sequence[Measures], kind: Kind) -> bool:
    return 2 * sum(bool(np.isfinite(_number(series, kind))) for series in past) > len(past)
