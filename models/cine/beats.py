"""The two phases that a heart is measured in, found from its own curve, and from the image alone."""

import numpy as np
import numpy.typing as npt

#: Curves of fewer phases are taken as they are; others are smoothed by so many harmonics.
_FEWEST, _HARMONICS = 8, 3
#: Phases that are enough for them: seven numbers.
_ENOUGH = 10

Curve = npt.NDArray[np.float64]


def sampled_phases(count: int) -> npt.NDArray[np.int64]:
    """The phases of a beat of ``count`` that are asked for the curve: each, or every second or third of many."""
    return np.arange(0, count, max(1, count // _ENOUGH))


def smoothed(curve: npt.ArrayLike, at: npt.ArrayLike | None = None, count: int = 0) -> Curve:
    """A curve over one beat by its first three harmonics: what a heart's volume has, and segmentation noise has not.

    ``at``: the phases, of ``count``, that the values are of; they are all without. The curve has all of them.
    """
    values = np.asarray(curve, float)
    places = np.arange(len(values)) if at is None else np.asarray(at)
    count = count or len(values)
    if len(values) < _FEWEST:
        return values
    fitted, *_ = np.linalg.lstsq(_waves(places, count), values, rcond=None)
    return np.asarray(_waves(np.arange(count), count) @ fitted)


def _waves(places: npt.NDArray[np.int64], count: int) -> Curve:
    """A constant and the harmonics at some phases, (places, 7)."""
    angles = 2 * np.pi * places[:, None] / count * np.arange(1, _HARMONICS + 1)
    return np.concatenate([np.ones((len(places), 1)), np.cos(angles), np.sin(angles)], axis=1)


def phases(curve: npt.ArrayLike) -> tuple[int, int]:
    """End-diastole and end-systole: where a smoothed volume is largest and smallest."""
    values = np.asarray(curve, float)
    return int(values.argmax()), int(values.argmin())


def unlikeness(crops: npt.NDArray[np.float32], ed: int) -> Curve:
    """1 - correlation of each phase (T, slice, x, y) with end-diastole: it peaks at end-systole without a network."""
    flat = crops.reshape(len(crops), -1)
    flat = flat - flat.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    norms = np.sqrt(np.einsum("tn,tn->t", flat, flat, dtype=np.float64))
    return np.asarray(1 - flat @ flat[ed] / np.maximum(norms * norms[ed], 1e-9), float)


def apart(first: int, second: int, count: int) -> int:
    """Phases between two phases of a beat of ``count``; the last is beside the first."""
    distance = abs(first - second) % count
    return min(distance, count - distance)
