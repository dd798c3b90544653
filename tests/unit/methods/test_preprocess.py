"""Grids: what resampling keeps, and that it comes back."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from models.preprocess import Grid, box_grid, canonical, isotropic_grid, locator_input, nearest, resample, restore


def grid(shape, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return Grid(shape, affine)


@given(st.permutations(range(3)), st.lists(st.sampled_from([-1, 1]), min_size=3, max_size=3))
def test_canonical_agrees_with_nibabel_for_every_orientation(order, signs):
    affine = np.zeros((4, 4))
    for column, (row, sign) in enumerate(zip(order, signs, strict=True)):
        affine[row, column] = sign * (column + 1.0)
    affine[:, 3] = [3, -5, 7, 1]
    voxels = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    expected = nib.as_closest_canonical(nib.Nifti1Image(voxels, affine))
    turned, turned_affine = canonical(voxels, affine)

    assert np.array_equal(expected.get_fdata(dtype=np.float32), turned)
    assert np.allclose(expected.affine, turned_affine)


def test_averaging_by_a_whole_factor_is_the_block_mean():
    voxels = np.random.default_rng(1).random((8, 12, 10)).astype(np.float32)
    target = isotropic_grid(grid(voxels.shape), 2.0)
    expected = voxels.reshape(4, 2, 6, 2, 5, 2).mean(axis=(1, 3, 5))

    assert target.shape == (4, 6, 5)
    assert np.allclose(expected, resample(voxels, grid(voxels.shape), target), atol=1e-6)


@given(st.tuples(*[st.floats(1.0, 6.0)] * 3), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_refining_agrees_with_scipy_inside_the_field_of_view(spacing, seed):
    voxels = np.random.default_rng(seed).random((7, 8, 9)).astype(np.float32)
    source = grid(voxels.shape, spacing)
    target = isotropic_grid(source, 0.9)
    index = np.linalg.inv(source.affine) @ target.affine
    axes = [index[a, a] * np.arange(n) + index[a, 3] for a, n in enumerate(target.shape)]
    expected = map_coordinates(voxels, np.meshgrid(*axes, indexing="ij"), order=1, mode="nearest")

    assert np.allclose(expected, resample(voxels, source, target), atol=1e-5)


@given(st.tuples(*[st.floats(0.4, 3.5)] * 3), st.floats(0.8, 8.0))
@settings(max_examples=40, deadline=None)
def test_a_constant_stays_constant_and_zero_stays_outside(spacing, wanted):
    source = grid((11, 12, 13), spacing)
    target = isotropic_grid(source, wanted)
    result = resample(np.ones(source.shape, np.float32), source, target)

    assert result.max() == pytest.approx(1, abs=1e-5)
    assert result.min() == pytest.approx(1, abs=1e-5)
    far = box_grid(target, (1000, 0, 0), (3, 3, 3))
    assert not resample(np.ones(source.shape, np.float32), source, far).any()


def test_the_field_of_view_keeps_its_centre():
    source = grid((30, 31, 32), (0.7, 1.3, 2.1), (5, -4, 9))
    target = isotropic_grid(source, 2.0)
    centre = [g.affine @ [*((np.asarray(g.shape) - 1) / 2), 1] for g in (source, target)]

    assert np.allclose(*centre)
    assert np.allclose([2, 2, 2], target.spacing)


def test_rotated_grids_are_refused():
    turned = np.eye(4)
    turned[:2, :2] = [[0, 1], [1, 0]]
    with pytest.raises(ValueError, match="not parallel"):
        resample(np.zeros((4, 4, 4)), grid((4, 4, 4)), Grid((4, 4, 4), turned))


def test_nearest_brings_labels_to_a_finer_grid_and_back():
    labels = np.random.default_rng(2).integers(0, 4, (6, 7, 8)).astype(np.uint8)
    coarse, fine = grid(labels.shape, (2, 2, 2)), isotropic_grid(grid(labels.shape, (2, 2, 2)), 1.0)
    there = nearest(labels, coarse, fine)

    assert np.uint8 == there.dtype
    assert np.array_equal(labels.repeat(2, 0).repeat(2, 1).repeat(2, 2), there)
    assert np.array_equal(labels, nearest(there[::2, ::2, ::2], Grid(labels.shape, coarse.affine), coarse))


def test_a_box_may_reach_outside_and_is_zero_there():
    voxels = np.ones((5, 5, 5), np.float32)
    box = box_grid(grid((5, 5, 5)), (0, 2, 2), (5, 5, 5))
    cut = nearest(voxels, grid((5, 5, 5)), box)

    assert not cut[:2].any()
    assert cut[2:].all()


@given(st.tuples(*[st.integers(20, 90)] * 3))
@settings(max_examples=20, deadline=None)
def test_the_locator_sees_sides_that_its_network_can_halve(shape):
    image, padded = locator_input(np.random.default_rng(0).random(shape), grid(shape, (2, 2, 2)), 8)

    assert all(side % 8 == 0 for side in image.shape)
    assert image.shape == padded.shape
    assert np.percentile(image, 99) == pytest.approx(1, rel=1e-3)


@given(st.permutations(range(3)), st.lists(st.sampled_from([-1, 1]), min_size=3, max_size=3))
def test_restoring_undoes_canonical_for_every_orientation(order, signs):
    affine = np.eye(4)
    for column, (row, sign) in enumerate(zip(order, signs, strict=True)):
        affine[:3, column] = 0
        affine[row, column] = sign * (column + 1.0)
    voxels = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    turned, _ = canonical(voxels, affine)

    assert np.array_equal(voxels, restore(turned, affine))
