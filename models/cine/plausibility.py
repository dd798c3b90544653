"""How well an autoencoder of masks says a heart's mask again: pseudo Dice, pseudo Hausdorff distance, likelihood.

Galati and Zuluaga (2021), equations 1 and 2. A structure that either mask lacks scores 0 and the diagonal of the
crop, never 1: an empty mask is said again perfectly by anything that says nothing.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.special import log_softmax

from models.cine.crops import CROP, PIXEL_MM
from models.graphs import Run

FloatArray = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

#: The graph of masks, the side of what it takes in pixels, and that of a pixel.
MASK_GRAPH, SIDE = "mask", 64
SIDE_MM = PIXEL_MM * CROP / SIDE
#: Classes, the background first.
_CLASSES = 4
#: Slices of less heart have no likelihood to speak of, in pixels of the graph.
_LEAST_AREA = 16.0


def mask_shares(labels: Labels) -> FloatArray:
    """Labels (x, y, slice) of a crop -> the share of each class in each pixel of the graph, (slice, 4, SIDE, SIDE)."""
    whole = np.moveaxis(labels[None] == np.arange(_CLASSES, dtype=np.uint8)[:, None, None, None], -1, 0)
    by = CROP // SIDE
    return np.asarray(whole.reshape(*whole.shape[:2], SIDE, by, SIDE, by).mean(axis=(3, 5)), np.float32)


def said_again(labels: Labels, graph: Run) -> FloatArray:
    """What the autoencoder makes of a mask (x, y, slice): logits (slice, 4, SIDE, SIDE)."""
    return np.asarray(graph({"shares": mask_shares(labels)})["logits"], np.float32)


def likelihood(labels: Labels, logits: FloatArray) -> Values:
    """Negative log-likelihood of each slice's mask for each pixel of its heart's side, (slice,); 0 without a heart."""
    shares = mask_shares(labels)
    nll = -(shares * log_softmax(logits, axis=1)).sum(axis=(1, 2, 3))
    area = shares[:, 1:].sum(axis=(1, 2, 3))
    return np.where(area >= _LEAST_AREA, nll / np.sqrt(np.maximum(area, 1.0)), 0.0).astype(float)


def pseudo_scores(labels: Labels, logits: FloatArray, gap_mm: float) -> Mapping[int, tuple[float, float]]:
    """By structure, the pseudo Dice and the pseudo Hausdorff distance in mm of a stack (x, y, slice)."""
    own = np.moveaxis(mask_shares(labels).argmax(axis=1), 0, -1)
    again = np.moveaxis(logits.argmax(axis=1), 0, -1)
    return {n: (_dice(own == n, again == n), hausdorff_mm(own == n, again == n, gap_mm)) for n in range(1, _CLASSES)}


def _dice(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """Of two masks; 0 where either is empty, for a stack that lacks a structure is no good one."""
    total = int(first.sum() + second.sum())
    return 2 * float((first & second).sum()) / total if first.any() and second.any() else 0.0


def hausdorff_mm(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], gap_mm: float) -> float:
    """Largest distance between two masks (x, y, slice); the diagonal of the crop where either is empty."""
    if not (first.any() and second.any()):
        return float(np.hypot(*first.shape[:2]) * SIDE_MM)
    size = (SIDE_MM, SIDE_MM, gap_mm)
    to_first, to_second = (ndimage.distance_transform_edt(~mask, sampling=size) for mask in (first, second))
    return float(max(to_first[second].max(), to_second[first].max()))
