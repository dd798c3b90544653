"""The threshold against phantoms of known classes, and the comparison with labels by hand against a known answer."""

from dataclasses import replace

import numpy as np
import pytest
from builders.judging import values
from scipy.special import softmax

from models.preprocess import Grid
from training.evaluation.manual import ManualScan, manual_report, otsu


@pytest.fixture
def phantom():
    """Three tissues of 200, 500 and 300 voxels at 20, 60 and 100, with noise far smaller than their gaps."""
    rng = np.random.default_rng(0)
    means = np.repeat([20.0, 60.0, 100.0], [200, 500, 300])
    return means, means + rng.normal(0, 3, means.size)


def test_two_thresholds_separate_three_known_classes(phantom):
    means, values = phantom
    low, high = otsu(values, classes=3)

    np.testing.assert_array_equal(means, np.choose((values > low) * 1 + (values > high), (20.0, 60.0, 100.0)))


def test_one_threshold_is_the_best_of_all_by_brute_force(phantom):
    _, values = phantom

    def between(threshold):
        parts = values[values <= threshold], values[values > threshold]
        return sum(part.size * (part.mean() - values.mean()) ** 2 for part in parts if part.size)

    best = max(between(threshold) for threshold in np.sort(values)[:-1])
    assert best == pytest.approx(between(otsu(values)[0]), rel=1e-3)


class _Networks:
    """A network that knows the labels, but calls one slab of grey matter CSF."""

    def __init__(self, called):
        self._called = called

    def predict(self, voxels, affine):
        logits = np.stack([9.0 * (self._called == tissue) for tissue in range(4)]).astype(np.float32)
        found = replace(values.prediction(), labels=self._called, probabilities=softmax(logits, axis=0))
        return replace(found, image=voxels, affine=affine)


def test_sulcal_csf_is_what_a_network_loses_by_and_the_same_question_gives_it_back():
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[4:16, 4:16, 4:16] = 2
    labels[8:12, 8:12, 8:12] = 3
    voxels = np.choose(labels, (0.0, 0.0, 50.0, 100.0)).astype(np.float32)
    called = labels.copy()
    called[4:16, 4:16, 4:6] = 1
    scan = ManualScan(
        name="1", voxels=voxels, labels=labels, mask=labels > 0, grid=Grid(labels.shape, np.diag([2.0, 2, 2, 1]))
    )
    report = list(manual_report([scan], _Networks(called)))
    dice, where = (line.split("|")[2:-1] for line in report if line.startswith("| 1 |"))
    grey, lost = (labels == 2).sum(), 12 * 12 * 2  # of 8 mm^3

    ours, otsu_in_mask, on_the_grid, told, themselves = (float(value) for value in dice)
    assert 2 * (grey - lost) / (2 * grey - lost) == pytest.approx(ours, abs=1e-3)
    assert ours == on_the_grid  # the scan is as coarse as the network's grid: its intensities say nothing more
    assert (1.0, 1.0, 1.0) == (otsu_in_mask, told, themselves)
    assert [round(lost * 8 / 1000), 0, 0, 0, 0, 0] == [int(value) for value in where]
