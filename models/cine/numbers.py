"""What a reading says in numbers: volumes with their intervals, ejection fraction, doubt of each slice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.cine.reading import CLASSES, LV, MYO, RV, Phase, Reading
from models.statistics.uncertainty import Interval

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

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


def numbers_of(
    reading: Reading,
    pixel_ml: float,
    margins: Mapping[str, tuple[float, float]],
    scales: Mapping[str, float] | None = None,
) -> dict[str, Number]:
    """Volumes in mL and ejection fractions; ``margins``: how far below and above each its interval reaches.

    Volumes' margins are shares of themselves, those of fractions are fractions; ``scales``: see ``values_of_pixels``.
    """
    numbers = {}
    for name, value in values_of(reading, pixel_ml, scales).items():
        below, above = (margin * scale_of(name, value) for margin in margins.get(name, (0.0, 0.0)))
        numbers[name] = Number(value=value, interval=(max(0.0, value - below), value + above))
    return numbers


def values_of(reading: Reading, pixel_ml: float, scales: Mapping[str, float] | None = None) -> dict[str, float]:
    """Volumes in mL and ejection fractions of the masks as called."""
    labels = {"ed": reading.ed.labels, "es": reading.es.labels}
    pixels = {phase: np.bincount(mask.ravel(), minlength=len(CLASSES)) for phase, mask in labels.items()}
    return values_of_pixels(pixels, pixel_ml, scales)


def values_of_pixels(
    pixels: Mapping[str, npt.NDArray[Any]], pixel_ml: float, scales: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The same of each phase's count of pixels by class, (4,).

    ``scales``: volume -> what its count is multiplied by, where a network calls more or less than annotators do.
    """
    return scaled({name: float(pixels[phase][n] * pixel_ml) for name, (phase, n) in VOLUMES.items()}, scales or {})


def scaled(volumes: Mapping[str, float], scales: Mapping[str, float]) -> dict[str, float]:
    """Volumes times their ``scales``, and the ejection fractions of these."""
    values = {name: volumes[name] * scales.get(name, 1.0) for name in VOLUMES}
    return values | {name: 1 - values[empty] / max(values[full], 1e-6) for name, (full, empty) in FRACTIONS.items()}


def scale_of(name: str, value: float) -> float:
    """What the margin of a number is a share of: volumes of themselves, fractions of 1."""
    return max(value, 1e-6) if name in VOLUMES else 1.0


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
