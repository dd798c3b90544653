"""What spoils the slices of a stack: each against the others of its own stack, so that no scanner need be known.

Breath, noise and ghosts show in one frame; a beat triggered at the wrong time shows over the beat only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from models.cine.texture import describe_slice, texture_names

FloatArray = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

#: Told by one frame, and by the course of lines over the beat.
STILL_CAUSES = ("breathing", "noise", "ghosting")
MISTRIGGERING = "mistriggering"
CAUSES = (MISTRIGGERING, *STILL_CAUSES)
#: Fewer slices have no others to be compared with.
FEWEST_SLICES = 4
_FURTHEST = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseModel:
    """Multinomial logistic regression on the relative texture of a slice; the first class is a good slice.

    ``features``: names, in order; ``centre`` and ``scale`` (N,) of each; ``weights`` (1 + causes, N); ``bias``.
    """

    features: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]

    def probabilities(self, textures: Values) -> Values:
        """Of a good slice and of each cause, (slices, 1 + causes), of relative textures (slices, N)."""
        scaled = np.clip((textures - np.array(self.centre)) / np.array(self.scale), -_FURTHEST, _FURTHEST)
        return np.asarray(softmax(scaled @ np.array(self.weights).T + np.array(self.bias), axis=1))


def textures(image: FloatArray) -> Values:
    """The texture of every slice of a stack (x, y, slice), (slice, N)."""
    return np.array([describe_slice(image[:, :, k]) for k in range(image.shape[2])])


def relative(found: Values, k: int, spoilt: Values | None = None) -> Values:
    """A slice's texture less the median of the others', and its noise; ``spoilt``: in place of its own."""
    own = found[k] if spoilt is None else spoilt
    return np.concatenate([own - np.median(np.delete(found, k, axis=0), axis=0), own[:1]])


def relative_names() -> tuple[str, ...]:
    """The name of each number that ``relative`` gives, in order."""
    return (*texture_names(), texture_names()[0])


def still_scores(image: FloatArray, slices: Sequence[int], model: CauseModel) -> Mapping[str, Values]:
    """Probability of each cause in each slice (slice,) of a stack (x, y, slice); 0 where it is not asked for."""
    scores = {cause: np.zeros(image.shape[2]) for cause in STILL_CAUSES}
    if len(slices) < FEWEST_SLICES:
        return scores
    found = np.array([describe_slice(image[:, :, k]) for k in slices])
    told = model.probabilities(np.array([relative(found, n) for n in range(len(slices))]))
    for n, cause in enumerate(STILL_CAUSES, start=1):
        scores[cause][list(slices)] = told[:, n]
    return scores


def presence(value: float) -> float:
    """How surely a cause shows whose score is ``value`` times its limit: a half at the limit."""
    return float(value**2 / (1 + value**2))
