"""What a scan finer than the network's grid gains from its own intensities, and what they must not change."""

from dataclasses import replace

import numpy as np
import pytest
from builders.judging import values
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from models.brain.refinement import labels_on_own_grid, probabilities_on, refined_probabilities
from models.preprocess import Grid, nearest, resample
from training.truth import dice

FINE = Grid((64, 72, 60), np.diag([1.0, 1.0, 1.0, 1.0]))
_HALF = np.diag([2.0, 2.0, 2.0, 1.0])
_HALF[:3, 3] = 0.5
COARSE = Grid((32, 36, 30), _HALF)
MEANS = np.array([0.0, 30.0, 65.0, 100.0])


@pytest.fixture(scope="module")
def labels():
    """A folded ball: white matter, grey matter some 3 mm thick about it, fluid around both."""
    i, j, k = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in FINE.shape), indexing="ij")
    radius = np.sqrt(i**2 + j**2 + k**2)
    folds = 2.5 * np.sin(0.5 * i) * np.sin(0.5 * j) * np.sin(0.5 * k)
    return np.digitize(-radius - folds, [-27.0, -23.0, -19.5]).astype(np.uint8)


def image_of(labels, noise=3.0, seed=0):
    return (MEANS[labels] + noise * np.random.default_rng(seed).standard_normal(labels.shape)).astype(np.float32)


def seen_by_a_network(labels, affine=COARSE.affine):
    """What a network on the coarse grid knows at best: the shares of its voxels, in some doubt."""
    shares = np.stack([resample((labels == tissue).astype(np.float32), FINE, COARSE) for tissue in range(4)])
    probabilities = softmax(np.log(shares + 0.02), axis=0).astype(np.float32)
    labels_there = probabilities.argmax(axis=0).astype(np.uint8)
    return replace(values.prediction(), labels=labels_there, probabilities=probabilities, affine=affine)


def test_a_fine_scan_gets_finer_labels_than_the_network_has(labels):
    prediction = seen_by_a_network(labels)
    found = labels_on_own_grid(image_of(labels), FINE.affine, prediction)
    interpolated = probabilities_on(FINE, prediction).argmax(axis=0)

    for tissue in (2, 3):
        before, after = (dice(called == tissue, labels == tissue) for called in (interpolated, found))
        assert 1 - after < 0.5 * (1 - before)


def test_where_the_head_ends_stays_the_networks_word(labels):
    prediction = seen_by_a_network(labels)
    image = image_of(labels)
    image[labels == 0] = MEANS[2]  # scalp as bright as grey matter
    background = refined_probabilities(image, FINE, prediction)[0]

    np.testing.assert_array_equal(probabilities_on(FINE, prediction)[0], background)


@pytest.mark.parametrize(("scale", "offset"), [(7, 0), (1, 400), (0.001, 0)])
def test_neither_scale_nor_offset_of_the_intensities_matters(labels, scale, offset):
    prediction, image = seen_by_a_network(labels), image_of(labels)
    first, second = (labels_on_own_grid(v, FINE.affine, prediction) for v in (image, scale * image + offset))

    assert (first != second).mean() < 1e-3


def test_shading_does_no_harm(labels):
    prediction, image = seen_by_a_network(labels), image_of(labels, noise=2.0)
    across = np.linspace(0.8, 1.25, FINE.shape[0], dtype=np.float32)[:, None, None]
    even, shaded = (labels_on_own_grid(v, FINE.affine, prediction) for v in (image, image * across))

    assert dice(shaded == 2, labels == 2) > dice(even == 2, labels == 2) - 0.01


def test_an_image_that_says_nothing_leaves_the_prior(labels):
    prediction = seen_by_a_network(labels)
    noise = np.random.default_rng(1).standard_normal(FINE.shape).astype(np.float32)
    for image in (np.full(FINE.shape, 5.0, np.float32), np.zeros(FINE.shape, np.float32), noise):
        found = refined_probabilities(image, FINE, prediction)

        assert np.isfinite(found).all()
        np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
        assert (found.argmax(axis=0) == probabilities_on(FINE, prediction).argmax(axis=0)).mean() > 0.99


def test_a_scan_as_coarse_as_the_network_keeps_its_labels(labels):
    prediction = seen_by_a_network(labels)
    image = resample(image_of(labels), FINE, COARSE)

    np.testing.assert_array_equal(prediction.labels, labels_on_own_grid(image, COARSE.affine, prediction))


def test_labels_come_in_the_order_of_the_volume(labels):
    prediction, image = seen_by_a_network(labels), gaussian_filter(image_of(labels), 0.3)
    turned = FINE.affine.copy()
    turned[0, 0], turned[0, 3] = -1.0, FINE.shape[0] - 1.0
    straight = labels_on_own_grid(image, FINE.affine, prediction)

    np.testing.assert_array_equal(straight[::-1], labels_on_own_grid(image[::-1], turned, prediction))


def test_outside_the_networks_box_is_background(labels):
    prediction = seen_by_a_network(labels)
    wide = Grid((100, 72, 60), FINE.affine)
    image = nearest(image_of(labels), FINE, wide)
    image[64:] = MEANS[2]

    assert not labels_on_own_grid(image, wide.affine, prediction)[65:].any()


def test_a_tissue_that_is_nowhere_is_called_nowhere(labels):
    without = np.where(labels == 1, 0, labels)
    found = labels_on_own_grid(image_of(without), FINE.affine, seen_by_a_network(without))

    assert (found == 1).mean() < 0.001
