"""Numbers of a heart under draws of how its labels vary together (paper 003): what its spread says is only tabled.

The spread of draws does not order the errors of volumes (docs/cine.md), so intervals come from people's errors.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from models.cine.numbers import FRACTIONS, VOLUMES
from models.cine.reading import CLASSES, Phase, Reading

FloatArray = npt.NDArray[np.float32]

#: Draws of a stack: each is one for all of its slices, for draws of their own average out (docs/cine.md).
SAMPLES = 10
_SEED = 20202
#: Pixels vary where background is less probable than this: the covariance is trained on hearts, and means nothing
#: elsewhere.
_BACKGROUND = 0.9


def drawn(reading: Reading, pixel_ml: float) -> Mapping[str, npt.NDArray[np.float64]]:
    """Volumes in mL and ejection fractions of each draw, (SAMPLES,)."""
    counts = {name: draw_pixels(getattr(reading, name)) for name in ("ed", "es")}
    values = {name: np.asarray(counts[phase][:, n] * pixel_ml, float) for name, (phase, n) in VOLUMES.items()}
    for name, (full, empty) in FRACTIONS.items():
        values[name] = 1 - values[empty] / np.maximum(values[full], 1e-6)
    return values


def draw_pixels(phase: Phase) -> npt.NDArray[np.int64]:
    """Pixels of each class, (SAMPLES, 4): as called and changed by each draw (antithetic pairs).

    Paper 003, equation 6, the shared part: mean + factor w, w the same for all slices.
    """
    called = np.bincount(phase.labels.ravel(), minlength=len(CLASSES))
    near = np.moveaxis(phase.probabilities[0], -1, 0) < _BACKGROUND
    logits = np.moveaxis(phase.detail.logits, 1, -1)[near]
    factor = np.moveaxis(phase.detail.factor, (1, 2), (-2, -1))[near]
    plain = _pixels(logits)
    rows: list[npt.NDArray[np.int64]] = []
    for draw in np.random.default_rng(_SEED).standard_normal((SAMPLES // 2, factor.shape[1]), np.float32):
        change = np.einsum("r,nrc->nc", draw, factor)
        rows.extend(np.maximum(0, called + _pixels(logits + sign * change) - plain) for sign in (1, -1))
    return np.array(rows)


def _pixels(logits: FloatArray) -> npt.NDArray[np.int64]:
    return np.bincount(logits.argmax(axis=1), minlength=len(CLASSES))
