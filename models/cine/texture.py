"""What a slice's own pixels and spectrum say of it, as numbers: noise, ghosts, lines that do not belong together.

The two-dimensional kin of ``models/physics/spectrum.py``; statistics by axis are sorted, so that the phase-encoded one
need not be known. All are independent of the intensity scale.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

FloatArray = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

_SHELLS = 8
#: Lines between these shares of the band are compared: below is anatomy, above zero filling.
_LINES = (0.06, 0.6)
#: Periods of ghosts in lines, the lines that tell them, and how many lines their surroundings are (Gaussian).
_PERIODS = (2, 3, 4, 5)
_GHOST_LINES = (0.04, 0.75)
_SURROUNDINGS = 5
#: Median absolute deviation of normal noise (Donoho 1995).
_MAD = 0.6745
#: Air, as a share of bright tissue; a line that fell out of its surroundings, in log energy.
_AIR, _DROPPED = 0.1, -0.5


def describe_slice(image: FloatArray) -> Values:
    """The features of a slice (x, y), (N,)."""
    return np.fromiter((value for _, value in _features(image)), float)


@cache
def texture_names() -> tuple[str, ...]:
    """The name of each feature, in order."""
    return tuple(name for name, _ in _features(np.random.default_rng(0).random((64, 64)).astype(np.float32)))


def _features(image: FloatArray) -> Iterator[tuple[str, float]]:
    bright = float(np.percentile(image, 99)) or 1.0
    scaled = np.clip(image / bright, 0, 4)
    yield from _levels(scaled)
    magnitude = np.abs(fft.fft2(scaled))
    power = magnitude**2
    power[0, 0] = 0
    power /= power.sum() + 1e-9
    yield from _shells(power)
    axes = [dict(_lines(magnitude, power, axis)) for axis in (0, 1)]
    for name in axes[0]:
        high, low = sorted((axis[name] for axis in axes), reverse=True)
        yield f"{name} high", high
        yield f"{name} low", low


def _levels(image: FloatArray) -> Iterator[tuple[str, float]]:
    """Noise by the finest diagonal detail, and the darkest tenth."""
    detail = (image[:-1:2, :-1:2] - image[1::2, :-1:2] - image[:-1:2, 1::2] + image[1::2, 1::2]) / 2
    dark = np.sort(image, axis=None)[: image.size // 5]
    yield "noise", float(np.log(np.median(np.abs(detail)) / _MAD + 1e-4))
    yield "noise spread", float(np.log(np.percentile(np.abs(detail), 90) + 1e-4))
    yield "dark level", float(np.log(dark.mean() + 1e-3))
    yield "dark spread", float(np.log(dark.std() + 1e-3))
    smooth = ndimage.gaussian_filter(image, 2)
    air = smooth < _AIR
    fine = float(np.abs(image - smooth)[air].mean()) if air.any() else 0.0
    yield "fine in the dark", float(np.log(fine + 1e-4))


def _shells(power: Values) -> Iterator[tuple[str, float]]:
    x, y = (np.fft.fftfreq(n) for n in power.shape)
    radius = np.minimum(np.hypot(x[:, None], y[None]) * 2, 0.999)
    shell = (radius * _SHELLS).astype(int)
    level = np.log(power + 1e-9 / power.size)
    means = np.bincount(shell.ravel(), level.ravel(), _SHELLS) / np.maximum(np.bincount(shell.ravel()), 1)
    for number, value in enumerate(means + np.log(power.size)):
        yield f"shell {number}", float(value)


def _lines(magnitude: FloatArray, power: Values, axis: int) -> Iterator[tuple[str, float]]:
    """How regular the lines across one axis are: in energy, and in how they go on from one to the next."""
    count = power.shape[axis]
    half = count // 2
    energy = power.sum(axis=1 - axis)
    level = np.log(energy[:half] + energy[: -half - 1 : -1] + 1e-9 / count)
    first, last = (max(2, int(share * half)) for share in _LINES)
    band = level[first:last]
    course = band - ndimage.median_filter(band, 7, mode="nearest")
    yield "rough", float(np.log(np.median(np.abs(np.diff(band, 2))) + 1e-3))
    yield "spread", float(np.log(course.std() + 1e-3))
    yield "dropped", float((course < _DROPPED).mean())
    lines = magnitude if axis == 0 else magnitude.T
    yield from _ghosts(lines)
    yield "asymmetry", _asymmetry(energy, first, last)
    yield "repeats", _repeats(energy, count)
    yield "unsteady", _unsteady(lines, first, last)


def _ghosts(lines: FloatArray) -> Iterator[tuple[str, float]]:
    """How surely, and how far in log amplitude, every m-th of lines (count, N) is weaker than the lines between.

    The most of all periods m and residues r; in a real image line -k is as weak as line k, so r and count - r both are.
    """
    count = len(lines)
    first, last = (max(2, int(share * (count // 2))) for share in _GHOST_LINES)
    level = np.log(lines[first:last] + 1e-3 * lines.mean()).mean(axis=1)
    course = level - ndimage.gaussian_filter1d(level, _SURROUNDINGS, mode="nearest")
    noise = np.median(np.abs(course - np.median(course))) / _MAD + 1e-3
    numbers, depth, surely = np.arange(first, last), 0.0, 0.0
    for period in _PERIODS:
        for rest in range(period):
            weak = np.isin(numbers % period, (rest, (count - rest) % period))
            if weak.any() and not weak.all():
                gap = float(course[~weak].mean() - course[weak].mean())
                depth, surely = max(depth, gap), max(surely, gap / np.sqrt(1 / weak.sum() + 1 / (~weak).sum()) / noise)
    yield "ghosts", float(np.log(surely + 0.3))
    yield "ghost depth", float(np.log(depth + 0.02))


def _asymmetry(energy: Values, first: int, last: int) -> float:
    """Difference in log energy between both halves of k-space; none in a real image, so any is in its phase."""
    above, below = energy[first:last], energy[-first:-last:-1]
    return float(np.log(np.abs(np.log((above + 1e-12) / (below + 1e-12))).mean() + 1e-3))


def _repeats(energy: Values, count: int) -> float:
    """The highest autocorrelation of the edges at a half, a third, a quarter and a fifth of the field of view."""
    high = energy.copy()
    edge = max(2, int(0.03 * count))
    high[:edge] = high[-edge + 1 :] = 0
    correlation = np.fft.ifft(high).real
    lags = [round(count / period) + step for period in _PERIODS for step in (-1, 0, 1)]
    usual = np.abs(correlation[count // 8 : count // 2]).mean() + 1e-12
    return float(np.log(max(correlation[lag] for lag in lags).clip(1e-12) / usual + 1e-3))


def _unsteady(lines: FloatArray, first: int, last: int) -> float:
    """1 - mean correlation of each line with the next, magnitudes only: an object's lines change slowly."""
    near = np.log(lines[first:last] + 1e-3 * lines.mean())
    near = ndimage.uniform_filter1d(near, 5, axis=1)
    near = near - near.mean(axis=1, keepdims=True)
    near /= np.linalg.norm(near, axis=1, keepdims=True) + 1e-9
    return float(1 - (near[1:] * near[:-1]).sum(axis=1).mean())
