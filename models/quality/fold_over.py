"""Evidence of fold-over and of missing lines, whatever was imaged: the ends of the field of view, and k-space.

Of each axis; whoever asks takes the worst. Both are independent of the intensity scale.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import fft

from models.quality.foreground import FloatArray

Profile = npt.NDArray[np.float64]
NAN = float("nan")
#: Where the mean of a slice is below this share of the largest, nothing was imaged.
_IMAGED = 5e-3
#: Line frequencies between which lines are compared, in shares of the band: below is anatomy, above zero filling.
_BAND = (0.08, 0.95)
#: So many lines of an axis say as much as all of them.
_LINES = 4096
_FEWEST_LINES = 5


def fold_over(voxels: FloatArray) -> Iterator[tuple[str, float]]:
    """The measures of an image (i, j, k): each is that of the axis where it is largest."""
    yield "cut_both_ends", _largest(map(cut_both_ends, profiles(voxels)))
    yield "lines_rough", _largest(lines_rough(voxels, axis) for axis in range(3))


def profiles(voxels: FloatArray) -> tuple[Profile, ...]:
    """The mean of each slice across each axis of an image (i, j, k)."""
    columns, rows, slices = (np.zeros(side) for side in voxels.shape)
    for number, slab in enumerate(voxels):  # a slab fits a processor's cache
        along = slab.sum(axis=1)
        columns[number] = along.sum()
        rows += along
        slices += slab.sum(axis=0)
    return tuple(sums * sums.size / voxels.size for sums in (columns, rows, slices))


def cut_both_ends(profile: Profile) -> float:
    """The level at the lower one of the two ends of what was imaged, in that of the middle: what is cut at both folds.

    ``profile``: the mean of each slice across an axis. Slices of padding at the ends were not imaged.
    """
    imaged = np.flatnonzero(profile > _IMAGED * profile.max())
    middle = float(np.median(profile[imaged])) if imaged.size else 0.0
    return float(min(profile[imaged[0]], profile[imaged[-1]])) / middle if middle > 0 else NAN


def lines_rough(voxels: FloatArray, axis: int) -> float:
    """How much the energy of a line of k-space departs from the mean of its neighbours', as a logarithm (median).

    By Parseval's theorem the energy of a line is that of the one-dimensional spectra along the axis.
    """
    lines = np.moveaxis(voxels, axis, 2)
    step = max(1, int(np.sqrt(lines.shape[0] * lines.shape[1] / _LINES)))
    spectra = fft.rfft(np.ascontiguousarray(lines[::step, ::step], np.float32), axis=2, workers=1)
    energy: npt.NDArray[np.float64] = np.square(np.abs(spectra), dtype=np.float64).sum(axis=(0, 1))
    first, last = (int(edge * (energy.size - 1)) for edge in _BAND)
    band = energy[first:last]
    if band.size < _FEWEST_LINES or not (band > 0).any():
        return NAN
    level = np.log(np.maximum(band, np.finfo(np.float32).eps * band.max()))
    return float(np.median(np.abs(np.diff(level, 2))))


def _largest(values: Iterator[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return max(known, default=NAN)
