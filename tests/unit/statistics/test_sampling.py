"""Sampled volumes: against torch's own distribution, and what must not change them."""

import numpy as np
import pytest
import torch
from torch.distributions import LowRankMultivariateNormal

from models.statistics.sampling import sample_volumes
from models.statistics.uncertainty import miss, sampled_interval, widen

SHAPE, HALF = (8, 8, 8), (4, 4, 4)


def softmax(logits):
    return torch.from_numpy(logits).softmax(dim=0).numpy()


def draw(logits, factor, deviation, samples=400):
    return sample_volumes(logits, softmax(logits), factor, deviation, samples)


@pytest.fixture
def covariance():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(3, *SHAPE)).astype(np.float32)
    return logits, rng.normal(size=(2, 3, *HALF)).astype(np.float32), np.full((3, *HALF), 0.5, np.float32)


def test_every_sample_has_every_voxel_once(covariance):
    counts = draw(*covariance)

    assert (400, 3) == counts.shape
    assert (counts.sum(axis=1) == np.prod(SHAPE)).all()


def test_the_volumes_are_distributed_as_torchs_low_rank_normal_says(covariance):
    logits, factor, deviation = covariance
    grown = [np.repeat(np.repeat(np.repeat(a, 2, -1), 2, -2), 2, -3) for a in (factor, deviation)]
    flat = LowRankMultivariateNormal(
        *(torch.from_numpy(a) for a in (logits.ravel(), grown[0].reshape(2, -1).T.copy(), grown[1].ravel() ** 2))
    )
    torch.manual_seed(0)
    expected = flat.sample((4000,)).reshape(-1, *logits.shape).argmax(dim=1).flatten(1)
    expected = np.stack([(expected == c).sum(dim=1).numpy() for c in range(3)], axis=1)
    found = draw(*covariance, samples=4000)

    np.testing.assert_allclose(found.mean(axis=0), expected.mean(axis=0), atol=2)
    np.testing.assert_allclose(found.std(axis=0), expected.std(axis=0), rtol=0.08)


def test_without_covariance_every_sample_is_the_segmentation(covariance):
    logits, factor, deviation = covariance
    counts = draw(logits, 0 * factor, 0 * deviation, samples=4)

    assert (counts == np.bincount(logits.argmax(axis=0).ravel(), minlength=3)).all()


def test_the_same_bytes_give_the_same_volumes(covariance):
    np.testing.assert_array_equal(draw(*covariance, samples=6), draw(*covariance, samples=6))


def test_air_stays_air_in_every_sample(covariance):
    logits, factor, deviation = covariance
    logits[0, :4] = 30.0  # half of the box is certainly background
    counts = draw(logits, 100 * factor, deviation)

    assert (counts[:, 0] >= np.prod(SHAPE) / 2).all()


def test_an_interval_is_widened_until_it_holds_the_truth():
    interval = sampled_interval(np.random.default_rng(0).normal(500, 10, 1000))
    low, high = widen(interval, miss(interval, 530.0))

    assert high == pytest.approx(530.0)
    assert low < interval[0]
    assert miss(interval, 500.0) < 0 < miss(interval, 530.0)


def test_samples_that_agree_are_no_certainty_and_no_volume_is_negative():
    low, high = widen(sampled_interval([500.0] * 20), 2.0)

    assert high - low == pytest.approx(20.0)
    assert 0.0 == widen(sampled_interval([1.0, 2.0, 3.0]), 10.0)[0]
