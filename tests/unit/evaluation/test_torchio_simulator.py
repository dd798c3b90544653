"""The second simulator: other hands, other grids, and the same physics."""

import numpy as np
import pytest
import torch
import torchio

from models.physics.artefacts import ARTEFACTS, Artefact
from models.preprocess import Grid, resample
from training.evaluation.measure import true_volumes
from training.evaluation.torchio_simulator import (
    FoldOver,
    Movement,
    RicianNoise,
    SecondScan,
    Spikes,
    ThickVoxels,
    draw_scan,
)
from training.truth import Truth

SHAPE = (40, 48, 36)
AFFINE = np.diag([-2.0, -2.0, 2.0, 1.0]) + np.array([[0, 0, 0, 40.0], [0, 0, 0, 50.0], [0, 0, 0, -30.0], [0, 0, 0, 0]])
SCAN = {"acquired_mm": 1.5, "stored_mm": (1.3, 1.8, 1.6)}


@pytest.fixture
def head():
    """A smooth object with air around it, brighter on one side, on 2 mm voxels."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    radius = np.sqrt((grid**2).sum(axis=0))
    return (np.clip(8 * (0.7 - radius), 0, 1) * (2 + grid[0] + 0.3 * np.cos(9 * grid[1]))).astype(np.float32)


@pytest.fixture
def image(head):
    return torchio.ScalarImage(tensor=torch.from_numpy(head)[None], affine=np.diag([1.5, 1.5, 1.5, 1.0]))


def back_on_the_heads_grid(voxels, affine):
    """Canonical order, since the stored image is in it."""
    turned = AFFINE @ np.diag([-1.0, -1.0, 1.0, 1.0])
    turned[:3, 3] = AFFINE[:3, 3] + AFFINE[:3, :3] @ np.array([SHAPE[0] - 1, SHAPE[1] - 1, 0])
    return resample(voxels, Grid(voxels.shape, affine), Grid(SHAPE, turned))[::-1, ::-1]


def test_a_scan_without_a_mishap_is_the_head_on_another_grid_in_twelve_bits(head):
    voxels, affine = SecondScan(**SCAN).apply(head, AFFINE)
    again = back_on_the_heads_grid(voxels, affine)

    assert np.allclose(np.linalg.norm(affine[:3, :3], axis=0), SCAN["stored_mm"])
    assert (voxels == np.rint(voxels)).all()
    assert (0, 4095) == (voxels.min(), voxels.max())
    assert np.corrcoef(again.ravel(), head.ravel())[0, 1] > 0.995  # a voxel out of place gives 0.98


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_an_artefact_vanishes_with_its_severity_and_grows_with_it(head, artefact):
    distances = []
    for severity in (1e-3, 0.4, 1.0):
        scan = draw_scan(artefact, severity, np.random.default_rng(5))
        clean = SecondScan(acquired_mm=scan.acquired_mm, stored_mm=scan.stored_mm)
        pair = [back_on_the_heads_grid(*s.apply(head, AFFINE)) for s in (scan, clean)]
        distances.append(1 - np.corrcoef(pair[0].ravel(), pair[1].ravel())[0, 1])

    assert distances[0] < 0.02
    assert distances[0] < distances[1] < distances[2]


def test_parameters_are_drawn_apart_from_being_applied(head):
    scan = draw_scan(Artefact.NOISE, 0.5, np.random.default_rng(3))
    torch.manual_seed(1)
    first = scan.apply(head, AFFINE)[0]
    torch.manual_seed(2)

    assert scan == draw_scan(Artefact.NOISE, 0.5, np.random.default_rng(3))
    np.testing.assert_array_equal(first, scan.apply(head, AFFINE)[0])


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_folding_over_keeps_the_sum_and_leaves_the_window_in_its_place(image, axis, padded):
    fold = FoldOver(axis=axis, share=0.7, place=0.6, padded=padded)
    folded = fold.apply(image)
    before, after = image.data[0].numpy(), folded.data[0].numpy()

    assert after.sum() == pytest.approx(before.sum(), rel=1e-5)
    low = round(float((np.linalg.inv(image.affine) @ folded.affine)[axis, 3]))
    if not padded:
        assert 0 < low
        assert after.shape[axis] < before.shape[axis]
    start = 0 if padded else low
    inner = slice(start, start + after.shape[axis])
    untouched = np.take(after, after.shape[axis] // 2, axis), np.take(before[inner] if axis == 0 else before, 0, axis)
    assert untouched[0].shape == untouched[1].shape
    middle = low + after.shape[axis] // 2
    np.testing.assert_allclose(np.take(after, middle - start, axis), np.take(before, middle, axis))


def test_what_leaves_the_window_comes_back_a_window_further(image):
    fold = FoldOver(axis=1, share=0.7, place=0.5, padded=False)
    before, after = image.data[0].numpy(), fold.apply(image).data[0].numpy()
    low = round(float((np.linalg.inv(image.affine) @ fold.apply(image).affine)[1, 3]))
    width = after.shape[1]

    np.testing.assert_allclose(after[:, 0], before[:, low] + before[:, low + width], rtol=1e-6)


def test_noise_is_rician(image):
    noisy = RicianNoise(share=0.1, seed=4).apply(image).data[0].numpy()
    air = noisy[image.data[0].numpy() == 0]
    std = np.sqrt((air**2).mean() / 2)

    assert air.min() >= 0
    assert air.mean() / std == pytest.approx(np.sqrt(np.pi / 2), rel=0.02)  # Rayleigh
    bright = image.data[0].numpy()
    level = np.percentile(bright[bright > 0.1 * np.percentile(bright, 99)], 95)
    assert std == pytest.approx(0.1 * level, rel=0.02)


def test_a_spike_is_stored_as_a_magnitude(image):
    """The real part, torchio's own choice, would leave dark stripes in the air; a magnitude is flat there."""
    stored = Spikes(positions=((0.7, 0.5, 0.5),), intensity=3.0).apply(image).data[0].numpy()
    before = image.data[0].numpy()

    np.testing.assert_allclose(stored[before == 0], 3.0 * before.mean(), rtol=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_movement_smears_along_the_axis_of_phase_encoding_alone(axis):
    """A point that jumps six voxels across it late in the scan: two points, each smeared along the axis."""
    across = (axis + 1) % 3
    voxels = np.zeros((20, 20, 20), np.float32)
    voxels[10, 10, 10] = 1
    image = torchio.ScalarImage(tensor=torch.from_numpy(voxels)[None], affine=np.eye(4))
    shift = tuple(6.0 * (a == [a for a in range(3) if a != axis].index(across)) for a in range(3))
    movement = Movement(axis=axis, times=(0.8,), degrees=((0.0, 0.0, 0.0),), millimetres=(shift,))
    moved = movement.apply(image).data[0].numpy()

    touched = np.argwhere(moved > 1e-3)
    assert {10} == set(touched[:, 3 - axis - across])
    assert 2 == len(set(touched[:, across]))
    assert len(set(touched[:, axis])) > 10
    assert 0.7 < moved[10, 10, 10] < 0.9  # four fifths of the lines saw it there


@pytest.mark.parametrize("gaussian", [True, False])
def test_thick_voxels_blur_along_their_axis_only(gaussian):
    texture = np.random.default_rng(0).random((30, 30, 30), np.float32)
    image = torchio.ScalarImage(tensor=torch.from_numpy(texture)[None], affine=np.eye(4))
    blurred = ThickVoxels(factors=(1.0, 5.0, 1.0), gaussian=gaussian).apply(image).data[0].numpy()
    relative = [np.abs(np.diff(blurred, axis=a)).mean() / np.abs(np.diff(blurred, axis=0)).mean() for a in range(3)]

    assert blurred.shape == texture.shape
    assert relative[1] < 0.5
    assert 0.9 < relative[2] < 1.1


def test_labels_keep_their_own_grid(head):
    labels = (head > 1.5).astype(np.uint8)
    truth = Truth(name="x", voxels=head, labels=labels, affine=np.eye(4), labels_affine=AFFINE)

    assert true_volumes(truth)["CSF"] == pytest.approx(labels.sum() * 8 / 1000)
