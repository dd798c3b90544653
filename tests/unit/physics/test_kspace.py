"""The artefacts obey the physics they are named after (identities of the discrete Fourier transform)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from models.physics.artefacts import ARTEFACTS, Artefact
from models.physics.kspace import Blur, Fold, Motion, Noise, Pose, Spike, Wrap, acquire, corrupt, magnitude
from models.physics.severity import draw

SPACING = (2.0, 2.0, 2.0)


@pytest.fixture
def head():
    """A smooth non-negative object with air around it."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in (24, 30, 20)), indexing="ij"))
    radius = np.sqrt((grid**2).sum(axis=0))
    return np.where(radius < 0.7, 1 + 0.3 * np.cos(9 * grid[0]) * np.sin(7 * grid[1]), 0).astype(np.float32)


def relative(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def test_no_artefact_leaves_the_image_itself(head):
    assert corrupt(head, (), SPACING) is head


def test_k_space_and_back_is_the_identity(head):
    assert relative(magnitude(acquire(head, (), SPACING)), head) < 1e-6


def test_noise_meets_its_signal_to_noise_ratio(head):
    spectrum = acquire(head, (), SPACING)
    noise = Noise(snr_db=7, seed=3).apply(spectrum) - spectrum
    found = 10 * np.log10(np.vdot(spectrum, spectrum).real / np.vdot(noise, noise).real)

    assert found == pytest.approx(7, abs=0.1)


def test_noise_spreads_evenly_over_the_image(head):
    spectrum = acquire(head, (), SPACING)
    noise = Noise(snr_db=0, seed=3).apply(spectrum) - spectrum
    in_image = np.fft.ifftn(noise)

    assert noise.real.std() / np.sqrt(noise.size) == pytest.approx(in_image.real.std(), rel=0.02)
    assert noise.real.std() == pytest.approx(noise.imag.std(), rel=0.02)


def test_a_spike_adds_one_plane_wave_in_units_of_the_mean(head):
    spike = Spike(amplitude=2.0, position=(0.25, 0.1, 0.0), phase=0.4)
    added = np.fft.ifftn(acquire(head, (spike,), SPACING)) - np.fft.ifftn(np.fft.fftn(head))
    i, j, _ = np.meshgrid(*(np.arange(n) for n in head.shape), indexing="ij")
    wave = np.exp(1j * (2 * np.pi * (6 * i / 24 + 3 * j / 30) + 0.4))

    assert relative(added, 2.0 * head.mean() * wave) < 1e-4


def test_blur_keeps_the_mean_and_is_idempotent(head):
    blur = Blur(factors=(3.0, 1.0, 2.0))
    once = acquire(head, (blur,), SPACING)

    assert once[0, 0, 0] == pytest.approx(head.sum(), rel=1e-5)
    assert np.array_equal(once, blur.apply(once))
    assert np.vdot(once, once).real < np.vdot(*(acquire(head, (), SPACING),) * 2).real


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_keeping_every_second_line_folds_the_image_over_half_the_field(head, axis):
    folded = corrupt(head, (Wrap(axis=axis, period=2),), SPACING)
    expected = (head + np.roll(head, head.shape[axis] // 2, axis)) / 2

    assert relative(folded, expected) < 1e-5


def test_dropping_lines_at_random_keeps_the_central_one(head):
    everything = Wrap(axis=1, dropped=1.0, seed=1)

    assert acquire(head, (everything,), SPACING)[0, 0, 0] == pytest.approx(head.sum(), rel=1e-5)


def test_the_same_pose_throughout_is_no_motion(head):
    pose = Pose(start=0.0, degrees=(4, 0, 0), millimetres=(2, 1, 0))

    assert relative(corrupt(head, (Motion(axis=0, poses=(pose,)),), SPACING), head) < 1e-6


def test_a_shift_over_the_second_half_of_k_space_keeps_the_first_half(head):
    shift = Pose(start=0.5 + 1e-6, degrees=(0, 0, 0), millimetres=(4, 0, 0))
    moved = acquire(head, (Motion(axis=1, poses=(shift,)),), SPACING)
    still = acquire(head, (), SPACING)
    early = np.fft.fftfreq(head.shape[1]) <= 0

    assert np.allclose(moved[:, early], still[:, early])
    assert not np.allclose(moved[:, ~early], still[:, ~early], rtol=0.1)


def test_a_whole_voxel_shift_is_a_phase_ramp(head):
    shift = Pose(start=0.6, degrees=(0, 0, 0), millimetres=(4, 0, 0))
    moved = acquire(head, (Motion(axis=1, poses=(shift,)),), SPACING)
    late = np.fft.fftfreq(head.shape[1]) + 0.5 >= 0.6
    ramp = np.exp(-2j * np.pi * np.fft.fftfreq(head.shape[0]) * 2)[:, None, None]
    expected = acquire(head, (), SPACING) * ramp

    assert relative(moved[:, late], expected[:, late]) < 2e-3


def test_the_pose_at_the_k_space_centre_is_rest(head):
    """The anatomy must stay where its labels are, whatever the head did before and after."""
    poses = (
        Pose(start=0.2, degrees=(0, 0, 0), millimetres=(8, 0, 0)),
        Pose(start=0.4, degrees=(0, 0, 3), millimetres=(0, 6, 0)),
        Pose(start=0.9, degrees=(3, 0, 0), millimetres=(0, 0, 4)),
    )
    moved = acquire(head, (Motion(axis=2, poses=poses),), SPACING)
    time = np.fft.fftfreq(head.shape[2]) + 0.5
    central = (time >= 0.4) & (time < 0.9)

    assert np.allclose(moved[..., central], acquire(head, (), SPACING)[..., central])
    assert not np.allclose(moved[..., ~central], acquire(head, (), SPACING)[..., ~central], rtol=0.1)


@given(st.sampled_from(ARTEFACTS), st.floats(0.05, 1.0), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_drawn_artefacts_replay_and_change_the_image(artefact, severity, seed):
    image = np.random.default_rng(seed).random((16, 18, 20), np.float32)
    first, second = (corrupt(image, (draw(artefact, severity, np.random.default_rng(seed)),), SPACING) for _ in "ab")

    assert np.array_equal(first, second)
    assert image.shape == first.shape
    assert np.float32 == first.dtype
    assert np.isfinite(first).all()
    assert not np.array_equal(image, first)


@pytest.mark.parametrize("artefact", [Artefact.NOISE, Artefact.SPIKE, Artefact.BLUR])
def test_a_higher_severity_does_more_harm(head, artefact):
    harm = [
        np.mean(
            [
                np.abs(corrupt(head, (draw(artefact, s, np.random.default_rng(n)),), SPACING) - head).mean()
                for n in range(8)
            ]
        )
        for s in (0.1, 0.4, 0.7, 1.0)
    ]

    assert sorted(harm) == harm


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_fold_keeps_the_sum_and_leaves_nothing_outside_its_window(head, axis):
    fold = Fold(axis=axis, share=0.6, place=0.5)
    folded = corrupt(head, (fold,), SPACING)
    profile = folded.max(axis=tuple(a for a in range(3) if a != axis))
    whole = head.max(axis=tuple(a for a in range(3) if a != axis))
    shown = np.flatnonzero(whole > 0.15 * whole.max())

    assert folded.sum() == pytest.approx(head.sum(), rel=1e-3)
    assert np.count_nonzero(profile > 1e-3 * profile.max()) <= round(0.6 * (np.ptp(shown) + 1))


def test_what_is_folded_is_the_head_a_field_of_view_away():
    """Twelve slices, of which six are imaged: each is the sum of two."""
    image = np.zeros((12, 4, 4), np.float32)
    image[:, 1:3, 1:3] = np.arange(1, 13)[:, None, None]
    folded = corrupt(image, (Fold(axis=0, share=0.5, place=0.5),), SPACING)[:, 1, 1]
    first = np.flatnonzero(image[:, 1, 1] > 0.15 * 12)[0]
    extent = 12 - first
    width = round(0.5 * extent)
    low = first + round(0.5 * (extent - width))
    expected = np.zeros(12)
    for source, value in enumerate(image[:, 1, 1]):
        expected[low + (source - low) % width] += value

    np.testing.assert_allclose(folded, expected, atol=1e-4)


def test_a_soft_blur_is_scipys_gaussian():
    image = np.random.default_rng(0).random((64, 8, 8)).astype(np.float32)
    blurred = corrupt(image, (Blur(factors=(4.0, 1.0, 1.0), soft=True),), SPACING)
    expected = gaussian_filter1d(image, 4.0 / 2.355, axis=0, mode="wrap")

    np.testing.assert_allclose(blurred, expected, atol=2e-3)
