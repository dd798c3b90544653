"""Image quality measures by formula, with MRIQC's names and definitions where it has them (``mriqc.qc``).

Each function takes voxels of one region, in the image's own unit, and gives one number; NaN where the region is too
small or too even to say. :func:`measure` has all of one 3-D image. Equations: summary, snr, cnr, cjv, fber, efc as in
MRIQC 24.0 (Esteban et al. 2017); snrd Dietrich et al. 2007, eq. A.12; fwhm Forman et al. 1995; gsr Giannelli et al.
2010.

The regions are ours, for any anatomy: the body instead of the brain, the body's two modes instead of grey and white
matter (cjv, cnr), a smooth field instead of N4's (inu_range). ``dark_level`` is the level of the body's darkest
twentieth in its median: what noise, ghosts and folded signal fill first. So numbers compare with those of the same
software only.
"""

from collections.abc import Iterator
from math import log

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.quality.fold_over import fold_over
from models.quality.foreground import FloatArray, Mask, Regions, find_regions

NAN = float("nan")
#: sqrt((4 - pi) / 2): of a Rayleigh distribution's standard deviation in that of the noise.
_DIETRICH = 0.6551364
_FWHM_OF_SIGMA = 2.3548200450309493
#: Median absolute deviation of a normal distribution in its standard deviations.
_MAD = 0.6744897501960817
#: Order statistics come from every so many voxels of a region of more than these.
_SAMPLE = 400_000
#: Side of the blocks of the smooth field, in shares of the longest side, and its width in blocks.
_FIELD_BLOCKS, _FIELD_SIGMA = 32, 3.0

MEASURES_OF_REGION = ("mean", "stdv", "median", "mad", "p05", "p95", "k", "n")


def measure(voxels: FloatArray, phase_axis: int | None = None, slice_axis: int = 2) -> dict[str, float]:
    """All measures of an image, float32 (i, j, k), finite, not empty.

    ``phase_axis``: the axis of phase encoding, else ghosts are looked for along both axes of the slice.

    Shares of zeros and of clipped voxels only where the image holds no body that is brighter than the rest.
    """
    return measures_of(voxels, find_regions(voxels), phase_axis, slice_axis)


def measures_of(
    voxels: FloatArray, regions: Regions | None, phase_axis: int | None = None, slice_axis: int = 2
) -> dict[str, float]:
    """The same where the ``regions`` are known."""
    voxels = np.ascontiguousarray(voxels)  # sums are taken in the same order whatever the layout
    found = {"zeros": float((voxels == 0).mean()), "clipped": clipped(voxels)}
    if regions is not None:
        found.update(fold_over(voxels))
        found.update(_of_regions(voxels, regions))
        found.update(_of_slices(voxels, regions.body, slice_axis))
        axes = [axis for axis in range(3) if axis != slice_axis] if phase_axis is None else [phase_axis]
        found.update({f"gsr_{'xyz'[axis]}": gsr(voxels, regions.body, axis) for axis in axes})
    return found


def _of_regions(voxels: FloatArray, regions: Regions) -> Iterator[tuple[str, float]]:
    body, air = voxels[regions.body], voxels[regions.air]
    inside, outside = summary(body), summary(air)
    yield from ((f"summary_fg_{name}", value) for name, value in inside.items())
    yield from ((f"summary_bg_{name}", value) for name, value in outside.items())
    yield "dark_level", inside["p05"] / inside["median"] if inside["median"] > 0 else NAN
    yield "snr", snr(inside["median"], inside["stdv"], inside["n"])
    yield "snrd", snr_dietrich(inside["median"], outside["stdv"])
    yield "fber", fber(body, air)
    yield "efc", efc(voxels)
    yield "qi_1_rayleigh", qi_1_rayleigh(air)
    widths = [fwhm(voxels, regions.body, axis) for axis in range(3)]
    yield from ((f"fwhm_{axis}", width) for axis, width in zip("xyz", widths, strict=True))
    known = [width for width in widths if np.isfinite(width)]
    yield "fwhm_avg", sum(known) / len(known) if known else NAN
    yield "inu_range", inu_range(voxels, regions.body)
    modes = two_modes(_sampled(body))
    if modes is not None:
        dark, bright = modes
        yield "cjv", cjv(bright, dark)
        yield "cnr", cnr(bright, dark, outside["stdv"])


def _of_slices(voxels: FloatArray, body: Mask, axis: int) -> Iterator[tuple[str, float]]:
    steps = slice_steps(voxels, body, axis)
    if steps.size:
        yield "slice_step", float(np.abs(steps).max())
        yield "slice_step_at", float(np.abs(steps).argmax() + 1)
        yield "interleave", float(np.abs((steps * (-1.0) ** np.arange(steps.size)).mean()))


def summary(values: FloatArray) -> dict[str, float]:
    """MRIQC's summary statistics of a region, ``MEASURES_OF_REGION``; ``k``: excess kurtosis; NaN of an empty one.

    Order statistics of a large region are of an even sample of it.
    """
    if not values.size:
        return {name: 0.0 if name == "n" else NAN for name in MEASURES_OF_REGION}
    mean = float(values.mean(dtype=np.float64))
    off = values - np.float32(mean)
    squares = off * off
    variance = float(squares.mean(dtype=np.float64))
    fourth = float(np.einsum("i,i", squares, squares, dtype=np.float64)) / values.size
    sample = _sampled(values)
    p05, median, p95 = np.percentile(sample, (5, 50, 95)).tolist()
    return {
        "mean": mean,
        "stdv": variance**0.5,
        "median": median,
        "mad": float(np.median(np.abs(sample - median))) / _MAD,
        "p05": p05,
        "p95": p95,
        "k": fourth / variance**2 - 3 if variance > 0 else NAN,
        "n": float(values.size),
    }


def snr(level: float, stdv: float, n: float) -> float:
    """Level of a region over its standard deviation with n - 1 degrees of freedom; higher is better."""
    return level / (stdv * (n / (n - 1)) ** 0.5) if n > 1 and stdv > 0 else NAN


def snr_dietrich(level: float, stdv_air: float) -> float:
    """Level of the tissue over the noise that gives air its Rayleigh distribution; higher is better."""
    return _DIETRICH * level / stdv_air if stdv_air > 0 else NAN


def cjv(bright: FloatArray, dark: FloatArray) -> float:
    """Coefficient of joint variation of two tissues: sum of their deviations over the distance of their means."""
    apart = abs(float(bright.mean()) - float(dark.mean()))
    return (float(bright.std()) + float(dark.std())) / apart if apart > 0 else NAN


def cnr(bright: FloatArray, dark: FloatArray, stdv_air: float) -> float:
    """Contrast of two tissues over their joint noise with that of the air; higher is better."""
    noise = (stdv_air**2 + float(bright.var()) + float(dark.var())) ** 0.5
    return abs(float(bright.mean()) - float(dark.mean())) / noise if noise > 0 else NAN


def fber(body: FloatArray, air: FloatArray) -> float:
    """Foreground-background energy ratio: median energy of the body over that of the air; higher is better."""
    if not (body.size and air.size):
        return NAN
    inside, outside = (float(np.median(np.square(_sampled(region)))) for region in (body, air))
    return inside / outside if outside > 0 else NAN


def efc(voxels: FloatArray) -> float:
    """Entropy focus criterion (Atkinson et al. 1997) over its maximum: 0 for one bright voxel, 1 for an even image.

    ``voxels`` (i, j, k); what is negative counts as 0, as in MRIQC.
    """
    energy = sum(float(np.einsum("ij,ij", slab, slab, dtype=np.float64)) for slab in map(_not_negative, voxels)) ** 0.5
    if voxels.size == 1 or not energy > 0:
        return NAN
    entropy = 0.0
    for slab in map(_not_negative, voxels):
        share = slab / np.float32(energy)
        entropy -= float(np.einsum("ij,ij", share, np.log(share + np.float32(1e-30)), dtype=np.float64))
    return entropy / float(voxels.size**0.5 * np.log(voxels.size**0.5))


def qi_1_rayleigh(air: FloatArray) -> float:
    """Mortamet's first quality index: the share of the air that is brighter than noise would be.

    Mortamet et al. 2009 take the mode of the air's histogram for the noise; here its Rayleigh scale is that of the
    median, and what lies above its 99.99th percentile, but for so many as noise has there, is artefact.
    """
    if not air.size:
        return NAN
    scale = float(np.median(_sampled(air))) / np.sqrt(2 * np.log(2))
    beyond = float((air > scale * np.sqrt(-2 * np.log(1e-4))).mean())
    return max(0.0, beyond - 1e-4) if scale > 0 else NAN


def fwhm(voxels: FloatArray, body: Mask, axis: int) -> float:
    """Full width at half maximum, in voxels, of the smoothness along one axis (AFNI, 3dFWHMx -1dif)."""
    here, there = ([slice(None)] * 3 for _ in range(2))
    here[axis], there[axis] = slice(1, None), slice(None, -1)
    both = body[tuple(here)] & body[tuple(there)]
    first, second = voxels[tuple(there)][both], voxels[tuple(here)][both]
    variance = float(first.var(dtype=np.float64)) if first.size > 1 else 0.0
    share = 1 - float((second - first).var(dtype=np.float64)) / (2 * variance) if variance > 0 else 0.0
    return _FWHM_OF_SIGMA * (-1 / (4 * log(share))) ** 0.5 if 0 < share < 1 else NAN


def gsr(voxels: FloatArray, body: Mask, axis: int) -> float:
    """Ghost-to-signal ratio: the air half a field of view beside the body along ``axis``, less the other air."""
    ghost = np.roll(body, body.shape[axis] // 2, axis) & ~body
    rest = ~(ghost | body)
    if not (ghost.any() and rest.any() and body.any()):
        return NAN
    signal = float(np.median(_sampled(voxels[body])))
    lost = float(voxels[ghost].mean(dtype=np.float64)) - float(voxels[rest].mean(dtype=np.float64))
    return lost / signal if signal > 0 else NAN


def inu_range(voxels: FloatArray, body: Mask) -> float:
    """Intensity non-uniformity: the range from the 5th to the 95th percentile of a smooth field over the body.

    The field is the logarithm of the body smoothed by a Gaussian, its weights those of the body (homomorphic
    unsharp masking, Axel et al. 1987), over its own mean; MRIQC takes N4's.
    """
    step = max(1, -(-max(voxels.shape) // _FIELD_BLOCKS))
    cut = tuple(slice(step // 2, None, step) for _ in range(3))
    seen = body[cut] & (voxels[cut] > 0)
    weight = ndimage.gaussian_filter(seen.astype(np.float32), _FIELD_SIGMA)
    level = np.log(np.where(seen, voxels[cut], 1.0))
    field = ndimage.gaussian_filter(level, _FIELD_SIGMA)[seen] / weight[seen]
    if not field.size:
        return NAN
    low, high = np.percentile(np.exp(field - field.mean()), (5, 95))
    return float(high - low)


def two_modes(body: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """The darker and the brighter of the two tissues of most voxels; nothing where the histogram has one mode.

    They are parted where the variance between them is largest (Otsu 1979), and are two where the histogram there is
    less than three quarters of its smaller mode.
    """
    low, high = np.percentile(body, (2, 98)) if body.size else (0.0, 0.0)
    if not high > low:
        return None
    counts, edges = np.histogram(body, 64, (low, high))
    smooth = ndimage.gaussian_filter1d(counts.astype(float), 1.5)
    middles = (edges[1:] + edges[:-1]) / 2
    below, total = np.cumsum(smooth)[:-1], smooth.sum()
    moment = np.cumsum(smooth * middles)
    weight = below * (total - below) / total**2
    between = np.where(weight > 0, (moment[-1] * below / total - moment[:-1]) ** 2, 0) / np.maximum(weight, 1e-9)
    cut = int(between.argmax()) + 1
    valley = smooth[smooth[:cut].argmax() : cut + smooth[cut:].argmax() + 1].min()
    if not valley < 0.75 * min(smooth[:cut].max(), smooth[cut:].max()):
        return None
    inside = body[(body >= low) & (body <= high)]
    return inside[inside < edges[cut]], inside[inside >= edges[cut]]


def slice_steps(voxels: FloatArray, body: Mask, axis: int) -> npt.NDArray[np.float64]:
    """By how much each inner slice's level leaves the mean of its neighbours', as a logarithm; (slices - 2,).

    The level is the body's mean; slices with less than a quarter of the fullest slice's body say 0.
    """
    others = tuple(other for other in range(3) if other != axis)
    area = body.sum(axis=others)
    total = np.where(body, voxels, 0).sum(axis=others, dtype=np.float64)
    known = (area >= max(1, area.max(initial=0) / 4)) & (total > 0)
    level = np.log(np.where(known, total, 1.0) / np.where(known, area, 1))
    steps: npt.NDArray[np.float64] = level[1:-1] - (level[:-2] + level[2:]) / 2
    return np.where(known[1:-1] & known[:-2] & known[2:], steps, 0.0)


def clipped(voxels: FloatArray) -> float:
    """The share of voxels above zero that hold the image's very maximum: more than a few are saturated."""
    positive = np.count_nonzero(voxels > 0)
    return float(np.count_nonzero(voxels == voxels.max()) / positive) if positive else 0.0


def _not_negative(slab: FloatArray) -> FloatArray:
    return np.maximum(slab, 0)


def _sampled(values: FloatArray) -> FloatArray:
    return values[:: max(1, values.size // _SAMPLE)]
