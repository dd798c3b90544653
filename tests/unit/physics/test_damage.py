"""What an artefact is said to do is what it does."""

import numpy as np
import pytest
from scipy import fft
from scipy.spatial.transform import Rotation

from models.physics.artefacts import ARTEFACTS, Artefact
from models.physics.damage import damage_of, expected_loss
from models.physics.kspace import Blur, Fold, Motion, Noise, Pose, Spike, Wrap, acquire

SPACING = (1.0, 1.5, 2.0)
IMAGE = np.random.default_rng(0).random((40, 32, 24)).astype(np.float32)


def changed(corruption):
    """The share of k-space that is not that of the image, and the power of the image over that of what was added."""
    before, after = fft.fftn(IMAGE), acquire(IMAGE, (corruption,), SPACING)
    added = np.abs(after - before)
    return (added > 1e-3 * np.abs(before)).mean(), 10 * np.log10((np.abs(before) ** 2).sum() / (added**2).sum())


@pytest.mark.parametrize(
    "corruption",
    [
        Noise(snr_db=3.0, seed=1),
        Spike(amplitude=0.7, position=(0.2, -0.1, 0.3), phase=1.0),
        Blur(factors=(2.0, 1.0, 3.0)),
        Wrap(axis=1, period=2),
        Wrap(axis=0, dropped=0.4, seed=3),
        Motion(axis=0, poses=(Pose(start=0.7, degrees=(0, 0, 0), millimetres=(3.0, 0, 4.0)),)),
    ],
)
def test_the_share_of_kspace_is_that_which_changes(corruption):
    assert changed(corruption)[0] == pytest.approx(damage_of(corruption, IMAGE, SPACING).kspace, abs=0.02)


@pytest.mark.parametrize(
    "corruption", [Noise(snr_db=3.0, seed=1), Spike(amplitude=0.7, position=(0.2, -0.1, 0.3), phase=1.0)]
)
def test_the_signal_to_noise_ratio_is_that_of_what_was_added(corruption):
    assert changed(corruption)[1] == pytest.approx(damage_of(corruption, IMAGE, SPACING).snr_db, abs=0.1)


def test_a_shift_is_as_long_as_it_is():
    motion = Motion(axis=2, poses=(Pose(start=0.8, degrees=(0, 0, 0), millimetres=(3.0, 0, 4.0)),))

    assert damage_of(motion, IMAGE, SPACING).displacement_mm == pytest.approx(5.0)


def test_a_turn_moves_a_head_by_the_root_mean_square_over_a_sphere():
    motion = Motion(axis=2, poses=(Pose(start=0.8, degrees=(4.0, -3.0, 5.0), millimetres=(1.0, 2.0, 0)),))
    rng = np.random.default_rng(1)
    points = rng.uniform(-80, 80, (200_000, 3))
    points = points[np.linalg.norm(points, axis=1) <= 80]
    turn = Rotation.from_euler("xyz", (4.0, -3.0, 5.0), degrees=True).as_matrix()
    moved = points @ turn.T + (1.0, 2.0, 0) - points

    expected = np.sqrt((moved**2).sum(axis=1).mean())
    assert damage_of(motion, IMAGE, SPACING).displacement_mm == pytest.approx(expected, rel=0.01)


def test_a_fold_tells_the_share_outside():
    assert damage_of(Fold(axis=0, share=0.7, place=0.5), IMAGE, SPACING).outside == pytest.approx(0.3)


def test_an_empty_image_has_no_signal_to_lose():
    spike = Spike(amplitude=1.0, position=(0.2, 0.1, 0.1), phase=0.0)

    assert damage_of(spike, np.zeros((8, 8, 8), np.float32), SPACING).snr_db == float("inf")


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_nothing_costs_nothing_and_more_costs_no_less(artefact):
    losses = [expected_loss(artefact, severity) for severity in np.linspace(0, 1, 21)]

    assert losses[0] == 0.0
    assert losses == sorted(losses)


def test_half_of_the_way_costs_the_mean_of_both_ends():
    assert expected_loss(Artefact.NOISE, 0.9) == pytest.approx((0.18 + 0.33) / 2)
