"""The ways in which a clean head comes: each changes what it names, and nothing moves."""

from dataclasses import replace

import numpy as np
import pytest

from models.preprocess import Grid, nearest
from training.synthesis.acquisition import Style, draw_style
from training.truth import Truth

SPACING = 2.0


@pytest.fixture(scope="module")
def person():
    i, j, k = np.ogrid[-1:1:40j, -1:1:44j, -1:1:36j]
    labels = (i**2 + j**2 + k**2 < 0.5).astype(np.uint8)
    voxels = 100 * labels.astype(np.float32) + 30 * (i**2 + j**2 + k**2 < 0.8)
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    affine[:3, 3] = -40, -44, -36
    return Truth(name="ball", voxels=voxels.astype(np.float32), labels=labels, affine=affine)


def grid(truth):
    return Grid(truth.voxels.shape, truth.affine)


def centre_mm(truth):
    weights = truth.voxels.astype(float)
    index = [
        np.average(np.arange(n), weights=weights.sum(axis=tuple(a for a in range(3) if a != axis)))
        for axis, n in enumerate(weights.shape)
    ]
    return truth.affine[:3, :3] @ index + truth.affine[:3, 3]


def test_the_plain_style_is_the_person(person):
    np.testing.assert_allclose(person.voxels, Style().apply_to(person).voxels, rtol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("gap", [0.0, 1.0])
def test_slices_are_as_far_apart_as_thickness_and_gap_and_the_head_stays(axis, gap, person):
    sliced = Style(slice_axis=axis, thickness_mm=5.0, gap_mm=gap).apply_to(person)

    assert 5.0 + gap == pytest.approx(grid(sliced).spacing[axis])
    np.testing.assert_allclose(centre_mm(person), centre_mm(sliced), atol=0.7)


def test_what_is_in_slices_already_is_not_sliced_again(person):
    sliced = Style(slice_axis=2, thickness_mm=5.0).apply_to(person)
    again = Style(slice_axis=0, thickness_mm=5.0).apply_to(sliced)

    assert sliced.voxels.shape == again.voxels.shape
    np.testing.assert_allclose(sliced.voxels, again.voxels, rtol=1e-5, atol=1e-6)


def test_a_cut_field_of_view_holds_the_same_voxels_at_the_same_place(person):
    cut = Style(kept=((0.1, 0.9), (0.0, 0.8), (0.2, 1.0))).apply_to(person)
    inside = nearest(person.voxels, grid(person), grid(cut))

    assert cut.voxels.size < person.voxels.size
    np.testing.assert_allclose(inside, cut.voxels, rtol=1e-5)


@pytest.mark.parametrize("window", ["partial", "elliptical", "hann"])
def test_a_window_of_k_space_keeps_the_mean_signal_and_loses_detail(window, person):
    filtered = Style(window=window).apply_to(person).voxels

    assert person.voxels.mean() == pytest.approx(filtered.mean(), rel=0.05)
    assert not np.allclose(person.voxels, filtered)


def test_an_extracted_brain_has_nothing_about_it(person):
    extracted = Style(extracted=True).apply_to(person).voxels

    assert 0 == extracted[person.labels == 0].max()
    assert (extracted[person.labels > 0] > 0).all()


def test_shading_and_tone_leave_the_order_of_magnitude(person):
    toned = Style(shading=0.3, shading_seed=1, gamma=1.2).apply_to(person).voxels

    assert 0.3 < toned[person.labels > 0].mean() / person.voxels[person.labels > 0].mean() < 3


def test_every_drawn_style_gives_a_finite_image_whose_labels_lie_where_they_were(person):
    rng = np.random.default_rng(4)
    for _ in range(20):
        styled = draw_style(rng).apply_to(person)

        assert np.isfinite(styled.voxels).all()
        assert styled.voxels.max() > 0
        assert np.array_equal(person.affine, styled.labels_affine)


def test_the_same_seed_draws_the_same_style():
    assert draw_style(np.random.default_rng(7)) == draw_style(np.random.default_rng(7))
    assert draw_style(np.random.default_rng(7)) != replace(draw_style(np.random.default_rng(7)), gamma=9.0)
