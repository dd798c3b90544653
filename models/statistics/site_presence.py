"""Which artefact shows, learnt where images are made: the good series of one protocol beside the same ones, spoilt.

A regression on the numbers of one image (``presence.py``) tells the odds that an artefact shows. What is asked of a new
series is whether they are higher than those of the good ones, each told by a regression that was fitted without it
(cross-conformal prediction, Vovk 2015), so that no anatomy and no way of acquisition counts as an artefact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.physics.artefacts import ARTEFACTS
from models.statistics.harm import CLEAN
from models.statistics.presence import Presence, fit_presence, tell
from models.statistics.reference_set import FEWEST, USUAL, p_value_beside, usual_of
from models.statistics.trials import Tried, numbers_of

FloatArray = npt.NDArray[np.float64]

#: Of the regression's weights, beside the mean log likelihood (docs/log.md).
_PENALTY = 0.03
_FOLDS = 5
#: Probabilities nearer to 0 and 1 than this say no more.
_SUREST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is told of one series: the log ``odds`` that any artefact shows beside those of the good ones.

    ``p_value``: as in ``reference_set``; ``usual``: the range of the good ones' odds, with their ``median``;
    ``score``: robust standard deviations above it; ``causes``: the probability of each, given that one of them shows.
    """

    odds: float
    p_value: float
    usual: tuple[float, float]
    median: float
    score: float
    causes: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePresence:
    """The ``presence`` that a protocol's own series taught, and their log odds as they came (``clean``), ascending."""

    presence: Presence
    clean: tuple[float, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The numbers of an image that are asked."""
        return self.presence.names

    def show(self, numbers: Mapping[str, float]) -> Shown:
        """What the numbers of one image tell.

        Raises:
            KeyError: one of ``names`` is missing.
        """
        causes = self.presence(numbers)
        total = sum(causes.values())
        odds, past = _log_odds(total), np.asarray(self.clean)
        median, scale = usual_of(past)
        return Shown(
            odds=odds,
            p_value=p_value_beside(past, odds),
            usual=(median - USUAL * scale, median + USUAL * scale),
            median=median,
            score=(odds - median) / (scale or 1.0),
            causes={cause: share / total if total else 0.0 for cause, share in causes.items()},
        )


def fit_presence_of_site(tried: Sequence[Tried]) -> SitePresence | None:
    """Fit to the trials of one protocol's good series; images that told no numbers do not count.

    None where fewer than ``FEWEST`` of them were tried both as they came and spoilt. Series that were tried as they
    came alone are among the ``clean`` ones: the more of these, the finer a p-value can be.
    """
    told = [one for one in tried if one.numbers]
    kinds = [{one.series for one in told if (one.family == CLEAN) is clean} for clean in (True, False)]
    series = sorted(set.intersection(*kinds))
    if len(series) < FEWEST:
        return None
    table = _Table.of([one for one in told if one.series in series])
    further = [one for one in told if one.series not in series and table.is_told_by(one)]
    folds = np.array([series.index(one) % _FOLDS for one in table.series])
    held_out: list[float] = []
    for fold in range(_FOLDS):
        asked = (folds == fold) & table.is_clean
        held_out.extend(_log_odds(float(row.sum())) for row in tell(table.fit(folds != fold), table.numbers[asked]))
    presence = table.fit(np.ones(len(folds), bool))
    held_out.extend(_log_odds(sum(presence(one.numbers).values())) for one in further)
    return SitePresence(presence=presence, clean=tuple(sorted(held_out)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Trials as columns: the ``numbers`` (N, F) called ``names``, and of each its series and artefact."""

    names: tuple[str, ...]
    numbers: FloatArray
    series: list[str]
    artefact: npt.NDArray[np.str_]

    @classmethod
    def of(cls, tried: Sequence[Tried]) -> "_Table":
        names, numbers = numbers_of(tried)
        return cls(
            names=names,
            numbers=np.array(numbers, float),
            series=[one.series for one in tried],
            artefact=np.array([one.artefact for one in tried]),
        )

    def is_told_by(self, one: Tried) -> bool:
        """Whether it told all of these numbers."""
        return set(self.names) <= set(one.numbers)

    @property
    def is_clean(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.artefact == CLEAN)

    def fit(self, rows: npt.NDArray[np.bool_]) -> Presence:
        """Of some rows (N,): all that are as they came weigh as much as all that are spoilt."""
        artefact, clean = self.artefact[rows], self.is_clean[rows]
        shown = {one.value: artefact == one.value for one in ARTEFACTS}
        weights = np.where(clean, int((~clean).sum()) / max(1, int(clean.sum())), 1.0)
        return fit_presence(self.names, self.numbers[rows], shown, weights, _PENALTY)


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _SUREST), 1 - _SUREST)
    return float(np.log(inside) - np.log1p(-inside))
