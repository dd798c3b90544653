"""The numbers of a lesion map: what ranks it, what its Dice is predicted from, and what several passes add.

Sources: paper 001 (Williams et al. 2021: entropy, its sum VS, pairwise Dice of samples), methods of uncertainty
reviewed in Malinin et al. 2021; measured beside each other in docs/lesions.md.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.lesions.prediction import CSF, GREY, WHITE, Prediction, Samples, entropy
from models.preprocess import FloatArray

#: A bit of a byte each.
_BITS = np.array([n.bit_count() for n in range(256)], np.uint16)
#: Smaller pieces than this are no lesion of their own, in mL: two voxels of 2 mm.
_LEAST_PIECE_ML = 0.016
#: Scales a median absolute deviation to a standard deviation.
_TO_DEVIATION = 1.4826
#: Lesion is called less and more readily.
_THRESHOLDS = (0.2, 0.8)
_LEAST_DOUBT_ML = 2.0
_NEIGHBOURS = np.ones((3, 3, 3), bool)


def single_pass(prediction: Prediction) -> dict[str, float]:
    """What one pass tells: finite for an empty mask too."""
    p, mask = prediction.probability, prediction.mask
    doubt = entropy(p)
    volume, soft = lesion_ml(mask, prediction), float(p.sum()) * prediction.voxel_ml
    total = float(doubt.sum()) * prediction.voxel_ml
    inside = mask if mask.any() else p >= p.max()
    around = np.asarray(ndimage.binary_dilation(mask)) & ~mask
    return {
        "entropy": float(doubt[inside].mean()),
        "confidence": float(p[inside].mean()),
        "doubt at the border": float(doubt[around].mean()) if around.any() else 1.0,
        "log volume": float(np.log1p(volume)),
        "log soft volume": float(np.log1p(soft)),
        "log total entropy": float(np.log1p(total)),
        "entropy over volume": float(np.log((total + 0.1) / (soft + 0.1))),
        "log count": float(np.log1p(lesion_count(mask, prediction))),
        "surface": float(around.sum() / max(1, mask.sum())),
        **_image_numbers(prediction),
    }


def _image_numbers(prediction: Prediction) -> dict[str, float]:
    """How the FLAIR looks about the lesions: contrast and noise in units of white matter."""
    image, mask = prediction.image, prediction.mask
    label = prediction.tissues.argmax(axis=0)
    near = ndimage.binary_dilation(mask, iterations=2)
    white = image[(label == WHITE) & ~near]
    if white.size < 2:  # noqa: PLR2004 - no spread of one voxel
        white = np.array([1.0, 1.0], np.float32)
    middle = float(np.median(white))
    spread = float(np.median(np.abs(white - middle))) * _TO_DEVIATION
    lesion = float(np.median(image[mask])) if mask.any() else middle
    return {
        "contrast": lesion / max(middle, 1e-3) - 1,
        "noise of white matter": spread / max(middle, 1e-3),
        "grey over white": _median(image[label == GREY], middle) / max(middle, 1e-3),
        "fluid over white": _median(image[label == CSF], middle) / max(middle, 1e-3),
        "doubt of tissues": float(1 - prediction.tissues.max(axis=0)[label > 0].mean()) if (label > 0).any() else 1.0,
        "steps across": float(np.mean([np.abs(np.diff(image, axis=axis)).mean() for axis in range(3)])),
        "air": _median(image[label == 0], 0.0),
    }


def _median(values: FloatArray, otherwise: float) -> float:
    return float(np.median(values)) if values.size else otherwise


def several_passes(samples: Samples, prediction: Prediction) -> dict[str, float]:
    """What passes with dropped channels add."""
    mean, mask = samples.mean, prediction.mask
    inside = mask if mask.any() else mean >= mean.max()
    total = entropy(mean)
    volumes = volumes_of(samples) * prediction.voxel_ml
    return {
        "mean confidence": float(mean[inside].mean()),
        "mean entropy": float(total[inside].mean()),
        "variance": float(samples.variance[inside].mean()),
        "mutual information": float((total - samples.entropy)[inside].mean()),
        "VS": float(total.sum()) * prediction.voxel_ml,
        "pairwise Dice": pairwise_dice(samples),
        "spread of volumes": float(volumes.std() / max(volumes.mean(), 1e-3)),
    }


def lesion_ml(mask: npt.NDArray[np.bool_], prediction: Prediction) -> float:
    """Volume of a mask."""
    return int(mask.sum()) * prediction.voxel_ml


def lesion_count(mask: npt.NDArray[np.bool_], prediction: Prediction) -> int:
    """Pieces of a mask that touch at no corner, without specks."""
    pieces, count = ndimage.label(mask, _NEIGHBOURS)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:] * prediction.voxel_ml
    return int((sizes >= _LEAST_PIECE_ML - 1e-9).sum())


def volumes_of(samples: Samples) -> npt.NDArray[np.int64]:
    """Voxels that each pass calls, (T,)."""
    return np.asarray(_BITS[samples.masks].sum(axis=1), np.int64)


def pairwise_dice(samples: Samples) -> float:
    """Mean Dice of each two passes; 1 where both are empty."""
    volumes, found = volumes_of(samples), []
    for first in range(len(volumes)):
        for second in range(first):
            both = int(_BITS[samples.masks[first] & samples.masks[second]].sum())
            total = int(volumes[first] + volumes[second])
            found.append(2 * both / total if total else 1.0)
    return float(np.mean(found)) if found else 1.0


def doubtful_ml(prediction: Prediction) -> float:
    """How far the volume moves with the threshold, and 2 mL: what the margins of its interval are measured in."""
    low, high = (lesion_ml(prediction.called_from(threshold), prediction) for threshold in _THRESHOLDS)
    return low - high + _LEAST_DOUBT_ML


def interval_ml(prediction: Prediction, margin: float) -> tuple[float, float]:
    """The volume less and more ``margin`` times its doubt: nine of ten where the margin is conformal."""
    volume, by = lesion_ml(prediction.mask, prediction), margin * doubtful_ml(prediction)
    return max(0.0, volume - by), volume + by
