"""A second contrast of the same head onto the first: the rigid movement of most normalised mutual information.

Wells et al. 1996 and Maes et al. 1997 (mutual information), Studholme et al. 1999 (normalised), on voxels of 4 mm. The
geometry in the headers of one session is off by up to 34 mm (4 of 16 people), so the search begins where the brains
lie on each other, or as the headers say, whichever tells more.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

from models.brain.prediction import BrainBox
from models.preprocess import Affine, FloatArray, Grid

Points = npt.NDArray[np.float64]

_BINS = 32
#: Intensities end at this percentile of the brain and what is about it.
_BRIGHTEST = 99.0
#: Voxels of the search in those of the boxes, and how many of them about the brain tell too: the skull has edges in
#: every contrast.
_COARSE, _AROUND = 2, 3
#: Each stage: how many points of the search there are for one that is asked, and the change in mm and degrees at which
#: it ends.
_STAGES = ((8, 1.0), (2, 0.3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """``movement`` (4, 4): RAS mm of the first contrast to those of the second, as their headers count them.

    ``information``: entropies of both over that of both together, from 1 (nothing in common) to 2 (one tells the
    other); ``moved_mm`` of the brain's centre and ``turned_degrees``, both against the headers.
    """

    movement: Affine
    information: float
    moved_mm: float
    turned_degrees: float


def register(first: BrainBox, second: BrainBox) -> Registration:
    """The movement that lays the ``second`` box's head on the ``first`` one's."""
    values, points = _told(first)
    volume, affine = _coarser(second.image, second.grid)
    centre, other = _centre(first), _centre(second)
    search = _Search(values=values, points=points, centre=centre, volume=volume, affine=affine)
    starts = (np.r_[0.0, 0.0, 0.0, other - centre], np.zeros(6))
    found = max(starts, key=lambda six: search.information(six, _STAGES[0][0]))
    for stride, fine in _STAGES:
        lost = partial(search.lost, stride=stride)
        found = optimize.minimize(lost, found, method="Powell", options={"xtol": fine, "ftol": 1e-5, "maxiter": 8}).x
    return Registration(
        movement=search.movement(found),
        information=search.information(found, 1),
        moved_mm=float(np.linalg.norm(found[3:])),
        turned_degrees=float(np.linalg.norm(found[:3])),
    )


def laid(second: BrainBox, movement: Affine, grid: Grid) -> FloatArray:
    """The ``second`` box's image on another ``grid``; zero where it holds nothing."""
    to_index = np.linalg.inv(second.grid.affine) @ movement @ grid.affine
    return np.asarray(
        ndimage.affine_transform(second.image, to_index[:3, :3], to_index[:3, 3], output_shape=grid.shape, order=1),
        np.float32,
    )


def share_inside(brain: npt.NDArray[np.bool_], grid: Grid, movement: Affine, field: Grid) -> float:
    """The share of a ``brain`` on ``grid`` that lies, moved, in the field of view of another image."""
    index = _moved(np.linalg.inv(field.affine) @ movement @ grid.affine, np.argwhere(brain))
    nearest = np.rint(index)
    held = np.asarray(((nearest >= 0) & (nearest < field.shape)).all(axis=1), bool)
    return float(held.mean()) if held.size else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """``values`` (N,): bins of the first contrast at ``points`` (N, 3), RAS mm; ``volume`` in bins, and its ``affine``.

    A movement is six numbers: the turn about ``centre`` in degrees, the shift in mm.
    """

    values: npt.NDArray[np.int64]
    points: Points
    centre: Points
    volume: FloatArray
    affine: Affine

    def movement(self, six: Points) -> Affine:
        movement = np.eye(4)
        movement[:3, :3] = Rotation.from_rotvec(six[:3], degrees=True).as_matrix()
        movement[:3, 3] = self.centre + six[3:] - movement[:3, :3] @ self.centre
        return movement

    def information(self, six: Points, stride: int) -> float:
        """Normalised mutual information of every ``stride``-th point."""
        index = _moved(np.linalg.inv(self.affine) @ self.movement(six), self.points[::stride])
        seen = ndimage.map_coordinates(self.volume, index.T, order=1)
        low = np.minimum(seen.astype(np.int64), _BINS - 2)
        place, above = self.values[::stride] * _BINS + low, seen - low
        both = np.bincount(place, 1 - above, _BINS**2) + np.bincount(place + 1, above, _BINS**2)
        joint = np.asarray(both.reshape(_BINS, _BINS), np.float64)
        return (_entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))) / max(_entropy(joint), 1e-9)

    def lost(self, six: Points, stride: int) -> float:
        """What a search makes small."""
        return -self.information(six, stride)


def _told(box: BrainBox) -> tuple[npt.NDArray[np.int64], Points]:
    """The bins of a box' coarse voxels in the brain and about it, and where they lie in RAS mm."""
    volume, affine = _coarser(box.image, box.grid)
    brain = np.rint(_blocks(box.brain.astype(np.float32)))
    near = ndimage.binary_dilation(brain, iterations=_AROUND)
    return np.rint(volume[near]).astype(np.int64), _moved(affine, np.argwhere(near))


def _coarser(image: FloatArray, grid: Grid) -> tuple[FloatArray, Affine]:
    """Means of blocks in bins, float32 from 0 to the last one, and their affine."""
    blocks, affine = _blocks(image), grid.affine.copy()
    affine[:3, 3] += grid.affine[:3, :3].sum(axis=1) * (_COARSE - 1) / 2
    affine[:3, :3] *= _COARSE
    brightest = float(np.percentile(blocks[blocks > 0], _BRIGHTEST)) if (blocks > 0).any() else 1.0
    return np.asarray(np.clip(blocks / brightest, 0, 1) * (_BINS - 1), np.float32), affine


def _blocks(values: FloatArray) -> FloatArray:
    whole = tuple(n // _COARSE for n in values.shape)
    cut = values[tuple(slice(n * _COARSE) for n in whole)]
    sides = [side for n in whole for side in (n, _COARSE)]
    return np.asarray(cut.reshape(sides).mean(axis=(1, 3, 5)), np.float32)


def _centre(box: BrainBox) -> Points:
    """The middle of the brain, RAS mm."""
    centre: Points = _moved(box.grid.affine, np.argwhere(box.brain).mean(axis=0)[None])[0]
    return centre


def _moved(matrix: Affine, points: npt.NDArray[np.generic]) -> Points:
    """Points (N, 3) by a matrix (4, 4)."""
    result: Points = np.asarray(points, np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    return result


def _entropy(counts: Points) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
