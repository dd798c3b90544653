"""A head on another grid is the same head in the same place."""

import numpy as np
import pytest

from models.physics.artefacts import ARTEFACTS
from models.preprocess import Grid, canonical, resample
from training.evaluation.grids import grid_table, on_other_grids
from training.evaluation.measure import Row
from training.truth import Truth

AFFINE = np.array([[-2.0, 0, 0, 40], [0, -2.0, 0, 50], [0, 0, 2.0, -30], [0, 0, 0, 1]])


@pytest.fixture
def truth():
    """An asymmetric object with a brain in its upper half."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in (40, 48, 44)), indexing="ij"))
    voxels = (np.clip(6 * (0.8 - np.sqrt((grid**2).sum(axis=0))), 0, 1) * (3 + grid[0] + grid[1])).astype(np.float32)
    brain = np.sqrt(grid[0] ** 2 + grid[1] ** 2 + (grid[2] - 0.3) ** 2) < 0.35
    return Truth(name="x", voxels=voxels, labels=(2 * brain).astype(np.uint8), affine=AFFINE)


def test_turned_heads_are_the_untouched_one_to_the_bit(truth):
    expected, affine = canonical(truth.voxels, truth.affine)
    turned = [case for case in on_other_grids(truth) if "turned" in case.setting]

    assert len({case.voxels.shape for case in turned}) > 2
    for case in turned:
        voxels, placed = canonical(case.voxels, case.affine)
        np.testing.assert_array_equal(expected, voxels)
        np.testing.assert_allclose(affine, placed, atol=1e-9)


def centre_of_mass(voxels, affine):
    index = np.argwhere(voxels > 0)
    return affine[:3, :3] @ np.average(index, axis=0, weights=voxels[voxels > 0]) + affine[:3, 3]


def test_a_resampled_head_keeps_its_place_to_a_tenth_of_a_millimetre(truth):
    """Half a voxel of a thick slice would be two."""
    expected = centre_of_mass(truth.voxels, truth.affine)
    for case in on_other_grids(truth):
        if "cut" not in case.setting:
            np.testing.assert_allclose(centre_of_mass(case.voxels, case.affine), expected, atol=0.1)


def test_every_grid_shows_the_same_head(truth):
    expected, affine = canonical(truth.voxels, truth.affine)
    for case in on_other_grids(truth):
        voxels, placed = canonical(case.voxels, case.affine)
        back = resample(voxels, Grid(voxels.shape, placed), Grid(expected.shape, affine))
        seen = back > 0.5
        assert np.corrcoef(back[seen], expected[seen])[0, 1] > 0.98, case.setting
        np.testing.assert_array_equal(case.labels_affine, truth.affine)


def test_cuts_leave_the_brain_and_remove_what_is_below(truth):
    whole = canonical(truth.voxels, truth.affine)[0].shape[2]
    brain = canonical(truth.labels, truth.affine)[0].any(axis=(0, 1))
    cases = {case.setting: case for case in on_other_grids(truth)}
    neck = cases["cut at the neck, 5 mm below the brain"].voxels.shape[2]

    assert brain.sum() < neck < whole
    assert whole - neck == np.flatnonzero(brain)[0] - 2  # 5 mm are two voxels of 2 mm


def row(setting, dice, level):
    scores = {artefact.value: 0.1 for artefact in ARTEFACTS} | {"uncertainty": level, "motion": 0.4}
    return Row(name="p", setting=setting, severity={}, dice={"grey matter": dice}, scores=scores, causes={})


def test_the_table_compares_with_the_same_persons_untouched_head():
    lost = Row(name="p", setting="hard", severity={}, dice={}, scores={}, causes={})
    lines = list(grid_table([row("untouched", 0.8, 0.4), row("thick", 0.7, 0.5), lost]))

    assert "| thick | 1 | 0.700 | -0.100 | -0.100 | 0.500 | +0.100 | motion |" in lines
    assert any(line.startswith("| hard | 1 | 0.000 | -0.800 |") and "no head" in line for line in lines)
