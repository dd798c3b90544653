"""From a volume on any grid to the network's grid and back: one implementation for training and for the scanner.

Grids are resampled along the volume's own axes (the closest canonical orientation), never rotated: the
artefacts lie along those axes, and a rotation would smear their signature. Resampling is then separable, three
small matrix products, and area-averaging where the target is coarser, so that nothing aliases.

Arrays are indexed (i, j, k) as in NIfTI; affines map an index to RAS millimetres.
"""

from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

FloatArray = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]
Shape = tuple[int, int, int]
Voxel = TypeVar("Voxel", bound=np.generic)

#: Larger arrays than this are resampled in slabs of so many slices: 2 ** 24 voxels take 64 MiB.
_AT_ONCE, _SLAB, _LAST = 2**24, 16, 2

#: Voxel size on which the brain is looked for.
LOCATOR_SPACING_MM = 8.0


@dataclass(frozen=True, slots=True)
class Grid:
    """A lattice of voxel centres: its shape and its affine (4, 4), index to RAS mm."""

    shape: Shape
    affine: Affine

    @property
    def spacing(self) -> npt.NDArray[np.float64]:
        """Distance in mm between neighbours along each axis, (3,)."""
        return spacing_of(self.affine)


def spacing_of(affine: Affine) -> npt.NDArray[np.float64]:
    """Distance in mm between neighbours along each axis, (3,); ``affine`` (4, 4): index to mm."""
    return cast(npt.NDArray[np.float64], np.linalg.norm(affine[:3, :3], axis=0))


def coarsest_mm(affine: Affine) -> float:
    """The longest side of a voxel in mm, however it lies; ``affine`` (4, 4): index to mm."""
    return float(spacing_of(affine).max())


def canonical(voxels: npt.NDArray[Voxel], affine: Affine) -> tuple[npt.NDArray[Voxel], Affine]:
    """Flip and permute to the closest RAS orientation; no voxel value changes."""
    orientation = io_orientation(affine)
    turned = apply_orientation(voxels, orientation)
    return turned, affine @ inv_ornt_aff(orientation, voxels.shape)


def restore(voxels: npt.NDArray[Voxel], affine: Affine) -> npt.NDArray[Voxel]:
    """Undo :func:`canonical`: an array in RAS order back in the order of the volume that had ``affine``."""
    back = ornt_transform(axcodes2ornt("RAS"), io_orientation(affine))
    restored: npt.NDArray[Voxel] = apply_orientation(voxels, back)
    return restored


def on_own_grid(values: FloatArray, box: Grid, voxels: npt.NDArray[Voxel], affine: Affine) -> FloatArray:
    """Values (D, H, W) of a network's ``box`` on the grid of the volume (i, j, k) that was put there."""
    turned, canonical_affine = canonical(voxels, affine)
    return restore(resample(values, box, Grid(turned.shape, canonical_affine)), affine)


def isotropic_grid(grid: Grid, spacing_mm: float) -> Grid:
    """The grid of cubic voxels that covers the same field of view about the same centre."""
    shape = tuple(max(1, round(n * s / spacing_mm)) for n, s in zip(grid.shape, grid.spacing, strict=True))
    return _about(grid, cast(Shape, shape), spacing_mm, (np.asarray(grid.shape) - 1) / 2)


def box_grid(grid: Grid, centre: npt.ArrayLike, shape: Shape) -> Grid:
    """A box of ``shape`` voxels on the lattice of ``grid``, around the index ``centre``; it may reach outside."""
    start = np.rint(np.asarray(centre, float) - (np.asarray(shape) - 1) / 2)
    affine = grid.affine.copy()
    affine[:3, 3] = grid.affine[:3, :3] @ start + grid.affine[:3, 3]
    return Grid(shape, affine)


def resample(voxels: npt.NDArray[np.generic], source: Grid, target: Grid) -> FloatArray:
    """Values of ``voxels`` on ``target``; zero outside the source's field of view.

    Linear interpolation along an axis where the target is finer, the mean over the target voxel where it is
    coarser. Both grids must point the same way (as :func:`canonical` leaves them).

    Raises:
        ValueError: the axes of the two grids are not parallel.
    """
    result = np.asarray(voxels, np.float32)
    for axis, weights in enumerate(resampling_weights(source, target)):
        result = _weighted(weights, result, axis) if result.size <= _AT_ONCE else _in_slabs(weights, result, axis)
    return np.ascontiguousarray(result)


def _weighted(weights: FloatArray, values: FloatArray, axis: int) -> FloatArray:
    """The product of (m, n) weights with the axis of length n; moveaxis keeps BLAS contiguous."""
    return np.moveaxis(np.tensordot(weights, values, axes=(1, axis)), 0, axis)


def _in_slabs(weights: FloatArray, values: FloatArray, axis: int) -> FloatArray:
    """The same, slab by slab across another axis: the product copies its input."""
    across = 1 if axis == _LAST else _LAST
    made = np.empty([len(weights) if n == axis else values.shape[n] for n in range(values.ndim)], np.float32)
    for at in range(0, values.shape[across], _SLAB):
        part = (slice(None),) * across + (slice(at, at + _SLAB),)
        made[part] = _weighted(weights, values[part], axis)
    return made


def nearest(voxels: npt.NDArray[Voxel], source: Grid, target: Grid) -> npt.NDArray[Voxel]:
    """The source voxel whose centre is nearest to each target voxel; zero outside the field of view."""
    starts, steps = _along_axes(source, target)
    indices = [np.rint(o + s * np.arange(n)).astype(int) for o, s, n in zip(starts, steps, target.shape, strict=True)]
    inside = [(i >= 0) & (i < n) for i, n in zip(indices, source.shape, strict=True)]
    clipped = [np.clip(i, 0, n - 1) for i, n in zip(indices, source.shape, strict=True)]
    within = inside[0][:, None, None] & inside[1][:, None] & inside[2]
    return np.where(within, voxels[np.ix_(*clipped)], np.zeros((), voxels.dtype))


def locator_input(voxels: npt.NDArray[np.floating], grid: Grid, multiple: int) -> tuple[FloatArray, Grid]:
    """What the locator sees: 8 mm voxels divided by their 99th percentile, padded to a multiple; and its grid."""
    coarse = isotropic_grid(grid, LOCATOR_SPACING_MM)
    shape = tuple(-(-n // multiple) * multiple for n in coarse.shape)
    padded = box_grid(coarse, (np.asarray(coarse.shape) - 1) / 2, cast(Shape, shape))
    image = resample(voxels, grid, padded)
    return image / np.float32(float(np.percentile(image, 99)) or 1.0), padded


def _about(grid: Grid, shape: Shape, spacing_mm: float, centre: npt.NDArray[np.float64]) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = grid.affine[:3, :3] / grid.spacing * spacing_mm
    middle = grid.affine[:3, :3] @ centre + grid.affine[:3, 3]
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return Grid(shape, affine)


def _along_axes(source: Grid, target: Grid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Source index of target index 0 and the step between target voxels, in source voxels, for each axis."""
    between = np.linalg.inv(source.affine) @ target.affine
    steps = np.diag(between)[:3]
    if not np.allclose(between[:3, :3], np.diag(steps), atol=1e-3) or (steps <= 0).any():
        raise ValueError("the two grids are not parallel: make both canonical first")
    return between[:3, 3], steps


def resampling_weights(source: Grid, target: Grid) -> list[FloatArray]:
    """What :func:`resample` applies along each axis: a matrix (m, n) from n source to m target voxels.

    Raises:
        ValueError: the axes of the two grids are not parallel.
    """
    starts, steps = _along_axes(source, target)
    return [
        _axis_weights(n, start, step, m)
        for n, start, step, m in zip(source.shape, starts, steps, target.shape, strict=True)
    ]


#: A voxel that overlaps the source by less than this share of a source voxel is outside.
_NOTHING = 1e-6


def _axis_weights(n: int, start: float, step: float, m: int) -> FloatArray:
    """(m, n) matrix of one axis: row r holds what each source voxel gives to target voxel r."""
    centres = start + step * np.arange(m)[:, None]
    voxels = np.arange(n)[None, :]
    if step > 1:  # overlap of the target voxel with each source voxel
        low = np.maximum(centres - step / 2, voxels - 0.5)
        high = np.minimum(centres + step / 2, voxels + 0.5)
        weights = np.clip(high - low, 0, None)
    else:  # the hat function; beyond the last voxel centre the border value holds for half a voxel
        inside = (centres > -0.5 - 1e-6) & (centres < n - 0.5 + 1e-6)
        weights = np.clip(1 - np.abs(np.clip(centres, 0, n - 1) - voxels), 0, None) * inside
    total = weights.sum(axis=1, keepdims=True)
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > _NOTHING)
    normalised: FloatArray = shares.astype(np.float32)
    return normalised
