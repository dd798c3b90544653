"""torch's physics and numpy's are one: the same parameters, the same image."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from models.physics import kspace
from models.physics.artefacts import ARTEFACTS, Artefact
from models.physics.kspace import Fold, Motion, Noise, Wrap
from models.physics.severity import draw
from training.synthesis import physics

SPACING = (2.0, 1.0, 3.0)


@pytest.fixture(scope="module")
def head():
    """A smooth object of many scales with air around it."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in (40, 54, 45)), indexing="ij"))
    inside = np.sqrt((grid**2).sum(axis=0)) < 0.75
    texture = gaussian_filter(rng.standard_normal(inside.shape), 1.5)
    return gaussian_filter(np.where(inside, 1 + 2 * texture, 0), 0.8).clip(0).astype(np.float32)


def both(head, corruptions, spacing=SPACING):
    ours = physics.magnitude(physics.acquire(torch.from_numpy(head), corruptions, spacing)).numpy()
    return ours, kspace.magnitude(kspace.acquire(head, corruptions, spacing))


def without_noise():
    for artefact in (kind for kind in ARTEFACTS if kind is not Artefact.NOISE):
        for seed in range(8):
            yield pytest.param(draw(artefact, 0.2 + 0.1 * seed, np.random.default_rng(seed)), id=f"{artefact}-{seed}")


@pytest.mark.parametrize("corruption", list(without_noise()))
def test_an_artefact_is_the_same_in_torch(head, corruption):
    ours, theirs = both(head, (corruption,))
    # two interpolations of a moved head differ where it has detail of a voxel's size
    tolerance = 0.03 if isinstance(corruption, Motion) else 1e-4

    assert np.sqrt(((ours - theirs) ** 2).mean()) < tolerance * np.sqrt((theirs**2).mean())
    assert np.abs(theirs - head).max() > 10 * tolerance * theirs.std() or isinstance(corruption, Motion)


def test_all_folds_and_wraps_are_among_those_tested():
    tested = {type(parameters.values[0]) for parameters in without_noise()}

    assert {Fold, Wrap} < tested
    assert {type(draw(a, 0.5, np.random.default_rng(s))) for a in ARTEFACTS for s in range(9)} - tested == {Noise}


def test_several_artefacts_happen_in_their_order(head):
    corruptions = [draw(artefact, 0.4, np.random.default_rng(5)) for artefact in (Artefact.BLUR, Artefact.SPIKE)]
    ours, theirs = both(head, corruptions)

    np.testing.assert_allclose(ours, theirs, atol=1e-4 * theirs.max())


def test_a_moved_head_is_moved_as_far(head):
    """Half a scan late: everything but the reference's lines sees the new pose."""
    pose = kspace.Pose(start=0.0, degrees=(4.0, -7.0, 2.0), millimetres=(3.0, -2.0, 5.0))
    back = kspace.Pose(start=0.49, degrees=(0.0, 0.0, 0.0), millimetres=(0.0, 0.0, 0.0))
    ours, theirs = both(head, (Motion(axis=1, poses=(pose, back)),))

    assert np.corrcoef((ours - head).ravel(), (theirs - head).ravel())[0, 1] > 0.99


def test_noise_meets_its_signal_to_noise_ratio_and_is_white(head):
    spectrum = physics.acquire(torch.from_numpy(head), (), SPACING)
    noise = physics.acquire(torch.from_numpy(head), (Noise(snr_db=7, seed=3),), SPACING) - spectrum
    found = 10 * torch.log10(spectrum.abs().square().sum() / noise.abs().square().sum()).item()

    assert found == pytest.approx(7, abs=0.1)
    assert noise.real.std().item() == pytest.approx(noise.imag.std().item(), rel=0.02)
    low, high = noise[:10, :10, :10], noise[15:25, 22:32, 17:27]
    assert low.abs().mean().item() == pytest.approx(high.abs().mean().item(), rel=0.1)


@pytest.mark.parametrize("factor", [1.0, 1.3, 2.0])
def test_zero_filling_keeps_intensities_and_the_samples_in_between(head, factor):
    spectrum = torch.fft.fftn(torch.from_numpy(head))
    shape = tuple(round(factor * n) for n in head.shape)
    filled = torch.fft.ifftn(physics.zero_fill(spectrum, shape)).real

    assert shape == tuple(filled.shape)
    assert filled.mean().item() == pytest.approx(head.mean(), rel=1e-5)
    if factor == 2.0:
        # an even side has a line at its edge that a longer side has twice: the samples differ by that one
        np.testing.assert_allclose(filled[::2, ::2, ::2], head, atol=2e-2)
