"""Which regression of the harm, chosen for people who have no say in the choice."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from models.statistics.harm import CLEAN, SIDE, Harm, expect, families_of, fit_harm, left_out
from models.statistics.uncertainty import conformal_limit
from training.harm.images import Images

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """``clean``: weight of a clean image; ``root``: the square root of the harm is regressed on."""

    clean: float
    root: bool

    @property
    def name(self) -> str:
        """For people."""
        return f"clean x {self.clean:g}{', root' if self.root else ''}"

    def weights(self, images: Images) -> Numbers:
        """(N,)."""
        return np.where(images.artefact == CLEAN, self.clean, 1.0)

    def target(self, harm: Numbers) -> Numbers:
        """What is regressed on."""
        return np.sqrt(np.maximum(harm, 0)) if self.root else harm

    def harm(self, target: Numbers) -> Numbers:
        """The harm of what was predicted, not below 0."""
        positive = np.maximum(target, 0.0)
        return np.square(positive) if self.root else positive


REGRESSIONS = tuple(Regression(clean=clean, root=root) for clean, root in product((1.0, 2.0, 4.0), (False, True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """The harm (N,) ``expected`` of each image, its bounds, and which of REGRESSIONS was ``chosen`` for each person."""

    expected: Numbers
    low: Numbers
    high: Numbers
    chosen: tuple[int, ...] = ()


def fit_shipped(images: Images) -> Harm:
    """What a bundle ships: every image counts once; its interval holds over people and families that are left out.

    A person's clean images are a family of their own.

    Raises:
        ValueError: the images are of one person, or too few for an interval.
    """
    people = images.person.tolist()
    families = families_of(images.family.tolist(), people)
    harm = fit_harm(images.names, images.numbers, images.harm, [people, families])
    if not np.isfinite((harm.below, harm.above)).all():
        raise ValueError(f"{len(images.harm)} images are too few for an interval: judge more")
    return harm


def predict_from(known: Images, asked: Images, *, unseen_families: bool = False) -> Predicted:
    """The harm of images by what a bundle would ship that learns from ``known``, other people's, alone.

    ``unseen_families``: nor from images of the family that is asked for.

    Raises:
        ValueError: a number of ``known`` is not among those of ``asked``.
    """
    numbers = asked.named(known.names).numbers
    told, whole = np.empty((len(numbers), 3)), fit_shipped(known)
    for family in np.unique(asked.family):
        seen = not unseen_families or family == CLEAN
        harm = whole if seen else fit_shipped(known.of(known.family != family))
        for row in np.flatnonzero(asked.family == family):
            values = dict(zip(harm.names, numbers[row].tolist(), strict=True))
            told[row] = harm.expect(values), *harm.interval(values)
    return Predicted(expected=told[:, 0], low=told[:, 1], high=told[:, 2])


def predict_harm(images: Images, *, unseen_families: bool = False) -> Predicted:
    """The harm of everybody by a regression on other people; in its second form it never saw the artefact's family.

    For each person the regression is the one whose error is least on the others, each of them left out in turn; the
    bounds come from the misses of the same (split conformal over people).
    """
    expected, low, high = (np.empty(len(images.harm)) for _ in range(3))
    chosen = []
    for person in np.unique(images.person):
        own = images.person == person
        others = images.of(~own)
        number = int(
            np.argmin([_error(regression, others, _left_out(regression, others)) for regression in REGRESSIONS])
        )
        regression = REGRESSIONS[number]
        misses = _left_out(regression, others, unseen_families=unseen_families) - regression.target(others.harm)
        predicted = _expect(regression, others, images.of(own), unseen_families=unseen_families)
        expected[own] = regression.harm(predicted)
        low[own] = regression.harm(predicted - conformal_limit(misses, 1 - SIDE))
        high[own] = regression.harm(predicted + conformal_limit(-misses, 1 - SIDE))
        chosen.append(number)
    return Predicted(expected=expected, low=low, high=high, chosen=tuple(chosen))


def _error(regression: Regression, images: Images, predicted: Numbers) -> float:
    """Mean absolute error of the harm, images without, with little and with much harm counting alike."""
    misses = np.abs(regression.harm(predicted) - images.harm)
    groups = (images.harm == 0, (images.harm > 0) & (images.harm <= _LITTLE), images.harm > _LITTLE)
    return float(np.mean([misses[group].mean() for group in groups if group.any()]))


#: Up to here a harm is little.
_LITTLE = 0.1


def _left_out(regression: Regression, images: Images, *, unseen_families: bool = False) -> Numbers:
    """The target (N,) that is predicted for each of the people by all others."""
    numbers, target, weights = images.numbers, regression.target(images.harm), regression.weights(images)
    if not unseen_families:
        return left_out(numbers, target, images.person.tolist(), weights)
    predicted = np.empty(len(target))
    for person in np.unique(images.person):
        own = images.person == person
        predicted[own] = _expect(regression, images.of(~own), images.of(own), unseen_families=True)
    return predicted


def _expect(regression: Regression, known: Images, asked: Images, *, unseen_families: bool) -> Numbers:
    numbers, target, weights = known.numbers, regression.target(known.harm), regression.weights(known)
    wanted = asked.numbers
    if not unseen_families:
        return expect(numbers, target, wanted, weights)
    predicted = np.empty(len(wanted))
    for family in np.unique(asked.family):
        kept = (known.family != family) | (family == CLEAN)
        inside = asked.family == family
        predicted[inside] = expect(numbers[kept], target[kept], wanted[inside], weights[kept])
    return predicted
