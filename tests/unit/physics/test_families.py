"""Further physical models of the artefacts: each does what its formula says, and the same parameters do the same."""

import numpy as np
import pytest
from scipy import fft

from models.physics.artefacts import ARTEFACTS, Artefact
from models.physics.effects import (
    ColouredNoise,
    Decay,
    GFactorNoise,
    Interpolated,
    LinePhase,
    LineSpike,
    MissingLines,
    PeriodicPhase,
    spoil,
)
from models.physics.families import FAMILIES

SPACING = (2.0, 2.0, 2.0)
ALL = [(artefact, family) for artefact in ARTEFACTS for family in FAMILIES[artefact]]


@pytest.fixture(scope="module")
def head():
    i, j, k = np.ogrid[-1:1:32j, -1:1:36j, -1:1:28j]
    ball = (i**2 + j**2 + k**2 < 0.6).astype(np.float32)
    return ball * np.random.default_rng(0).uniform(0.7, 1.0, ball.shape).astype(np.float32)


def spectrum(image):
    return fft.fftn(image.astype(np.complex64))


@pytest.mark.parametrize(("artefact", "family"), ALL)
def test_a_family_gives_the_same_for_the_same_seed_and_more_for_more(artefact, family, head):
    draw = FAMILIES[artefact][family]
    mild, strong, again = (
        spoil(head, draw(severity, np.random.default_rng(5)), SPACING) for severity in (0.1, 0.9, 0.9)
    )

    assert head.shape == strong.shape
    assert np.float32 == strong.dtype
    assert np.isfinite(strong).all()
    assert np.array_equal(strong, again)
    assert np.abs(mild - head).mean() < np.abs(strong - head).mean()


def test_each_artefact_has_at_least_three_families():
    assert {*ARTEFACTS} == {*FAMILIES}
    assert all(len(FAMILIES[artefact]) >= 3 for artefact in Artefact)


def test_without_effects_the_image_is_itself(head):
    assert spoil(head, (), SPACING) is head


@pytest.mark.parametrize(
    "noise", [ColouredNoise(snr_db=0, exponent=1.5, seed=1), GFactorNoise(snr_db=0, axis=1, gain=4, seed=1)]
)
def test_noise_has_the_power_of_its_decibels(noise, head):
    before = spectrum(head)
    added = noise.apply(before) - before

    assert 1.0 == pytest.approx(np.vdot(added, added).real / np.vdot(before, before).real, rel=0.1)


def test_coloured_noise_grows_with_frequency(head):
    before = spectrum(head)
    power = np.abs(ColouredNoise(snr_db=0, exponent=1.5, seed=1).apply(before) - before) ** 2
    radius = np.sqrt(sum(f**2 for f in np.meshgrid(*map(fft.fftfreq, head.shape), indexing="ij")))
    shells = [power[(radius > low) & (radius < low + 0.05)].mean() for low in (0.1, 0.4)]

    assert (0.425 / 0.125) ** 1.5 == pytest.approx(shells[1] / shells[0], rel=0.15)


def test_noise_of_parallel_imaging_is_strongest_in_the_middle(head):
    before = spectrum(head)
    noise = np.abs(fft.ifftn(GFactorNoise(snr_db=0, axis=1, gain=4, seed=1).apply(before) - before))

    assert noise[:, 16:20].mean() > 3 * noise[:, [0, 1, -2, -1]].mean()


def test_a_line_spike_raises_one_line_alone(head):
    before = spectrum(head)
    changed = np.abs(LineSpike(axis=2, positions=(0.25, 0.25), amplitude=2, seed=1).apply(before) - before) > 1e-3

    assert [(8, 9)] == sorted({(int(i), int(j)) for i, j, _ in np.argwhere(changed)})
    assert 28 == changed.sum()


def test_a_decay_weighs_the_last_line_by_its_strength_and_leaves_the_centre(head):
    before = spectrum(head)
    ratio = np.abs(Decay(axis=0, strength=3.0, centric=True).apply(before)) / np.abs(before)

    assert np.exp(-3.0) == pytest.approx(ratio[16].mean(), rel=1e-4)
    assert 1.0 == pytest.approx(ratio[0].mean(), rel=1e-4)


def test_interpolation_keeps_the_grid_and_loses_the_detail(head):
    image = np.abs(fft.ifftn(Interpolated(factors=(3.0, 1.0, 1.0)).apply(spectrum(head))))

    assert head.shape == image.shape
    assert np.abs(np.diff(image, axis=0)).mean() < 0.7 * np.abs(np.diff(head, axis=0)).mean()


def test_periodic_motion_makes_ghosts_at_its_distance():
    point = np.zeros((32, 32, 8), np.float32)
    point[16, 16, 4] = 1.0
    ghost = spoil(point, (PeriodicPhase(axis=0, cycles=6, phase=0.5, size=0.0),), SPACING)
    along = ghost[:, 16, 4].copy()
    along[16] = 0

    assert {10, 22} == set(np.argsort(along)[-2:].tolist())


def test_random_phases_keep_the_power_of_every_line(head):
    before = spectrum(head)
    after = LinePhase(axis=1, phase=1.0, seed=2).apply(before)

    np.testing.assert_allclose(np.abs(after), np.abs(before), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(after[:, 0], before[:, 0])


def test_lines_go_missing_at_the_edge_and_never_at_the_centre(head):
    before = spectrum(head)
    kept = np.abs(MissingLines(axis=1, dropped=0.9, seed=3).apply(before)).sum(axis=(0, 2)) > 0
    frequency = np.abs(fft.fftfreq(36))

    assert kept[0]
    assert kept[frequency < 0.1].mean() > kept[frequency > 0.3].mean()
