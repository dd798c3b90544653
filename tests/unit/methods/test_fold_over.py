"""Signal at both ends of the field of view, and lines of k-space that are missing: by hand-made images."""

import numpy as np
import pytest

from models.physics.kspace import Fold, Wrap, corrupt
from models.quality.fold_over import cut_both_ends, fold_over, lines_rough, profiles

SHAPE = (48, 40, 36)


def body(seed=0):
    """An ellipsoid of some texture in air."""
    rng = np.random.default_rng(seed)
    radius = sum(((axis - n / 2) / (n * 0.32)) ** 2 for axis, n in zip(np.indices(SHAPE), SHAPE, strict=True))
    inside = np.where(radius < 1, 500 + 40 * rng.standard_normal(SHAPE), 0)
    return np.hypot(inside + rng.normal(0, 10, SHAPE), rng.normal(0, 10, SHAPE)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_lower_end_is_told_in_the_level_of_the_middle_and_padding_is_no_end(axis):
    profile = np.array([0, 0, 3, 10, 10, 10, 10, 10, 5, 0], np.float32)
    voxels = np.moveaxis(np.broadcast_to(profile, (4, 6, profile.size)), 2, axis)

    assert 0.3 == pytest.approx(cut_both_ends(profiles(voxels)[axis]))


def test_of_nothing_there_is_no_end():
    assert np.isnan(cut_both_ends(np.zeros(5)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_body_that_folds_over_has_signal_at_both_ends(axis):
    folded = corrupt(body(), [Fold(axis=axis, share=0.8, place=0.5)], (1.0, 1.0, 1.0))

    assert cut_both_ends(profiles(folded)[axis]) > 3 * cut_both_ends(profiles(body())[axis])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_missing_lines_make_the_lines_that_are_left_stand_out(axis):
    spoilt = corrupt(body(), [Wrap(axis=axis, period=-4)], (1.0, 1.0, 1.0))

    assert lines_rough(spoilt, axis) > 1.3 * lines_rough(body(), axis)


def test_neither_depends_on_the_unit_nor_on_which_axis_it_is():
    voxels = body(3)
    measured = dict(fold_over(voxels))

    assert measured == pytest.approx(dict(fold_over(voxels * np.float32(7.5))), rel=1e-4)
    assert measured == pytest.approx(dict(fold_over(np.ascontiguousarray(voxels.transpose(2, 0, 1)))), rel=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 1), (64, 64, 1)])
def test_an_image_too_small_to_say_says_nothing(shape):
    rough = lines_rough(np.ones(shape, np.float32), 2)

    assert np.isnan(rough)
