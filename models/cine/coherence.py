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
#: part regions of the spectrum, with a step between one region and the next.
_FROM, _BESIDE_TO, _MEDIAN_TO, _STEP_TO = 0.04, 0.3, 0.5, 0.7
#: Lines on either side of a step, as a share of all, and what a step counts beside the disorder of lines: so much that
#: clean hearts are called no more often (docs/log.md).
_STEP_LINES, _STEP_WEIGHT = 0.09, 0.4


def incoherence(frames: FloatArray) -> Values:
    """How far each slice's lines are out of step, (slice,) from about 0, of frames (T, x, y, slice).

    The larger of two numbers. Of disorder: the gap between the slice's two axes, and what the worse one lacks against
    the same axis of the slices beside it. Of steps: the largest that the slices beside it do not have at the same line;
    of a slice alone, the gap between the largest of its two axes. NaN for fewer than eight phases.
    """
    count = frames.shape[3]
    if len(frames) < FEWEST_PHASES:
        return np.full(count, np.nan)
    slices = [np.ascontiguousarray(frames[..., k]) for k in range(count)]
    changes = (np.roll(one, -1, axis=0) - one for one in slices)
    found = [[_energy(change, axis) for axis in (1, 2)] for change in changes]
    disorder = np.array([[_disorder(*axis) for axis in axes] for axes in found])
    steps = [np.array([_steps(*axes[n]) for axes in found]) for n in (0, 1)]
    beside = [_neighbours(k, count) for k in range(count)]
    lacking = np.array([(disorder[k] - disorder[beside[k]].mean(axis=0)).max() for k in range(count)])
    step = np.array([max((one[k] - one[beside[k]].mean(axis=0)).max() for one in steps) for k in range(count)])
    if count == 1:
        step = np.abs(steps[0].max(axis=1) - steps[1].max(axis=1))
    return np.asarray(np.maximum(np.abs(disorder[:, 0] - disorder[:, 1]) + lacking, _STEP_WEIGHT * step))


def _neighbours(k: int, count: int) -> list[int]:
    return [j for j in (k - 1, k + 1) if 0 <= j < count] or [k]


def _energy(change: FloatArray, axis: int) -> tuple[FloatArray, int]:
    """Energy of each line across ``axis`` from the first that counts on, (lines, T), and how many lines there are.

    ``change`` (T, x, y): from each frame to the next.
    """
    count = change.shape[axis] // 2 + 1
    first, last = max(1, round(_FROM * count)), max(3, round(_STEP_TO * count))
    kept = fft.rfft(change if axis == 2 else change.swapaxes(1, 2), axis=2)[:, :, first:last]  # noqa: PLR2004
    return np.asarray(sum(np.einsum("txl,txl->lt", part, part) for part in (kept.real, kept.imag))), count


def _disorder(energy: FloatArray, count: int) -> float:
    """1 - mean correlation of the courses of lines with their neighbours' and with the median."""
    first = max(1, round(_FROM * count))
    near, last = (max(3, round(share * count)) - first for share in (_BESIDE_TO, _MEDIAN_TO))
    beside, median = _courses(energy[:near]), _courses(energy[:last])
    middle = np.median(median, axis=0)
    middle /= max(float(np.linalg.norm(middle)), 1e-9)
    return float(1 - ((beside[1:] * beside[:-1]).sum(axis=1).mean() + (median @ middle).mean()) / 2)


def _steps(energy: FloatArray, count: int) -> Values:
    """1 - correlation of the mean courses of the lines on either side of each place, (places,)."""
    courses, width = _courses(energy), max(1, round(_STEP_LINES * count))
    sums = np.concatenate([np.zeros((1, courses.shape[1])), courses.cumsum(axis=0)])
    means = sums[width:] - sums[:-width]
    before, after = means[:-width], means[width:]
    sizes = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return np.asarray(1 - (before * after).sum(axis=1) / np.maximum(sizes, 1e-9))


def _courses(energy: FloatArray) -> Values:
    """Log energy of change of each line over the beat, (lines, T), without its mean, of length 1."""
    courses = np.log(energy + 1e-9 * max(float(energy.max()), 1e-9)).astype(float)
    courses -= courses.mean(axis=1, keepdims=True)
    return np.asarray(courses / np.maximum(np.linalg.norm(courses, axis=1, keepdims=True), 1e-9))
