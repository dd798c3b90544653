"""Plausible segmentations of one head, drawn on the host (paper 003, Monteiro et al. 2020, equation 6).

The graph gives the distribution of the logits; the noise is drawn here from a fixed seed, so that the same bytes give
the same volumes. numpy's twin of ``models/nets/stochastic.py: sample_logits``.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

#: The seed of every series' noise: the same series gives the same intervals.
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
    air = logits[0].size - int(_varying(probabilities).sum()) * 8
    labels = _labels_of_samples(logits, probabilities, factor, deviation, samples)
    return np.array([_count(label, len(logits), air) for label in labels])


def pairwise_dice(
    logits: FloatArray,
    probabilities: FloatArray,
    factor: FloatArray,
    deviation: FloatArray,
    tissue: int,
) -> float:
    """Mean Dice of a class between every two samples (Roy et al. 2019); 1 where no sample holds any of it."""
    drawn = _labels_of_samples(logits, probabilities, factor, deviation, SAMPLES)
    masks = np.array([(label == tissue).ravel() for label in drawn], np.float32)
    both, sizes = masks @ masks.T, masks.sum(axis=1)
    total = sizes[:, None] + sizes[None]
    pairs = np.triu_indices(len(masks), 1)
    return float(np.where(total > 0, 2 * both / np.maximum(total, 1), 1.0)[pairs].mean())


def _varying(probabilities: FloatArray) -> npt.NDArray[np.bool_]:
    """The blocks that vary, (blocks,)."""
    varying: npt.NDArray[np.bool_] = _blocks(probabilities[:1])[0].min(axis=1) < 1 - _TISSUE
    return varying


def _labels_of_samples(
    logits: FloatArray, probabilities: FloatArray, factor: FloatArray, deviation: FloatArray, samples: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """The labels (blocks, 8) of the blocks that vary, sample by sample."""
    blocks = _varying(probabilities)
    mean = np.ascontiguousarray(_blocks(logits)[:, blocks])
    factor = factor.reshape(*factor.shape[:2], -1)[..., blocks]
    deviation = deviation.reshape(len(deviation), -1)[:, blocks]
    alone, sample = np.empty_like(mean), np.empty_like(mean)
    for weights, noise in _noise(len(factor), mean.shape, samples // 2):
        together = np.einsum("r,rck->ck", weights, factor)[..., None]
        np.multiply(deviation[..., None], noise, out=alone)
        for change in (np.add, np.subtract):  # an antithetic pair
            change(change(mean, together, out=sample), alone, out=sample)
            yield _largest(sample)


def _noise(rank: int, shape: tuple[int, ...], pairs: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """The normal numbers of each pair, (R,) and ``shape``: drawn one pair ahead, for they take as long as their use.

    Two arrays take turns: one holds for as long as the next pair is not asked for.
    """
    rng = np.random.default_rng(SEED)
    arrays = [np.empty(shape, np.float32) for _ in range(2)]

    def draw(pair: int) -> tuple[FloatArray, FloatArray]:
        return rng.standard_normal(rank, np.float32), rng.standard_normal(dtype=np.float32, out=arrays[pair % 2])

    with ThreadPoolExecutor(1, "noise") as ahead:
        drawn = ahead.submit(draw, 0)
        for pair in range(1, pairs + 1):
            noise = drawn.result()
            if pair < pairs:
                drawn = ahead.submit(draw, pair)
            yield noise


def _largest(sample: FloatArray) -> npt.NDArray[np.uint8]:
    """The class of the largest logit, the first of equal ones (argmax along an axis is slow)."""
    largest, label = sample[0].copy(), np.zeros(sample[0].shape, np.uint8)
    for number, logit in enumerate(sample[1:], start=1):
        np.maximum(label, np.multiply(logit > largest, np.uint8(number)), out=label)
        np.maximum(largest, logit, out=largest)
    return label


def _count(label: npt.NDArray[np.uint8], classes: int, air: int) -> npt.NDArray[np.int64]:
    """Voxels of each class."""
    counts = np.array([np.count_nonzero(label == number) for number in range(classes)])
    counts[0] += air
    return counts


def _blocks(values: FloatArray) -> FloatArray:
    """(C, D, H, W) -> (C, blocks, 8)."""
    c, d, h, w = values.shape
    split = values.reshape(c, d // 2, 2, h // 2, 2, w // 2, 2)
    return split.transpose(0, 1, 3, 5, 2, 4, 6).reshape(c, -1, 8)
