"""Distances from what is known: against scipy, and what they must tell apart."""

import numpy as np
import pytest
from builders.judging.values import prediction
from scipy.spatial.distance import mahalanobis

from models.brain.familiarity import (
    FEATURES,
    HISTOGRAM,
    Space,
    describe,
    distances,
    fit_space,
    load_spaces,
    save_spaces,
)


@pytest.fixture
def known():
    """Two hundred descriptions that vary along three of ten directions, and a little along all."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 3)) @ rng.normal(size=(3, 10)) + 0.1 * rng.normal(size=(200, 10)) + 5


def test_with_all_axes_it_is_the_mahalanobis_distance(known):
    space = fit_space(known, components=9)
    inverse = np.linalg.inv(np.cov(known.T, bias=True))
    for description in (known[0], known[0] + 1, np.zeros(10)):
        expected = mahalanobis(description, known.mean(axis=0), inverse) / np.sqrt(10)
        assert space.distance(description) == pytest.approx(expected, rel=1e-6)


def test_what_leaves_the_known_directions_is_far(known):
    space = fit_space(known[:100], components=3)
    usual = max(space.distance(d) for d in known[100:])
    beside = known[150] + 2 * np.linalg.svd(known - known.mean(axis=0))[2][-1]

    assert usual < 3
    assert space.distance(beside) > 3 * usual


def test_held_out_descriptions_lie_at_about_one(known):
    space = fit_space(known[:100], components=3)

    assert np.median([space.distance(d) for d in known[100:]]) == pytest.approx(1, abs=0.15)


def test_a_value_that_never_varied_does_not_divide_by_zero():
    space = fit_space(np.column_stack([np.arange(10.0), np.full(10, 3.0)]), components=1)

    assert np.isfinite(space.distance([5.0, 3.0]))
    assert space.distance([5.0, 4.0]) > 100


def test_spaces_survive_their_file_and_need_no_pickle(known, tmp_path):
    spaces = {FEATURES: fit_space(known, 3), HISTOGRAM: fit_space(known[:, :4], 2)}
    save_spaces(tmp_path / "spaces.npz", spaces)
    again = load_spaces(tmp_path / "spaces.npz")

    assert set(spaces) == set(again)
    for name, space in spaces.items():
        description = known[3, : len(space.centre)]
        assert again[name].distance(description) == pytest.approx(space.distance(description), rel=1e-4)
        assert all(isinstance(getattr(again[name], part), np.ndarray) for part in Space.__slots__)


def test_a_prediction_is_described_by_its_brain_alone():
    """One bright voxel of grey matter in a box of air: the whole histogram is that voxel."""
    described = describe(prediction())

    assert 1.0 == pytest.approx((described[HISTOGRAM] ** 2).sum())
    assert 1 == np.count_nonzero(described[HISTOGRAM])
    assert {FEATURES} == set(distances(prediction(), {FEATURES: fit_space(np.eye(described[FEATURES].size), 2)}))
