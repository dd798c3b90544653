"""The description of a stored image: finite, blind to its scale and its axes, and moved by every artefact."""

import numpy as np
import pytest
from scipy import ndimage

from models.physics.artefacts import ARTEFACTS
from models.physics.kspace import corrupt
from models.physics.severity import draw
from models.physics.spectrum import describe, feature_names, is_noise

SHAPE = (48, 56, 40)


def head(seed=0):
    """A smooth ellipsoid with structure inside and air around it."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    inside = sum((axis / radius) ** 2 for axis, radius in zip(axes, (0.7, 0.8, 0.6), strict=True)) < 1
    tissue = 1 + ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.5)
    return np.clip(inside * tissue * 100 + rng.normal(0, 0.5, SHAPE), 0, None).astype(np.float32)


def test_there_is_a_finite_number_for_every_name():
    features = describe(head(), np.eye(4))

    assert (len(feature_names()),) == features.shape
    assert len(set(feature_names())) == len(feature_names())
    assert np.isfinite(features).all()


@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e4])
def test_the_intensity_scale_does_not_matter(factor):
    np.testing.assert_allclose(describe(head(), np.eye(4)), describe(head() * factor, np.eye(4)), rtol=1e-3, atol=1e-4)


def test_rows_and_columns_may_change_places():
    """Not quite so the last axis: the spectrum of real values keeps half of it, and its middle plane counts twice."""
    turned = np.ascontiguousarray(head().transpose(1, 0, 2))

    np.testing.assert_allclose(describe(head(), np.eye(4)), describe(turned, np.eye(4)), rtol=2e-2, atol=2e-2)


def test_a_constant_volume_is_described_too():
    assert np.isfinite(describe(np.ones(SHAPE, np.float32), np.eye(4))).all()


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_every_artefact_moves_the_description_more_than_another_head_does(artefact):
    clean = np.stack([describe(head(seed), np.eye(4)) for seed in range(6)])
    corrupted = corrupt(head(), (draw(artefact, 0.9, np.random.default_rng(1)),), (1.0, 1.0, 1.0))
    distance = np.abs(describe(corrupted, np.eye(4)) - clean.mean(axis=0)) / (clean.std(axis=0) + 1e-3)

    assert distance.max() > 10


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.7, 3.0)])
def test_noise_alone_is_known_by_its_flat_spectrum(spacing):
    noise = np.random.default_rng(0).rayleigh(1, (60, 70, 50)).astype(np.float32)
    affine = np.diag([*spacing, 1.0])

    assert is_noise(describe(noise, affine))
    assert is_noise(describe(np.ones_like(noise), affine))


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_a_body_is_no_noise_however_it_is_spoilt(artefact):
    index = np.indices((60, 60, 60)) - 30
    body = (np.sqrt((index**2).sum(axis=0)) < 20).astype(np.float32)
    spoilt = corrupt(body, (draw(artefact, 1.0, np.random.default_rng(1)),), np.ones(3))

    assert not is_noise(describe(spoilt, np.eye(4)))
