"""The two phases that a heart is measured in, found from its own curve, and from the image alone."""

import numpy as np
import numpy.typing as npt

#: Curves of fewer phases are taken as they are; others are smoothed by so many harmonics.
_FEWEST, _HARMONICS = 8, 3

Curve = npt.NDArray[np.float64]


def smoothed(curve: npt.ArrayLike) -> Curve:
    """A curve over one beat by its first three harmonics: what a heart's volume has, and segmentation noise has not."""
    values = np.asarray(curve, float)
    if len(values) < _FEWEST:
        return values
    spectrum = np.fft.rfft(values)
    spectrum[_HARMONICS + 1 :] = 0
    return np.fft.irfft(spectrum, len(values))


def phases(curve: npt.ArrayLike) -> tuple[int, int]:
    """End-diastole and end-systole: where the smoothed volume is largest and smallest."""
    values = smoothed(curve)
    return int(values.argmax()), int(values.argmin())


def unlikeness(crops: npt.NDArray[np.float32], ed: int) -> Curve:
    """1 - correlation of each phase (T, slice, x, y) with end-diastole: it peaks at end-systole without a network."""
    flat = crops.reshape(len(crops), -1).astype(np.float64)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1)
    return np.asarray(1 - flat @ flat[ed] / np.maximum(norms * norms[ed], 1e-9))


def apart(first: int, second: int, count: int) -> int:
    """Phases between two phases of a beat of ``count``; the last is beside the first."""
    distance = abs(first - second) % count
    return min(distance, count - distance)
