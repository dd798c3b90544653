"""Whether a head is whole: how much of the brain the field of view cuts, and whether anything lies around the brain."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.brain.prediction import Prediction
from models.preprocess import Grid, nearest, spacing_of

#: Scalp lies within this distance of the brain (skull and scalp of adults measure 12 to 20 mm together).
_AROUND_MM = 24.0
#: Nearer than this to the labels, what is bright is brain that the labels missed.
_RIM_MM = 6.0
#: Fat and skin are brighter than this share of the brain's bright signal.
_BRIGHT = 0.1


def cut_area_cm2(prediction: Prediction, scan: Grid) -> float:
    """Area in cm2 over which labelled tissue ends where the field of view of ``scan`` does.

    Counted on the network's grid: faces between a voxel of tissue and one outside the field of view.
    """
    box = Grid(prediction.labels.shape, prediction.affine)
    inside = nearest(np.ones(scan.shape, np.bool_), scan, box)
    tissue, outside = (prediction.labels > 0) & inside, ~inside
    spacing, faces = spacing_of(prediction.affine), 0.0
    for axis in range(3):
        area = float(np.prod(np.delete(spacing, axis))) / 100
        for step in (1, -1):
            faces += area * int((tissue & _beside(outside, axis, step)).sum())
    return faces


def share_of_scalp(prediction: Prediction) -> float:
    """The bright share of what lies 6 to 24 mm around the labelled tissue: none where the brain was extracted."""
    far = ndimage.distance_transform_edt(prediction.labels == 0, sampling=spacing_of(prediction.affine))
    around = (far > _RIM_MM) & (far <= _AROUND_MM)
    bright = prediction.image[around] > _BRIGHT
    return float(bright.mean()) if bright.size else 0.0


def _beside(mask: npt.NDArray[np.bool_], axis: int, step: int) -> npt.NDArray[np.bool_]:
    """The mask moved by one voxel; nothing enters at the border of the box."""
    moved = np.roll(mask, step, axis)
    edge = [slice(None)] * 3
    edge[axis] = slice(0, 1) if step > 0 else slice(-1, None)
    moved[tuple(edge)] = False
    return moved
