"""Where a FLAIR departs from itself without lesions, and the numbers of that: error maps of the predicted mask.

Section 2.2 of paper 001 leaves the predicted mask out of the image; its code leaves out the true one, which nobody has
beside a scanner.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage

from models.lesions.prediction import CSF, Prediction
from models.nets.reconstruction import ReconstructionNet
from models.preprocess import FloatArray
from training.lesions.anatomy import SPACING_MM

#: From a FLAIR and a hole, both float32 (D, H, W), to the FLAIR without lesions.
Redraw = Callable[[FloatArray, FloatArray], FloatArray]
#: Deviation of the window that a hole is filled from, in mm.
_FILL_MM = 4.0
#: A voxel this much brighter than its reconstruction may be a lesion that was missed, in units of white matter.
_MISSED = 0.2


def redraw_by(network: ReconstructionNet) -> Redraw:
    """By a trained network."""

    @torch.no_grad()
    def redraw(image: FloatArray, hole: FloatArray) -> FloatArray:
        given = (torch.from_numpy(np.ascontiguousarray(one))[None, None] for one in (image, hole))
        return np.asarray(network(*given)[0, 0].numpy(), np.float32)

    return redraw


def fill(image: FloatArray, hole: FloatArray) -> FloatArray:
    """The hole filled from what is about it: normalised convolution (Knutsson and Westin 1993), nothing is learnt."""
    shown = 1 - hole
    deviation = _FILL_MM / SPACING_MM
    seen = np.maximum(ndimage.gaussian_filter(shown, deviation), 1e-3)
    about = ndimage.gaussian_filter(image * shown, deviation) / seen
    return np.asarray(image * shown + about * hole, np.float32)


def error_map(prediction: Prediction, redraw: Redraw) -> FloatArray:
    """Image - reconstruction (paper 001, eq. 4), float32 (D, H, W) in units of white matter.

    The hole is the predicted mask and the voxels that touch it, which hold a part of the lesion.
    """
    hole = ndimage.binary_dilation(prediction.mask, np.ones((3, 3, 3), bool)).astype(np.float32)
    return np.asarray(prediction.image - redraw(prediction.image, hole), np.float32)


def error_numbers(prediction: Prediction, redraw: Redraw) -> dict[str, float]:
    """What an error map tells of a mask; finite for an empty one.

    ``error in the mask``: its mean there, in units of white matter: what is called lesion and is drawn alike without
    lesions is none. ``log total error``: VS of paper 001, of the absolute error in the mask, log(1 + mL). ``log
    missed``: log(1 + mL) of what is brighter than its reconstruction by a fifth of white matter, outside of the mask
    and of fluid.
    """
    errors, mask = error_map(prediction, redraw), prediction.mask
    tissue = prediction.tissues.argmax(axis=0) > CSF
    near = ndimage.binary_dilation(mask, np.ones((3, 3, 3), bool))
    missed = tissue & ~near & (errors > _MISSED)
    return {
        "error in the mask": float(errors[mask].mean()) if mask.any() else 0.0,
        "log total error": float(np.log1p(np.abs(errors[mask]).sum() * prediction.voxel_ml)),
        "log missed": float(np.log1p(missed.sum() * prediction.voxel_ml)),
    }
