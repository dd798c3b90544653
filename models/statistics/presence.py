"""Which artefact an image holds, told by the same numbers as its harm: so that no way of acquisition counts as one.

A multinomial logistic regression (McCullagh and Nelder 1989, section 5.2) with a penalty on the squares of its weights.
It is fitted on images in every style of acquisition, each clean as well as spoilt; what harms less than is tolerated
counts as clean in part, for nobody can see it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from models.statistics.harm import floors_of, read, scaled

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A fitted regression: ``names`` (F,) of its numbers, their ``floors``, ``centre`` and ``spread`` (F,) as in Harm.

    ``causes`` (C,): for each its ``weights`` (F,) and its ``offsets``; what is left of probability 1 is clean.
    """

    names: tuple[str, ...]
    floors: tuple[float, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    causes: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    offsets: tuple[float, ...]

    def __post_init__(self) -> None:
        """Hold that there is one of each for every number and cause.

        Raises:
            ValueError: there is not.
        """
        lengths = {len(part) for part in (self.names, self.floors, self.centre, self.spread, *self.weights)}
        if len(lengths) > 1 or len({len(self.causes), len(self.weights), len(self.offsets)}) > 1:
            raise ValueError("the parts of a presence are not of one length: fit it again")

    def __call__(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """The probability that each cause shows.

        Raises:
            KeyError: a number is missing.
        """
        told = tell(self, np.array([[numbers[name] for name in self.names]]))[0]
        return dict(zip(self.causes, told.tolist(), strict=True))


def tell(presence: Presence, values: npt.ArrayLike) -> Matrix:
    """The probability (N, C) of each cause for numbers (N, F)."""
    known = read(np.asarray(values, float), np.asarray(presence.floors))
    standard = scaled(known, np.asarray(presence.centre), np.asarray(presence.spread))
    logits = standard @ np.asarray(presence.weights).T + np.asarray(presence.offsets)
    return np.asarray(softmax(np.column_stack([np.zeros(len(logits)), logits]), axis=1)[:, 1:])


def fit_presence(
    names: Sequence[str],
    values: npt.ArrayLike,
    shown: Mapping[str, npt.ArrayLike],
    weights: npt.ArrayLike,
    penalty: float,
) -> Presence:
    """Fit to numbers (N, F) of images of ``weights`` (N,); ``shown``: cause -> how much it is there, (N,) in [0, 1].

    What the causes leave of 1 is clean. ``penalty``: its weight beside the mean log likelihood.
    """
    numbers, share = np.asarray(values, float), np.asarray(weights, float) / np.sum(weights)
    floors = floors_of(numbers)
    known = read(numbers, floors)
    centre, spread = known.mean(axis=0), known.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    standard = scaled(known, centre, spread)
    targets = np.column_stack([np.asarray(one, float) for one in shown.values()])
    targets = np.column_stack([1 - targets.sum(axis=1), targets])
    found = _minimise(standard, targets, share, penalty)
    found = found - found[:, :1]  # relative to clean
    return Presence(
        names=tuple(names),
        floors=tuple(floors.tolist()),
        centre=tuple(centre.tolist()),
        spread=tuple(spread.tolist()),
        causes=tuple(shown),
        weights=tuple(tuple(column) for column in found[:-1, 1:].T.tolist()),
        offsets=tuple(found[-1, 1:].tolist()),
    )


def _minimise(numbers: Matrix, targets: Matrix, share: Matrix, penalty: float) -> Matrix:
    """Weights (F, C + 1) above offsets, (F + 1, C + 1), of the least penalised cross entropy."""
    columns = np.column_stack([numbers, np.ones(len(numbers))])
    shape = (columns.shape[1], targets.shape[1])

    def loss(flat: Matrix) -> tuple[float, Matrix]:
        weights = flat.reshape(shape)
        logs = log_softmax(columns @ weights, axis=1)
        gradient = columns.T @ ((np.exp(logs) - targets) * share[:, None])
        gradient[:-1] += penalty * weights[:-1]
        value = -float((share[:, None] * targets * logs).sum()) + penalty / 2 * float((weights[:-1] ** 2).sum())
        return value, gradient.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return np.asarray(found.x.reshape(shape))
