"""What an image's own spectrum says of its artefacts: a vector of texture and k-space statistics.

Instance norm hides the noise level from a network's later layers, and resampling to the network's grid removes the
outer k-space; so the cause of an artefact is looked for where it is plain: in the spectrum of the stored image, on its
own grid. Statistics by axis are sorted, so that the axis along which something went wrong hardly matters. All are
independent of the intensity scale.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from models.preprocess import Affine, FloatArray, Grid, isotropic_grid, resample

#: Larger volumes are averaged to 1 mm first: beyond it lies zero filling more often than signal.
_MOST_VOXELS = 20_000_000
#: ... and wider fields of view than any head's to fewer voxels: the spectrum takes 15 bytes each.
_WIDEST_MM3 = 32_000_000
_SHELLS = 12
_PEAKS = 4
#: Line frequencies (fractions of the band, 0 to 1) between which lines are compared: below is anatomy, above zero fill.
_LINES = (0.08, 0.95)
#: Physical frequencies in cycles per mm at which the energy of each axis is read.
_FREQUENCIES = (0.03, 0.06, 0.1, 0.14, 0.18, 0.22, 0.3, 0.4, 0.5)
_FLOOR = 1e-7
#: Difference in log power of the lowest and the third shell below which a spectrum is flat.
_FLAT = 0.5


def describe(voxels: npt.NDArray[np.floating], affine: Affine) -> FloatArray:
    """The features of a volume (i, j, k) with its affine to mm: float32 (N,), N = ``len(feature_names())``.

    A constant volume has all features zero.
    """
    return np.fromiter((value for _, value in _features(*_prepare(voxels, affine))), np.float32)


@cache
def feature_names() -> tuple[str, ...]:
    """The name of each feature, in order."""
    probe = np.random.default_rng(0).random((24, 24, 24)).astype(np.float32)
    return tuple(name for name, _ in _features(*_prepare(probe, np.eye(4))))


def named(features: FloatArray) -> dict[str, float]:
    """Each feature (N,) of a described volume by its name."""
    return dict(zip(feature_names(), features.tolist(), strict=True))


def is_noise(features: FloatArray) -> bool:
    """Whether the described volume holds nothing but noise, whose spectrum is flat, or nothing at all.

    Any body, under whatever noise or spike, has far more power in the lowest shell (ten times in the noisiest heads).
    """
    shells = named(features)
    return bool(shells["shell_0"] - shells["shell_2"] < _FLAT)


def is_flat(voxels: npt.NDArray[np.floating], affine: Affine) -> bool:
    """The same of a volume (i, j, k) with its affine to mm, without its other features."""
    image, _ = _prepare(voxels, affine)
    shells, _, _ = _shells(_power(image), image.shape)
    return bool(shells[0] - shells[2] < _FLAT)


def _prepare(voxels: npt.NDArray[np.floating], affine: Affine) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    """The image in units of its bright tissue and its spacing."""
    grid = Grid(voxels.shape, affine)
    image = np.asarray(voxels, np.float32)
    if image.size > _MOST_VOXELS:
        field_mm3 = float(np.prod(grid.spacing)) * image.size
        coarser = isotropic_grid(grid, max(1.0, (field_mm3 / _WIDEST_MM3) ** (1 / 3)))
        image, grid = resample(image, grid, coarser), coarser
    bright = float(np.percentile(image[::3, ::3, ::3], 98)) or 1.0
    return np.clip(image / bright, 0, 4), grid.spacing


def _features(image: FloatArray, spacing: npt.NDArray[np.float64]) -> Iterator[tuple[str, float]]:
    yield from _intensity(image)
    yield from _sorted_by_axis([dict(_texture(image, axis)) for axis in range(3)])
    yield from _sorted_by_axis([dict(_border(image, axis)) for axis in range(3)])
    power = _power(image)
    yield from _shells_and_peaks(power, image.shape)
    lines = [_line_energy(power, axis, image.shape[2]) for axis in range(3)]
    axes = [dict(_along(energy, step, n)) for energy, step, n in zip(lines, spacing, image.shape, strict=True)]
    yield from _sorted_by_axis(axes)


def _intensity(image: FloatArray) -> Iterator[tuple[str, float]]:
    """Level and spread of the darkest voxels: air in a clean scan."""
    sample = np.sort(image[::2, ::2, ::2], axis=None)
    for percent in (2, 10, 25, 50):
        yield f"level_{percent}", float(sample[sample.size * percent // 100])
    dark = sample[: sample.size // 10]
    yield "dark_spread", float(dark.std())
    yield "exact_zeros", float((sample == 0).mean())


def _texture(image: FloatArray, axis: int) -> Iterator[tuple[str, float]]:
    """Roughness along one axis, inside the object and in the air."""
    lines = np.moveaxis(image, axis, 2)[::2, ::2]  # a quarter of the lines says as much
    second = np.abs(np.diff(lines, 2, axis=2))
    middle = lines[..., 1:-1]
    inside = second[middle > 0.2]
    air = second[middle <= 0.05]
    yield "roughness", float(np.log(np.median(inside) + 1e-4)) if inside.size else 0.0
    yield "roughness_air", float(np.log(air.mean() + 1e-4)) if air.size else 0.0
    yield "gradient", float(np.log(np.abs(np.diff(lines, axis=2)).mean() + 1e-4))


def _border(image: FloatArray, axis: int) -> Iterator[tuple[str, float]]:
    """Signal at the two ends of what was imaged along one axis: a head that is cut at both has folded over."""
    profile = image.mean(axis=tuple(a for a in range(3) if a != axis))
    imaged = np.flatnonzero(profile > 5e-3 * profile.max())
    ends = (profile[imaged[0]], profile[imaged[-1]]) if imaged.size else (0.0, 0.0)
    middle = float(np.median(profile[imaged])) if imaged.size else 0.0
    yield "cut_at_both_ends", float(min(ends)) / (middle or 1.0)
    yield "cut_at_one_end", float(max(ends)) / (middle or 1.0)
    yield "not_imaged", 1 - imaged.size / profile.size


def _power(image: FloatArray) -> FloatArray:
    """Of the image (i, j, k) but its mean, as shares of all, in half of k-space."""
    power: FloatArray = np.abs(fft.rfftn(image, workers=2)) ** 2
    power[0, 0, 0] = 0
    power /= power.sum() + _FLOOR
    return power


def _shells_and_peaks(power: FloatArray, shape: tuple[int, ...]) -> Iterator[tuple[str, float]]:
    """Mean log power by radius, and the samples that stand out of their surroundings most."""
    shells, radius, level = _shells(power, shape)
    for number, value in enumerate(shells):
        yield f"shell_{number}", float(value)
    excess = np.where(radius > 0.06, level - _surroundings(level), -np.inf)
    top = np.sort(np.partition(excess.ravel(), -_PEAKS)[-_PEAKS:])[::-1]
    for number, value in enumerate(top):
        yield f"peak_{number}", float(value)


def _shells(
    power: FloatArray, shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32], FloatArray]:
    """Mean log power by radius; the radius and the log power of each sample."""
    frequency = [np.fft.fftfreq(n).astype(np.float32) for n in shape[:2]] + [
        np.fft.rfftfreq(shape[2]).astype(np.float32)
    ]
    radius = np.sqrt(frequency[0][:, None, None] ** 2 + frequency[1][:, None] ** 2 + frequency[2] ** 2) * 2
    shell = np.minimum((radius * _SHELLS).astype(np.int8), _SHELLS - 1)
    level = np.log(power + _FLOOR / power.size)
    counts = np.bincount(shell.ravel(), minlength=_SHELLS)
    means = np.bincount(shell.ravel(), level.ravel(), minlength=_SHELLS) / np.maximum(counts, 1)
    return means - np.log(1 / power.size), radius, level


def _surroundings(level: FloatArray) -> FloatArray:
    """Mean of the six samples three steps away along each axis."""
    around = np.zeros_like(level)
    for axis in range(3):
        for step in (-3, 3):
            around += np.roll(level, step, axis)
    return around / np.float32(6)


def _line_energy(power: FloatArray, axis: int, last: int) -> npt.NDArray[np.float64]:
    """Energy of each line along ``axis``, folded to non-negative frequencies."""
    others = tuple(a for a in range(3) if a != axis)
    energy: npt.NDArray[np.float64] = power.sum(axis=others, dtype=np.float64)
    if axis == 2:
        return energy[: last // 2 + 1]
    half = energy.size // 2
    folded = energy[: half + 1].copy()
    folded[1:] += energy[::-1][: folded.size - 1]
    return folded


def _along(energy: npt.NDArray[np.float64], step: float, n: int) -> Iterator[tuple[str, float]]:
    """How regular the lines of one axis are, where their energy ends, and whether the object repeats itself."""
    level = np.log(energy + _FLOOR / n)
    first, last = (int(edge * (level.size - 1)) for edge in _LINES)
    band = level[first:last]
    rough = np.abs(np.diff(band, 2)) if band.size > 4 else np.zeros(1)
    yield "lines_rough", float(np.median(rough))
    yield "lines_worst", float(np.percentile(rough, 95))
    detrended = (
        band - np.convolve(np.pad(band, 3, mode="edge"), np.ones(7) / 7, mode="valid") if band.size > 7 else band * 0
    )
    yield "lines_dropped", float((detrended < -0.7).mean()) if band.size else 0.0
    rhythm = np.abs(np.fft.rfft(detrended))[2:]
    yield "lines_rhythm", float(rhythm.max() / np.sqrt(max(detrended.size, 1))) if rhythm.size else 0.0
    yield "repeats", _repetition(energy, n)
    frequencies = np.arange(level.size) / (n * step)
    for frequency in _FREQUENCIES:
        yield f"energy_{frequency}", float(np.interp(frequency, frequencies, level - level[1:4].mean()))
    smooth = np.convolve(level, np.ones(3) / 3, mode="valid")
    drop = smooth[:-4] - smooth[4:] if smooth.size > 8 else np.zeros(1)
    yield "cut_depth", float(drop[2:].max(initial=0.0))
    yield "cut_at", float(frequencies[3 + int(drop[2:].argmax())]) if drop.size > 3 else 0.0


def _repetition(energy: npt.NDArray[np.float64], n: int) -> float:
    """The highest autocorrelation of the edges at lags beyond a sixth of the field of view."""
    high = energy.copy()
    high[: max(2, int(0.06 * high.size))] = 0
    correlation = np.fft.irfft(high, n) if high.sum() else np.zeros(n)
    far = correlation[n // 6 : n // 2 + 1]
    return float(far.max() / correlation[0]) if far.size and correlation[0] > 0 else 0.0


def _sorted_by_axis(axes: list[dict[str, float]]) -> Iterator[tuple[str, float]]:
    for name in axes[0]:
        for rank, value in zip(
            ("high", "middle", "low"), sorted((axis[name] for axis in axes), reverse=True), strict=True
        ):
            yield f"{name}_{rank}", value
