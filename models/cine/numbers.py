"""What a reading says in numbers: volumes with their intervals, ejection fraction, doubt of each slice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.cine.reading import CLASSES, LV, MYO, RV, Phase, Reading
from models.statistics.uncertainty import Interval

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: Draws of a stack: each is one for all of its slices, for draws of their own average out (docs/cine.md).
SAMPLES = 10
_SEED = 20202
#: Pixels vary where background is less probable than this: the covariance is trained on hearts, and means nothing
#: elsewhere.
_BACKGROUND = 0.9
#: Slices of a shorter border of the heart, in pixels over both phases, have no doubt of their own: its share of a few
#: pixels is chance.
LEAST_BORDER_PX = 30
#: Density of myocardium, g/mL.
DENSITY = 1.05
#: Volumes that are told: name -> phase and class.
VOLUMES: Mapping[str, tuple[str, int]] = {
    "LV end-diastolic": ("ed", LV),
    "LV end-systolic": ("es", LV),
    "RV end-diastolic": ("ed", RV),
    "RV end-systolic": ("es", RV),
    "LV myocardium": ("ed", MYO),
}
#: Ejection fractions: name -> the two volumes.
FRACTIONS: Mapping[str, tuple[str, str]] = {
    "LV ejection fraction": ("LV end-diastolic", "LV end-systolic"),
    "RV ejection fraction": ("RV end-diastolic", "RV end-systolic"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A value and the interval that holds nine truths of ten."""

    value: float
    interval: Interval


def numbers_of(reading: Reading, pixel_ml: float, margins: Mapping[str, float]) -> dict[str, Number]:
    """Volumes in mL and ejection fractions; ``margins``: by what share of its value each is widened."""
    samples = sampled(reading, pixel_ml)
    numbers = {}
    for name, values in samples.items():
        value, drawn = values[0], values[1:]
        by = margins.get(name, 0.0) * scale_of(name, float(value))
        ends = (max(0.0, float(drawn.min()) - by), float(drawn.max()) + by)
        numbers[name] = Number(value=float(value), interval=ends)
    return numbers


def scale_of(name: str, value: float) -> float:
    """What the margin of a number is a share of: volumes of themselves, fractions of 1."""
    return max(value, 1e-6) if name in VOLUMES else 1.0


def sampled(reading: Reading, pixel_ml: float) -> dict[str, npt.NDArray[np.float64]]:
    """Each number as it is called, then of each draw, (1 + SAMPLES,)."""
    counts = {name: sample_pixels(getattr(reading, name)) for name in ("ed", "es")}
    values = {name: np.asarray(counts[phase][:, n] * pixel_ml, float) for name, (phase, n) in VOLUMES.items()}
    for name, (full, empty) in FRACTIONS.items():
        values[name] = 1 - values[empty] / np.maximum(values[full], 1e-6)
    return values


def sample_pixels(phase: Phase) -> npt.NDArray[np.int64]:
    """Pixels of each class, (1 + SAMPLES, 4): as called, then as called and changed by each draw (antithetic pairs).

    Paper 003, equation 6, the shared part: mean + factor w, w the same for all slices.
    """
    called = np.bincount(phase.labels.ravel(), minlength=len(CLASSES))
    near = np.moveaxis(phase.probabilities[0], -1, 0) < _BACKGROUND
    logits = np.moveaxis(phase.detail.logits, 1, -1)[near]
    factor = np.moveaxis(phase.detail.factor, (1, 2), (-2, -1))[near]
    plain = _pixels(logits)
    draws = np.random.default_rng(_SEED).standard_normal((SAMPLES // 2, factor.shape[1]), np.float32)
    rows = [called]
    for draw in draws:
        change = np.einsum("r,nrc->nc", draw, factor)
        rows.extend(np.maximum(0, called + _pixels(logits + sign * change) - plain) for sign in (1, -1))
    return np.array(rows)


def _pixels(logits: FloatArray) -> npt.NDArray[np.int64]:
    return np.bincount(logits.argmax(axis=1), minlength=len(CLASSES))


def pixel_millilitres(pixel_mm: float, gap_mm: float) -> float:
    """What one pixel of a stack stands for: slices lie ``gap_mm`` apart, whatever their thickness."""
    return pixel_mm**2 * gap_mm / 1000


def entropy(probabilities: FloatArray) -> FloatArray:
    """Of each structure against the rest, (3, ...) in nats, of probabilities (4, ...)."""
    p = np.clip(probabilities[1:], 1e-6, 1 - 1e-6)
    return np.asarray(-p * np.log(p) - (1 - p) * np.log(1 - p), np.float32)


def perimeter(mask: Mask) -> npt.NDArray[np.int64]:
    """Border pixels in each slice of a mask (..., x, y, slice)."""
    padded = np.pad(mask, [(0, 0)] * (mask.ndim - 3) + [(1, 1), (1, 1), (0, 0)])
    inner = padded[..., :-2, 1:-1, :] & padded[..., 2:, 1:-1, :] & padded[..., 1:-1, :-2, :] & padded[..., 1:-1, 2:, :]
    return np.asarray((mask & ~inner).sum(axis=(-3, -2)))


def slice_doubt(phase: Phase) -> npt.NDArray[np.float64]:
    """Entropy in each slice, summed, for each structure (3, slice): what ranks slices by the area of their errors."""
    return np.asarray(entropy(phase.probabilities).sum(axis=(1, 2)), float)


def stack_doubt(phases: Sequence[Phase]) -> tuple[float, int]:
    """Entropy for each pixel of the heart's border, over both phases; and the slice (index) where it is largest."""
    total = sum(slice_doubt(one).sum(axis=0) for one in phases)
    border = sum(perimeter(one.labels > 0) for one in phases)
    worst = np.where(np.asarray(border) >= LEAST_BORDER_PX, np.asarray(total) / np.maximum(np.asarray(border), 1), 0)
    return float(np.sum(total) / max(1, int(np.sum(border)))), int(worst.argmax())


def sector_doubt(phase: Phase, sectors: int = 6) -> npt.NDArray[np.float64]:
    """Mean entropy of the ring in equal sectors of each slice (slice, sectors), for a bullseye; NaN without a ring."""
    found = np.full((phase.labels.shape[2], sectors), np.nan)
    doubt = entropy(phase.probabilities).sum(axis=0)
    for k in range(phase.labels.shape[2]):
        x, y = np.nonzero(phase.labels[:, :, k] == MYO)
        if len(x):
            inside = phase.labels[:, :, k] >= MYO
            middle = np.argwhere(inside).mean(axis=0)
            angle = np.arctan2(y - middle[1], x - middle[0])
            number = np.minimum(((angle + np.pi) / (2 * np.pi) * sectors).astype(int), sectors - 1)
            for n in range(sectors):
                if (number == n).any():
                    found[k, n] = doubt[x[number == n], y[number == n], k].mean()
    return found
