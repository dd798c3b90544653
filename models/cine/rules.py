"""What anatomy forbids in a heart's mask, in each slice: loose pieces, holes, dents, an open ring, what is missing.

An autoencoder of masks misses most of them (docs/cine.md); these see them.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from models.cine.reading import LV, MYO, RV

Labels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

RULES = ("pieces", "holes", "dents", "ring", "gap")

#: A piece of this share of a structure's largest one is no loose piece: right ventricles part at their outlet.
_SHARE = 0.5
#: What lies over or under a structure's pixels, up to this far beside them, is borne out by them.
_BESIDE_PX = 2
#: Fewer pixels have no shape.
_LEAST_SHAPE_PX = 40


def rule_scores(labels: Labels) -> Mapping[str, Values]:
    """By rule, of each slice of labels (x, y, slice); 0 is as it should be.

    ``pieces``: pixels of small pieces beside each structure's largest that no neighbouring slice bears out;
    ``holes``: of holes; ``dents``: share of the convex hull about the left ventricle, or about its ring, that is not of
    it; ``ring``: share of the left ventricle's border that no myocardium covers; ``gap``: pixels that both neighbouring
    slices have of a structure which the slice lacks.
    """
    count = labels.shape[2]
    return {
        "pieces": np.array([_pieces(labels, k) for k in range(count)], float),
        "holes": np.array([_holes(labels[:, :, k]) for k in range(count)], float),
        "dents": np.array([_dent(labels[:, :, k]) for k in range(count)], float),
        "ring": np.array([_open_ring(labels[:, :, k]) for k in range(count)], float),
        "gap": _gaps(labels),
    }


def _pieces(labels: Labels, k: int) -> int:
    loose = 0
    for number in (RV, MYO, LV):
        pieces, count = ndimage.label(labels[:, :, k] == number, np.ones((3, 3)))
        if count > 1:
            sizes = np.bincount(pieces.ravel())
            beside = labels[:, :, [at for at in (k - 1, k + 1) if 0 <= at < labels.shape[2]]]
            above = ndimage.binary_dilation((beside == number).any(axis=2), iterations=_BESIDE_PX)
            borne_out = np.bincount(pieces[above], minlength=len(sizes)) > sizes / 2
            small = sizes < _SHARE * sizes[1:].max()
            loose += int(sizes[1:][(small & ~borne_out)[1:]].sum())
    return loose


def _holes(labels: Labels) -> int:
    """Pixels enclosed by the heart, by the right ventricle, or by the ring with what it holds, that are none of it."""
    found = 0
    for inside in (labels > 0, labels == RV, labels >= MYO, labels == LV):
        found = max(found, int((ndimage.binary_fill_holes(inside) & ~inside).sum()))
    return found


def _dent(labels: Labels) -> float:
    return max(_hollow(labels == LV), _hollow(labels >= MYO))


def _hollow(mask: Mask) -> float:
    """1 - area over that of the convex hull of the pixels' corners."""
    area = int(mask.sum())
    if area < _LEAST_SHAPE_PX:
        return 0.0
    x, y = np.nonzero(mask & ~ndimage.binary_erosion(mask))
    corners = np.concatenate([np.stack([x + i, y + j], axis=1) for i in (0, 1) for j in (0, 1)])
    try:
        return float(1 - area / ConvexHull(corners).volume)
    except QhullError:
        return 0.0


def _open_ring(labels: Labels) -> float:
    ventricle = labels == LV
    if not ventricle.any():
        return 0.0
    rim = ndimage.binary_dilation(ventricle) & ~ventricle
    return float((labels[rim] != MYO).mean())


def _gaps(labels: Labels) -> Values:
    areas = np.stack([(labels == number).sum(axis=(0, 1)) for number in (RV, MYO, LV)])
    found = np.zeros(labels.shape[2])
    for k in range(1, labels.shape[2] - 1):
        beside = np.minimum(areas[:, k - 1], areas[:, k + 1])
        found[k] = float(np.where(areas[:, k] == 0, beside, 0).max())
    return found
