"""What made a series unusual, by the pattern of its departures: a linear discriminant of what each cause does to them.

Departures are in standard deviations of what is usual, by sign, and compressed, so that one measure far out does not
speak for all; with weights of a linear discriminant analysis (Fisher 1936) the scores are log posteriors up to a
constant.
"""

from collections.abc import Mapping
from math import copysign, exp, isfinite, log1p

from models.past import Signature


def compressed(departure: float) -> float:
    """A departure in standard deviations, by sign: its logarithm from one on; what is no number is as far as 30."""
    return copysign(log1p(abs(departure)), departure) if isfinite(departure) else log1p(30.0)


def likely(departures: Mapping[str, float], signatures: Mapping[str, Signature]) -> dict[str, float]:
    """The probability of each cause, given that one of them made the ``departures``; 1 in all.

    A measure without a departure is as usual.
    """
    known = {name: compressed(value) for name, value in departures.items()}
    scores = {
        cause: one.bias + sum(weight * known.get(name, 0.0) for name, weight in one.weights.items())
        for cause, one in signatures.items()
    }
    top = max(scores.values(), default=0.0)
    shares = {cause: exp(score - top) for cause, score in scores.items()}
    total = sum(shares.values())
    return {cause: share / total for cause, share in shares.items()}
