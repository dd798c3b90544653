"""What is measured of one head, against truths counted by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from training.evaluation.measure import BINS, dice_by_tissue, reliability, true_volumes, volume_intervals
from training.truth import Truth


def certain(labels, sure=0.97):
    """Probabilities (4, ...) of these labels."""
    shares = np.stack([(labels == tissue) * sure for tissue in range(4)])
    return (shares + (labels != np.arange(4)[:, None, None, None]) * (1 - sure) / 3).astype(np.float32)


@pytest.fixture
def labels():
    """A ball of white matter in grey matter in CSF."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, 24),) * 3, indexing="ij"))
    radius = np.sqrt((grid**2).sum(axis=0))
    return np.select([radius < 0.4, radius < 0.6, radius < 0.8], [3, 2, 1], 0).astype(np.uint8)


def prediction(labels, affine, **further):
    return SimpleNamespace(labels=labels, probabilities=certain(labels), affine=affine, **further)


def test_labels_on_another_lattice_lose_little_and_on_the_same_nothing(labels):
    affine = np.diag([2.0, 2, 2, 1])
    voxels = np.zeros(labels.shape, np.float32)
    shifted = Truth(name="x", voxels=voxels, labels=labels, affine=np.eye(4), labels_affine=affine)

    assert {1.0} == set(dice_by_tissue(prediction(labels, affine), shifted).values())
    fine = np.repeat(np.repeat(np.repeat(labels, 2, 0), 2, 1), 2, 2)
    half = np.eye(4)
    half[:3, 3] = -0.5
    again = dice_by_tissue(prediction(fine, half), shifted)
    assert min(again.values()) > 0.95


def test_true_volumes_count_voxels_of_the_labels_own_grid(labels):
    truth = Truth(name="x", voxels=labels.astype(np.float32), labels=labels, affine=np.diag([1.0, 2, 3, 1]))

    assert true_volumes(truth)["white matter"] == pytest.approx((labels == 3).sum() * 6 / 1000)


def test_intervals_are_quantiles_of_the_samples_of_that_tissue(labels):
    samples = np.arange(1001)[:, None] * np.array([0.0, 1.0, 2.0, 3.0])
    found = volume_intervals(prediction(labels, np.eye(4), volume_samples_ml=samples.astype(np.float32)))

    assert (50, 950) == pytest.approx(found["CSF"][::2])
    assert (150, 2850) == pytest.approx(found["white matter"][::2])
    assert found["CSF"][1] == pytest.approx(certain(labels)[1].sum() / 1000, rel=1e-5)


def test_margins_widen_the_interval_of_their_tissue_alone(labels):
    samples = np.tile(np.arange(1001.0, dtype=np.float32)[:, None], (1, 4))
    drawn = prediction(labels, np.eye(4), volume_samples_ml=samples)
    found, widened = volume_intervals(drawn), volume_intervals(drawn, {"grey matter": 0.05})

    assert found["CSF"] == widened["CSF"]
    assert (50 - 0.05 * 905, 950 + 0.05 * 905) == pytest.approx(widened["grey matter"][::2])


def test_reliability_counts_every_called_voxel_once_in_the_bin_of_its_confidence(labels):
    probabilities = certain(labels, sure=0.55)
    truth = labels.copy()
    truth[labels == 3] = np.where(np.arange((labels == 3).sum()) % 4 == 0, 2, 3)
    bins = reliability(probabilities, truth)
    white = bins["white matter"]

    assert BINS == len(white)
    assert (labels == 3).sum() == white[5].voxels == sum(b.voxels for b in white)
    assert white[5].confidence == pytest.approx(0.55 * white[5].voxels, rel=1e-5)
    assert white[5].right == (truth == 3).sum()
    assert bins["grey matter"][5].right == bins["grey matter"][5].voxels


def test_a_voxel_outside_the_networks_box_is_called_background(labels):
    inside = prediction(labels[6:18, 6:18, 6:18], np.array([[1.0, 0, 0, 6], [0, 1, 0, 6], [0, 0, 1, 6], [0, 0, 0, 1]]))
    truth = Truth(name="x", voxels=labels.astype(np.float32), labels=labels, affine=np.eye(4))
    hidden = (labels == 1).sum() - (labels[6:18, 6:18, 6:18] == 1).sum()
    seen = (labels == 1).sum() - hidden

    assert hidden > 0
    assert dice_by_tissue(inside, truth)["CSF"] == pytest.approx(2 * seen / (2 * seen + hidden))
