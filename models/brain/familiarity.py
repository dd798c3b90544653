"""How far a series lies from everything a bundle knows: another body part, another contrast, no head at all.

Two descriptions, each with a distance of its own: what the network's deepest features are on average (Woodland et al.
2024 find this best in liver MRI after a reduction by principal components), and the intensity histogram of what was
labelled brain (Vasiliuk et al. 2023: the baseline that many detectors do not beat).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.brain.prediction import Prediction

FloatArray = npt.NDArray[np.float64]

FEATURES, HISTOGRAM = "feature distance", "histogram distance"
DISTANCES = (FEATURES, HISTOGRAM)
#: Bins of the histogram: intensity over the brain's 95th percentile.
_BINS = np.linspace(0, 2, 33)
_BRAIN_LABEL = 2
#: Standard deviations below this share of the largest are rounding.
_SMALL = 1e-4


@dataclass(frozen=True, slots=True)
class Space:
    """A normal distribution of descriptions (F,) by its principal axes.

    ``centre`` (F,), ``spread`` (F,): each value's own scale; ``axes`` (F, K), ``deviations`` (K,): principal axes of
    the scaled values; ``rest``: the standard deviation along every other direction (Tipping and Bishop 1999).
    """

    centre: FloatArray
    spread: FloatArray
    axes: FloatArray
    deviations: FloatArray
    rest: npt.NDArray[np.float64]

    def distance(self, description: npt.ArrayLike) -> float:
        """Root mean square of the standardised coordinates: about 1 for what is familiar."""
        scaled = (np.asarray(description, float) - self.centre) / self.spread
        along = scaled @ self.axes
        squares = ((along / self.deviations) ** 2).sum() + max(0.0, (scaled**2).sum() - (along**2).sum()) / self.rest**2
        return float(np.sqrt(squares / len(scaled)))


#: Principal axes kept of each description.
COMPONENTS = {FEATURES: 20, HISTOGRAM: 8}


def fit_space(descriptions: npt.ArrayLike, components: int) -> Space:
    """The space of some descriptions (N, F)."""
    values = np.asarray(descriptions, float)
    centre, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.maximum(spread, _SMALL * (np.abs(values).max() or 1.0))
    scaled = (values - centre) / spread
    _, singular, axes = np.linalg.svd(scaled, full_matrices=False)
    deviations = np.maximum(singular / np.sqrt(len(values)), _SMALL)
    kept = min(components, len(deviations) - 1)
    others = scaled.shape[1] - kept
    rest = np.sqrt(max(_SMALL, (deviations[kept:] ** 2).sum() / others))
    return Space(centre, spread, axes[:kept].T, deviations[:kept], np.array(rest))


def describe(prediction: Prediction) -> dict[str, FloatArray]:
    """What is compared: the embedding of the deepest features, and the brain's histogram.

    The histogram holds square roots of shares (Hellinger), so that rare intensities count.
    """
    brain = prediction.image[prediction.labels >= _BRAIN_LABEL]
    counts, _ = np.histogram(brain, _BINS)
    return {
        FEATURES: np.asarray(prediction.embedding, float),
        HISTOGRAM: np.sqrt(counts / max(1, brain.size)),
    }


def distances(prediction: Prediction, spaces: Mapping[str, Space]) -> dict[str, float]:
    """Each distance by name."""
    described = describe(prediction)
    return {name: space.distance(described[name]) for name, space in spaces.items()}


def save_spaces(path: Path, spaces: Mapping[str, Space]) -> None:
    """Write all spaces as one ``.npz`` of float32 arrays; no pickle."""
    arrays = {f"{name}/{part}": getattr(space, part) for name, space in spaces.items() for part in Space.__slots__}
    np.savez(path, allow_pickle=False, **{key: np.asarray(value, np.float32) for key, value in arrays.items()})


def load_spaces(path: Path) -> dict[str, Space]:
    """Read what :func:`save_spaces` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        names = dict.fromkeys(key.rpartition("/")[0] for key in arrays)
        return {name: Space(*(arrays[f"{name}/{part}"].astype(float) for part in Space.__slots__)) for name in names}
