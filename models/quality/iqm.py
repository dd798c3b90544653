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

from collections.abc import Iterator, Sequence
from math import log

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.quality.fold_over import fold_over
from models.quality.foreground import FloatArray, Mask, Regions, find_regions
from models.quality.region import sampled, summary, total, variance

NAN = float("nan")
#: sqrt((4 - pi) / 2): of a Rayleigh distribution's standard deviation in that of the noise.
_DIETRICH = 0.6551364
_FWHM_OF_SIGMA = 2.3548200450309493
#: Side of the blocks of the smooth field, in shares of the longest side, and its width in blocks.
_FIELD_BLOCKS, _FIELD_SIGMA = 32, 3.0


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
    found = {"zeros": np.count_nonzero(voxels == 0) / voxels.size, "clipped": clipped(voxels)}
    if regions is not None:
        found.update(fold_over(voxels))
        inside = voxels[regions.body]
        found.update(_of_regions(voxels, regions, inside))
        found.update(_of_slices(voxels, regions.body, slice_axis))
        axes = [axis for axis in range(3) if axis != slice_axis] if phase_axis is None else [phase_axis]
        ghosts = _ghosts(voxels, regions.body, inside, axes)
        found.update({f"gsr_{'xyz'[axis]}": ghost for axis, ghost in zip(axes, ghosts, strict=True)})
    return found


def _of_regions(voxels: FloatArray, regions: Regions, body: FloatArray) -> Iterator[tuple[str, float]]:
    air = voxels[regions.air]
    inside, outside = summary(body), summary(air)
    yield from ((f"summary_fg_{name}", value) for name, value in inside.items())
    yield from ((f"summary_bg_{name}", value) for name, value in outside.items())
    yield "dark_level", inside["p05"] / inside["median"] if inside["median"] > 0 else NAN
    yield "snr", snr(inside["median"], inside["stdv"], inside["n"])
    yield "snrd", snr_dietrich(inside["median"], outside["stdv"])
    yield "fber", fber(body, air)
    yield "efc", efc(voxels)
    yield "qi_1_rayleigh", qi_1_rayleigh(air)
    box = _box(regions.body)
    widths = [fwhm(voxels[box], regions.body[box], axis) for axis in range(3)]
    yield from ((f"fwhm_{axis}", width) for axis, width in zip("xyz", widths, strict=True))
    known = [width for width in widths if np.isfinite(width)]
    yield "fwhm_avg", sum(known) / len(known) if known else NAN
    yield "inu_range", inu_range(voxels, regions.body)
    modes = two_modes(sampled(body))
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
    inside, outside = (float(np.median(np.square(sampled(region)))) for region in (body, air))
    return inside / outside if outside > 0 else NAN


def efc(voxels: FloatArray) -> float:
    """Entropy focus criterion (Atkinson et al. 1997) over its maximum: 0 for one bright voxel, 1 for an even image.

    ``voxels`` (i, j, k); what is negative counts as 0, as in MRIQC.
    """
    slabs = voxels if voxels.min() >= 0 else np.maximum(voxels, 0)
    energy = sum(float(np.einsum("ij,ij", slab, slab)) for slab in slabs) ** 0.5
    if voxels.size == 1 or not energy > 0:
        return NAN
    entropy = 0.0
    for slab in slabs:
        share = slab * np.float32(1 / energy)
        entropy -= float(np.einsum("ij,ij", share, np.log(share + np.float32(1e-30))))
    return entropy / float(voxels.size**0.5 * np.log(voxels.size**0.5))


def qi_1_rayleigh(air: FloatArray) -> float:
    """Mortamet's first quality index: the share of the air that is brighter than noise would be.

    Mortamet et al. 2009 take the mode of the air's histogram for the noise; here its Rayleigh scale is that of the
    median, and what lies above its 99.99th percentile, but for so many as noise has there, is artefact.
    """
    if not air.size:
        return NAN
    scale = float(np.median(sampled(air))) / np.sqrt(2 * np.log(2))
    beyond = float((air > scale * np.sqrt(-2 * np.log(1e-4))).mean())
    return max(0.0, beyond - 1e-4) if scale > 0 else NAN


def fwhm(voxels: FloatArray, body: Mask, axis: int) -> float:
    """Full width at half maximum, in voxels, of the smoothness along one axis (AFNI, 3dFWHMx -1dif)."""
    here, there = ([slice(None)] * 3 for _ in range(2))
    here[axis], there[axis] = slice(1, None), slice(None, -1)
    both = body[tuple(here)] & body[tuple(there)]
    first, second = voxels[tuple(there)][both], voxels[tuple(here)][both]
    spread = variance(first)
    share = 1 - variance(second - first) / (2 * spread) if spread > 0 else 0.0
    return _FWHM_OF_SIGMA * (-1 / (4 * log(share))) ** 0.5 if 0 < share < 1 else NAN


def gsr(voxels: FloatArray, body: Mask, axis: int) -> float:
    """Ghost-to-signal ratio: the air half a field of view beside the body along ``axis``, less the other air."""
    return next(_ghosts(voxels, body, voxels[body], (axis,)))


def _ghosts(voxels: FloatArray, body: Mask, inside: FloatArray, axes: Sequence[int]) -> Iterator[float]:
    """The same along each of the ``axes``, of a body whose values are known."""
    level = float(np.median(sampled(inside))) if inside.size else NAN
    air = total(voxels.ravel()) - total(inside)
    for axis in axes:
        ghost = voxels[np.roll(body, body.shape[axis] // 2, axis) & ~body]
        rest = voxels.size - inside.size - ghost.size
        if ghost.size and rest and level > 0:
            shown = total(ghost)
            yield (shown / ghost.size - (air - shown) / rest) / level
        else:
            yield NAN


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


def _box(body: Mask) -> tuple[slice, ...]:
    """The smallest box that holds the body."""
    flat = np.asarray(body.any(axis=0))
    along = (np.asarray(body.any(axis=(1, 2))), np.asarray(flat.any(axis=1)), np.asarray(flat.any(axis=0)))
    profiles = (np.flatnonzero(profile) for profile in along)
    return tuple(slice(int(places[0]), int(places[-1]) + 1) for places in profiles)


def slice_steps(voxels: FloatArray, body: Mask, axis: int) -> npt.NDArray[np.float64]:
    """By how much each inner slice's level leaves the mean of its neighbours', as a logarithm; (slices - 2,).

    The level is the body's mean; slices with less than a quarter of the fullest slice's body say 0.
    """
    others = tuple(other for other in range(3) if other != axis)
    area = np.count_nonzero(body, axis=others)
    sums = np.zeros(area.size)
    if area.any():
        box = _box(body)
        sums[box[axis]] = np.where(body[box], voxels[box], 0).sum(axis=others, dtype=np.float64)
    known = (area >= max(1, area.max(initial=0) / 4)) & (sums > 0)
    level = np.log(np.where(known, sums, 1.0) / np.where(known, area, 1))
    steps: npt.NDArray[np.float64] = level[1:-1] - (level[:-2] + level[2:]) / 2
    return np.where(known[1:-1] & known[:-2] & known[2:], steps, 0.0)


def clipped(voxels: FloatArray) -> float:
    """The share of voxels above zero that hold the image's very maximum: more than a few are saturated."""
    positive = np.count_nonzero(voxels > 0)
    return float(np.count_nonzero(voxels == voxels.max()) / positive) if positive else 0.0
