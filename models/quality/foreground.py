"""What of an image is the body and what is air, without a network; the same image gives the same masks.

The body is what exceeds the clip level of AFNI's ``3dClipLevel`` (half of the median of what exceeds it) on a coarse
grid of smoothed block means, closed and filled: of any anatomy and contrast, for it asks only that tissue is brighter
than air.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: Longest side of the coarse grid, in blocks.
_BLOCKS = 64
_ROUNDS = 50
#: Parts of the body that are smaller than this share of the largest are noise.
_SMALLEST_PART = 0.05
#: Fewer bright blocks than this share are no body.
_LEAST_BODY = 0.002


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Regions:
    """Masks of one image, bool (i, j, k), disjoint: blocks of the border are in neither.

    ``body``: tissue, with what it encloses; ``air``: what was imaged around it, padding left out.
    """

    body: Mask
    air: Mask


def find_regions(voxels: FloatArray) -> Regions | None:
    """The body and the air of an image (i, j, k); nothing where no part is brighter than the rest.

    Where nothing is dark, noise included, all is body and nothing air.
    """
    steps = tuple(max(1, -(-side // _BLOCKS)) for side in voxels.shape)
    coarse = _block_means(voxels, steps)
    smooth = ndimage.uniform_filter(coarse, 3)
    bright = smooth > clip_level(smooth)
    if not _LEAST_BODY * bright.size <= bright.sum():
        return None
    body = _filled(_large_parts(_opened(bright)))
    if not body.any():
        return None
    outside = ~(ndimage.binary_dilation(body, iterations=2) | _padding(coarse))
    return Regions(body=_expand(body, steps, voxels.shape), air=_expand(outside, steps, voxels.shape))


def clip_level(values: npt.NDArray[np.floating]) -> float:
    """The level that is half of the median of all values at or above it (AFNI, 3dClipLevel); 0 without a value > 0."""
    positive = np.sort(values[values > 0], axis=None)
    if not positive.size:
        return 0.0
    level = float(np.sqrt(np.mean(np.square(positive, dtype=np.float64))))
    for _ in range(_ROUNDS):
        above = positive[np.searchsorted(positive, level) :]
        following = 0.5 * float(np.median(above))
        if abs(following - level) <= 1e-4 * level:
            break
        level = following
    return level


def _padding(coarse: FloatArray) -> Mask:
    """Where nothing was imaged: zeros beside zeros; the single zeros of rounded noise are air."""
    padding: Mask = ndimage.binary_erosion(coarse == 0, border_value=1)
    grown: Mask = ndimage.binary_dilation(padding, mask=coarse == 0)
    return grown


def _block_means(voxels: FloatArray, steps: tuple[int, ...]) -> FloatArray:
    """Means of blocks; the last block of an axis may be smaller."""
    means = voxels
    for axis, step in enumerate(steps):
        if step > 1:
            means = _means_along(means, axis, step)
    return means


def _means_along(values: FloatArray, axis: int, step: int) -> FloatArray:
    """Means of every ``step`` neighbours along one axis; the last ones may be fewer."""
    moved = np.moveaxis(values, axis, 0)
    count = -(-len(moved) // step)
    total = moved[::step].copy()
    for offset in range(1, step):
        following = moved[offset::step]
        total[: len(following)] += following
    sizes = np.full(count, step, np.float32)
    sizes[-1] = len(moved) - step * (count - 1)
    return np.moveaxis(total / sizes[:, None, None], 0, axis)


def _opened(mask: Mask) -> Mask:
    opened: Mask = ndimage.binary_opening(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1, 1:-1]
    return opened


def _large_parts(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept: Mask = (sizes >= _SMALLEST_PART * sizes.max())[labels]
    return kept


def _filled(mask: Mask) -> Mask:
    """Closed, and without holes in any slice of any axis: sinuses and lungs belong to the body."""
    padded = np.pad(mask, 3)
    closed: Mask = ndimage.binary_closing(padded, iterations=2)[3:-3, 3:-3, 3:-3]
    for axis in range(3):
        closed = _without_holes(closed, axis)
    return closed


def _without_holes(mask: Mask, axis: int) -> Mask:
    """Filled is what does not reach the border of its slice across ``axis``."""
    within = ndimage.generate_binary_structure(3, 1)
    within[tuple(slice(None) if one == axis else 1 for one in range(3))] = False
    within[1, 1, 1] = True
    around = [(0, 0) if one == axis else (1, 1) for one in range(3)]
    parts, _ = ndimage.label(np.pad(~mask, around, constant_values=True), within)
    outside = np.zeros(parts.max() + 1, bool)
    outside[np.moveaxis(parts, axis, 0)[:, 0, 0]] = True
    outside[0] = False
    inner = tuple(slice(before, side - after) for side, (before, after) in zip(parts.shape, around, strict=True))
    filled: Mask = ~outside[parts[inner]]
    return filled


def _expand(mask: Mask, steps: tuple[int, ...], shape: tuple[int, ...]) -> Mask:
    """A coarse mask on the grid that it was made from."""
    blocks = np.broadcast_to(
        mask[:, None, :, None, :, None], tuple(np.ravel(list(zip(mask.shape, steps, strict=True))))
    )
    whole = blocks.reshape([side * step for side, step in zip(mask.shape, steps, strict=True)])
    return whole[tuple(slice(side) for side in shape)]
