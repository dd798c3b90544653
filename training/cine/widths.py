"""How far numbers of a heart lie from the truth: by people's errors, and by draws of its labels (paper 003).

Intervals reach as far as people's errors do. The spread of draws does not order the errors of volumes (docs/cine.md),
so it is only tabled.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.cine.numbers import FRACTIONS, VOLUMES, scale_of, scaled, values_of, values_of_pixels
from models.cine.reading import CLASSES, Phase, Reading
from models.statistics.uncertainty import COVERAGE, conformal_limit
from training.cine.judge import Patient, true_numbers

FloatArray = npt.NDArray[np.float32]


#: What was called and what is true of a patient, by number.
_Pair = tuple[Mapping[str, float], Mapping[str, float]]


def fitted_scales(patients: Sequence[Patient]) -> dict[str, float]:
    """By volume, the geometric mean of true over called; 1 where nobody has both."""
    return _scales(_pairs(patients))


def _pairs(patients: Sequence[Patient]) -> list[_Pair]:
    return [(values_of(patient.reading, patient.pixel_ml), true_numbers(patient)) for patient in patients]


def _scales(pairs: Sequence[_Pair]) -> dict[str, float]:
    scales = {}
    for name in VOLUMES:
        apart = [np.log(true[name] / called[name]) for called, true in pairs if true[name] > 0 and called[name] > 0]
        scales[name] = float(np.exp(np.mean(apart))) if apart else 1.0
    return scales


def fitted_margins(patients: Sequence[Patient]) -> dict[str, tuple[float, float]]:
    """By number, as shares of its value: beyond either lies one truth of twenty.

    The conformal quantile of the misses to each side, each patient scaled by the others; of too few patients for one,
    the largest miss.
    """
    pairs, margins = _pairs(patients), {}
    told = [(scaled(called, _scales([*pairs[:n], *pairs[n + 1 :]])), true) for n, (called, true) in enumerate(pairs)]
    for name in (*VOLUMES, *FRACTIONS):
        over = [(values[name] - true[name]) / scale_of(name, values[name]) for values, true in told]
        margins[name] = _reach(over), _reach([-miss for miss in over])
    return margins


def _reach(misses: Sequence[float]) -> float:
    limit = conformal_limit(misses, (1 - COVERAGE) / 2)
    return max(0.0, limit if np.isfinite(limit) else max(misses))


#: Draws of a stack: each is one for all of its slices, for draws of their own average out (docs/cine.md).
SAMPLES = 10
_SEED = 20202
#: Pixels vary where background is less probable than this: the covariance is trained on hearts, and means nothing
#: elsewhere.
_BACKGROUND = 0.9


def drawn(reading: Reading, pixel_ml: float) -> Mapping[str, npt.NDArray[np.float64]]:
    """Volumes in mL and ejection fractions of each draw, (SAMPLES,)."""
    pixels = {phase: draw_pixels(getattr(reading, phase)) for phase in ("ed", "es")}
    draws = [values_of_pixels({phase: rows[n] for phase, rows in pixels.items()}, pixel_ml) for n in range(SAMPLES)]
    return {name: np.array([values[name] for values in draws]) for name in draws[0]}


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
