"""Labels at a scan's own resolution, where that is finer than the network's.

The network's probabilities are the prior, the voxel's own intensity is the likelihood: normal, about the mean that
its tissue has around that place, so that shading does no harm. It is one step of expectation-maximisation for a
mixture with a bias field (Wells et al. 1996; Van Leemput et al. 1999). Only the tissues compete: where the head's
tissues end, the network alone decides, for an intensity cannot tell brain from what lies around it.
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from models.brain.prediction import Prediction
from models.preprocess import Affine, FloatArray, Grid, canonical, nearest, resample, restore

#: A tissue's mean is taken over a Gaussian of this standard deviation: wider than a gyrus, narrower than shading.
_AROUND_MM = 10.0
#: Weight of a tissue's mean in the whole head beside that around a voxel: it holds where there is none around.
_ELSEWHERE = 1e-3
#: Voxels whose tissue is this probable tell how that tissue looks.
_CERTAIN = 0.5
#: The least log likelihood: an intensity that fits no tissue says nothing.
_UNFIT = -4.0
#: A voxel below this share of the network's is finer: two of a 2 mm voxel's eight parts.
_FINER = 0.5
_IMPOSSIBLE = 1e-6
_TINY = 1e-12


def labels_on_own_grid(
    voxels: npt.NDArray[np.floating], affine: Affine, prediction: Prediction
) -> npt.NDArray[np.uint8]:
    """The label of each voxel of the volume (i, j, k) that ``prediction`` was made of, in its own order.

    The network's own labels where the volume is about as coarse as the network's grid, else refined by its intensities.
    """
    turned, turned_affine = canonical(voxels, affine)
    native, box = Grid(turned.shape, turned_affine), Grid(prediction.labels.shape, prediction.affine)
    if np.prod(native.spacing) < _FINER * np.prod(box.spacing):
        labels = refined_probabilities(np.asarray(turned, np.float32), native, prediction).argmax(axis=0)
    else:
        labels = nearest(prediction.labels, box, native)
    return restore(labels.astype(np.uint8), affine)


def probabilities_on(grid: Grid, prediction: Prediction) -> FloatArray:
    """The class probabilities (C, i, j, k) on another grid, all background outside the network's box.

    They are interpolated, not the labels: labels of one 2 mm lattice, taken to another by nearest neighbours, lose
    0.07 Dice by the way. On the network's own lattice both are the same.
    """
    box = Grid(prediction.labels.shape, prediction.affine)
    tissues = np.stack([resample(one, box, grid) for one in prediction.probabilities[1:]])
    return np.concatenate([1 - tissues.sum(axis=0, keepdims=True), tissues])


def refined_probabilities(image: FloatArray, grid: Grid, prediction: Prediction) -> FloatArray:
    """The class probabilities (C, i, j, k) of each voxel of ``image`` (i, j, k) on ``grid``, which is canonical."""
    prior = probabilities_on(grid, prediction)
    box = Grid(prediction.labels.shape, prediction.affine)
    likelihoods = []
    for probability in prior[1:]:
        certain = np.where(probability > _CERTAIN, probability, 0)
        likelihoods.append(_log_likelihood(image, _mean_around(image, certain, grid, box), certain))
    posterior = prior[1:] * np.exp(np.stack(likelihoods) - np.max(likelihoods, axis=0)) + _IMPOSSIBLE * prior[1:]
    shares = posterior / np.maximum(posterior.sum(axis=0), np.float32(_TINY))
    return np.concatenate([prior[:1], (1 - prior[:1]) * shares])


def _mean_around(image: FloatArray, weights: FloatArray, grid: Grid, box: Grid) -> FloatArray:
    """The weighted mean intensity around every voxel; it is smooth, so the network's coarser box will do to find it."""
    sigma = _AROUND_MM / box.spacing
    everywhere = float((weights * image).sum()) / max(float(weights.sum()), _IMPOSSIBLE)
    total = gaussian_filter(resample(weights * image, grid, box), sigma) + np.float32(_ELSEWHERE * everywhere)
    return resample(total / (gaussian_filter(resample(weights, grid, box), sigma) + np.float32(_ELSEWHERE)), box, grid)


def _log_likelihood(image: FloatArray, mean: FloatArray, weights: FloatArray) -> FloatArray:
    """Of each intensity, for a tissue of this mean whose spread is that of the voxels that surely are of it.

    Where no voxel surely is, no intensity fits; where all intensities are one, all fit alike.
    """
    squares, total = (image - mean) ** 2, float(weights.sum())
    least = max(_IMPOSSIBLE * float(image.var()), _TINY)
    variance = max(float((weights * squares).sum()) / total, least) if total else max(float(image.var()), _TINY)
    fit = np.maximum(-0.5 * squares / variance, _UNFIT) if total else np.full_like(image, _UNFIT)
    likelihood: FloatArray = fit - np.float32(0.5 * np.log(variance))
    return likelihood
