"""What one frame cannot show: lines of k-space that come from another time of the beat than their frame.

The frames of an intact cine change together: each line of their spectrum, followed over the beat, has much the same
course. A beat that was triggered late or early puts its lines out of step with the others. Which axis was phase-encoded
need not be known: lines of the readout axis stay in step, and so do those of the neighbouring slices.
"""

import numpy as np
import numpy.typing as npt
from scipy import fft

FloatArray = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

#: Fewer phases have no course.
FEWEST_PHASES = 8
#: Lines nearer the middle, as a share of the highest frequency, carry the whole image. Neighbours are compared where
#: there is little noise, all lines with their median further out: interleaved beats part neighbours, sequential ones
#: part regions of the spectrum.
_FROM, _BESIDE_TO, _MEDIAN_TO = 0.04, 0.3, 0.5


def incoherence(frames: FloatArray) -> Values:
    """How far each slice's lines are out of step, (slice,) from about 0, of frames (T, x, y, slice).

    The gap between its two axes, and what the worse one lacks against the same axis of the slices beside it; NaN for
    fewer than eight phases.
    """
    count = frames.shape[3]
    if len(frames) < FEWEST_PHASES:
        return np.full(count, np.nan)
    slices = [np.ascontiguousarray(frames[..., k]) for k in range(count)]
    changes = (np.roll(one, -1, axis=0) - one for one in slices)
    disorder = np.array([[_disorder(change, axis) for axis in (1, 2)] for change in changes])
    beside = np.array([disorder[_neighbours(k, count)].mean(axis=0) for k in range(count)])
    return np.asarray(np.abs(disorder[:, 0] - disorder[:, 1]) + (disorder - beside).max(axis=1))


def _neighbours(k: int, count: int) -> list[int]:
    return [j for j in (k - 1, k + 1) if 0 <= j < count] or [k]


def _disorder(change: FloatArray, axis: int) -> float:
    """1 - mean correlation of the courses of lines across ``axis`` with their neighbours' and with the median.

    ``change`` (T, x, y): from each frame to the next.
    """
    count = change.shape[axis] // 2 + 1
    first = max(1, round(_FROM * count))
    near, last = (max(3, round(share * count)) for share in (_BESIDE_TO, _MEDIAN_TO))
    kept = fft.rfft(change if axis == 2 else change.swapaxes(1, 2), axis=2)[:, :, first:last]  # noqa: PLR2004
    energy = sum(np.einsum("txl,txl->lt", part, part) for part in (kept.real, kept.imag))
    beside, median = _courses(energy[: near - first]), _courses(energy)
    middle = np.median(median, axis=0)
    middle /= max(float(np.linalg.norm(middle)), 1e-9)
    return float(1 - ((beside[1:] * beside[:-1]).sum(axis=1).mean() + (median @ middle).mean()) / 2)


def _courses(energy: FloatArray) -> Values:
    """Log energy of change of each line over the beat, (lines, T), without its mean, of length 1."""
    courses = np.log(energy + 1e-9 * max(float(energy.max()), 1e-9)).astype(float)
    courses -= courses.mean(axis=1, keepdims=True)
    return np.asarray(courses / np.maximum(np.linalg.norm(courses, axis=1, keepdims=True), 1e-9))
