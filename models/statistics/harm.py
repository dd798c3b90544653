"""How much an image's artefacts cost the task: the loss of agreement with what the same head gives clean.

No label is needed to learn it. A head is judged clean and spoilt; what the labels lose against its own clean ones is
the harm, and a ridge regression on numbers of one judged image predicts its square root (Hoerl and Kennard 1970; the
penalty by leaving one out): misses of the root are about as large for little harm as for much. Its interval is split
conformal (Lei et al. 2018), with the misses of groups that were left out whole: a person, or a family of artefacts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.statistics.uncertainty import Interval, conformal_limit

Matrix = npt.NDArray[np.float64]

#: Penalties that are tried, in units of the number of images.
PENALTIES = tuple(10.0 ** np.arange(-3.0, 1.01, 0.5))
#: Standardised numbers are cut here: one that no known image comes near says no more than that.
_FARTHEST = 4.0
#: What is added to a number before its logarithm, in medians of it.
_FLOOR = 0.05
#: The family of an image as it came.
CLEAN = "clean"
#: Share of the true harms above the lower bound, and below the upper one.
SIDE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """A fitted regression: ``names`` (F,) of the numbers it reads, their ``centre``, ``spread`` and ``weights`` (F,).

    ``floors`` (F,): where it is above zero the logarithm of the number and its floor is what is read.
    ``offset``: the square root of the harm at the centre. ``below`` and ``above``: how far the true root may lie under
    and over what is predicted, in nineteen cases of twenty each. ``images`` and ``people`` it was fitted on.
    """

    names: tuple[str, ...]
    floors: tuple[float, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    weights: tuple[float, ...]
    offset: float
    below: float
    above: float
    images: int
    people: int

    def __post_init__(self) -> None:
        """Hold that there is one of each for every number.

        Raises:
            ValueError: there is not.
        """
        if len({len(part) for part in (self.names, self.floors, self.centre, self.spread, self.weights)}) > 1:
            raise ValueError("names, floors, centre, spread and weights of a harm are not of one length: fit it again")

    def expect(self, numbers: Mapping[str, float]) -> float:
        """The expected loss of Dice, 0 to 1.

        Raises:
            KeyError: a number is missing.
        """
        return _squared(self._root(numbers))

    def interval(self, numbers: Mapping[str, float]) -> Interval:
        """The loss of Dice with its bounds, each passed in one case of twenty."""
        root = self._root(numbers)
        return _squared(root - self.below), _squared(root + self.above)

    def _root(self, numbers: Mapping[str, float]) -> float:
        """The square root of the harm, as predicted: it may be negative."""
        values = np.array([numbers[name] for name in self.names])
        known = read(values, np.asarray(self.floors))
        standard = scaled(known, np.asarray(self.centre), np.asarray(self.spread))
        return float(self.offset + standard @ np.asarray(self.weights))


def families_of(families: Sequence[str], people: Sequence[str]) -> list[str]:
    """The family of each image (N,) for ``fit_harm``: each one's clean images, of ``people`` (N,), are one."""
    return [family if family != CLEAN else f"{CLEAN} {who}" for family, who in zip(families, people, strict=True)]


def fit_harm(
    names: Sequence[str],
    values: npt.ArrayLike,
    harms: npt.ArrayLike,
    groups: Sequence[Sequence[str]],
    weights: npt.ArrayLike | None = None,
) -> Harm:
    """Fit to numbers (N, F) of judged images and their harms (N,), of ``weights`` (N,), all alike without any.

    ``groups``: partitions of the images, each a list of N names (people; families of artefacts). Each of their members
    is left out in turn; the interval is that of the partition that is missed by most.

    Raises:
        ValueError: fewer than two members in a partition, or fewer images than members.
    """
    numbers, truth = np.asarray(values, float), np.sqrt(np.maximum(np.asarray(harms, float), 0.0))
    if any(len(set(group)) < 2 for group in groups):  # noqa: PLR2004 - one left out, one to learn from
        raise ValueError("each partition needs at least two members: give images of more people or families")
    ridge = _Ridge.fit(numbers, truth, weights)
    misses = [left_out(numbers, truth, group, weights) for group in groups]
    below = max(conformal_limit(predicted - truth, 1 - SIDE) for predicted in misses)
    above = max(conformal_limit(truth - predicted, 1 - SIDE) for predicted in misses)
    return Harm(
        names=tuple(names),
        floors=tuple(ridge.floors.tolist()),
        centre=tuple(ridge.centre.tolist()),
        spread=tuple(ridge.spread.tolist()),
        weights=tuple(ridge.weights.tolist()),
        offset=ridge.offset,
        below=max(0.0, below),
        above=max(0.0, above),
        images=len(truth),
        people=len(set(groups[0])) if groups else 0,
    )


def left_out(
    values: npt.ArrayLike, harms: npt.ArrayLike, group: Sequence[str], weights: npt.ArrayLike | None = None
) -> Matrix:
    """What is predicted for each member of a partition by the images of all others, penalty included, (N,).

    ``harms`` are regressed on as they are given, as in ``expect``.
    """
    numbers, truth, names = np.asarray(values, float), np.asarray(harms, float), np.asarray(group)
    weight = np.ones(len(truth)) if weights is None else np.asarray(weights, float)
    predicted = np.empty(len(truth))
    for name in np.unique(names):
        inside = names == name
        predicted[inside] = expect(numbers[~inside], truth[~inside], numbers[inside], weight[~inside])
    return predicted


def expect(
    values: npt.ArrayLike, harms: npt.ArrayLike, asked: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Matrix:
    """The harm of images with numbers ``asked`` (M, F), from known images' numbers (N, F) and harms (N,)."""
    return _Ridge.fit(np.asarray(values, float), np.asarray(harms, float), weights).predict(np.asarray(asked, float))


@dataclass(frozen=True, slots=True)
class _Ridge:
    floors: Matrix
    centre: Matrix
    spread: Matrix
    weights: Matrix
    offset: float

    @classmethod
    def fit(cls, values: Matrix, truth: Matrix, weights: npt.ArrayLike | None = None) -> "_Ridge":
        """The ridge whose penalty is best when each image is left out (the residual over 1 - leverage).

        An image of weight w counts as w images, in every mean and sum.
        """
        share = np.ones(len(truth)) if weights is None else np.asarray(weights, float)
        share = share / share.mean()
        floors = floors_of(values)
        values = read(values, floors)
        centre = np.average(values, axis=0, weights=share)
        spread = np.sqrt(np.average((values - centre) ** 2, axis=0, weights=share))
        spread = np.where(spread > 0, spread, 1.0)
        standard, offset = scaled(values, centre, spread), float(np.average(truth, weights=share))
        middle, root = np.average(standard, axis=0, weights=share), np.sqrt(share)
        left, singular, right = np.linalg.svd((standard - middle) * root[:, None], full_matrices=False)
        aimed = left.T @ ((truth - offset) * root)

        def error(penalty: float) -> float:
            kept = singular**2 / (singular**2 + penalty * len(truth))
            leverage = (left**2) @ kept + share / len(truth)
            residual = (truth - offset) * root - left @ (kept * aimed)
            return float(np.mean((residual / np.maximum(1 - leverage, 1e-3)) ** 2))

        penalty = min(PENALTIES, key=error) * len(truth)
        found = right.T @ (singular / (singular**2 + penalty) * aimed)
        return cls(floors, centre, spread, found, offset - float(middle @ found))

    def predict(self, values: Matrix) -> Matrix:
        return np.asarray(self.offset + scaled(read(values, self.floors), self.centre, self.spread) @ self.weights)


def _squared(root: float) -> float:
    """The harm of a root; nothing where the root is negative, no more than all."""
    return min(1.0, max(0.0, root) ** 2)


def floors_of(values: Matrix) -> Matrix:
    """For each number that is never negative a share of its median above zero, for all others 0."""
    positive = np.where(values > 0, values, np.nan)
    known = np.isfinite(positive).any(axis=0) & (values >= 0).all(axis=0)
    return np.where(known, _FLOOR * np.nanmedian(np.where(known, positive, 1.0), axis=0), 0.0)


def read(values: Matrix, floors: Matrix) -> Matrix:
    """What the regression is linear in: variances and shares by their logarithm, for they span powers of ten."""
    logarithm = np.log(np.maximum(values, 0.0) + np.where(floors > 0, floors, 1.0))
    return np.where(floors > 0, logarithm, values)


def scaled(values: Matrix, centre: Matrix, spread: Matrix) -> Matrix:
    """Standardised, and cut at four deviations."""
    return np.asarray(np.clip((values - centre) / spread, -_FARTHEST, _FARTHEST))
