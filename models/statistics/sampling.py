"""Plausible segmentations of one head, drawn on the host (paper 003, Monteiro et al. 2020, equation 6).

The graph gives the distribution of the logits; the noise is drawn here from a fixed seed, so that the same bytes give
the same volumes. numpy's twin of ``models/nets/stochastic.py: sample_logits``.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

#: The seed of every series' noise: nothing in it is to be guessed, it only must not change.
SEED = 20201
SAMPLES = 20
#: A block of 2 x 2 x 2 voxels varies where tissue is at least this probable in one of them: the covariance is trained
#: on tissue only, and outside of it means nothing (samples that could turn air into brain held volumes of litres).
_TISSUE = 0.5


def sample_volumes(
    logits: FloatArray, probabilities: FloatArray, factor: FloatArray, deviation: FloatArray, samples: int = SAMPLES
) -> npt.NDArray[np.int64]:
    """Voxels of each class in each sample, (M, C).

    logits and probabilities (C, D, H, W); factor (R, C, D/2, H/2, W/2) and deviation (C, D/2, ...) hold for blocks of
    2 x 2 x 2 voxels. Samples come in antithetic pairs; every voxel of a sample gets the class of its largest logit.
    """
    blocks = _blocks(probabilities[:1])[0].min(axis=1) < 1 - _TISSUE
    mean = np.ascontiguousarray(_blocks(logits)[:, blocks])
    factor = factor.reshape(*factor.shape[:2], -1)[..., blocks]
    deviation = deviation.reshape(len(deviation), -1)[:, blocks]
    air = logits[0].size - mean[0].size
    rng = np.random.default_rng(SEED)
    noise, alone, sample = (np.empty_like(mean) for _ in range(3))
    counts = []
    for _ in range(samples // 2):
        together = np.einsum("r,rck->ck", rng.standard_normal(len(factor), np.float32), factor)[..., None]
        np.multiply(deviation[..., None], rng.standard_normal(dtype=np.float32, out=noise), out=alone)
        for change in (np.add, np.subtract):  # an antithetic pair
            change(change(mean, together, out=sample), alone, out=sample)
            counts.append(_count(sample, air))
    return np.array(counts)


def _count(sample: FloatArray, air: int) -> npt.NDArray[np.int64]:
    """Voxels of each class: that of the largest logit, the first of equal ones (argmax along an axis is slow)."""
    largest, label = sample[0].copy(), np.zeros(sample[0].shape, np.uint8)
    for number, logit in enumerate(sample[1:], start=1):
        np.maximum(label, np.multiply(logit > largest, np.uint8(number)), out=label)
        np.maximum(largest, logit, out=largest)
    counts = np.array([np.count_nonzero(label == number) for number in range(len(sample))])
    counts[0] += air
    return counts


def _blocks(values: FloatArray) -> FloatArray:
    """(C, D, H, W) -> (C, blocks, 8)."""
    c, d, h, w = values.shape
    split = values.reshape(c, d // 2, 2, h // 2, 2, w // 2, 2)
    return split.transpose(0, 1, 3, 5, 2, 4, 6).reshape(c, -1, 8)
