"""Image quality measures against MRIQC's values, independent formulas and hand-made images."""

import numpy as np
import pytest
import scipy.stats

from models.quality import iqm
from models.quality.foreground import clip_level, find_regions

SHAPE = (40, 44, 36)


def radius(shape=SHAPE, share=0.3):
    return sum(((axis - n / 2) / (n * share)) ** 2 for axis, n in zip(np.indices(shape), shape, strict=True))


def head(noise=30.0, seed=3):
    """A bright ellipsoid in a darker one, with Rician noise; the voxels, and the radius squared of the outer one."""
    rng = np.random.default_rng(seed)
    from_middle = radius()
    clean = np.where(from_middle < 0.4, 900, np.where(from_middle < 1, 500, 0))
    voxels = np.hypot(clean + rng.normal(0, noise, SHAPE), rng.normal(0, noise, SHAPE)).astype(np.float32)
    return voxels, from_middle


#: What MRIQC 24.0.2's own functions (mriqc.qc, statsmodels 0.15) say of head().
MRIQC = {
    "snr": 3.42092,
    "snrd": 20.0594,
    "cjv": 0.147531,
    "cnr": 8.66494,
    "fber": 213.522,
    "efc": 0.4552,
    "gsr_x": 0.000466841,
    "gsr_y": -0.000303154,
    "summary_mean": 37.5589,
    "summary_stdv": 19.6947,
    "summary_median": 35.2207,
    "summary_mad": 20.0604,
    "summary_p05": 9.5515,
    "summary_p95": 73.4533,
    "summary_k": 0.2687,
    "summary_n": 52731.0,
}


def of_head():
    voxels, from_middle = head()
    body, air = from_middle < 1, from_middle > 1.3
    inside, outside = voxels[body], voxels[air]
    bright, dark = voxels[from_middle < 0.3], voxels[(from_middle > 0.5) & (from_middle < 0.9)]
    noise = float(outside.std())
    return {
        "snr": iqm.snr(float(inside.mean()), float(inside.std()), inside.size),
        "snrd": iqm.snr_dietrich(float(inside.mean()), noise),
        "cjv": iqm.cjv(bright, dark),
        "cnr": iqm.cnr(bright, dark, noise),
        "fber": iqm.fber(inside, voxels[~body]),
        "efc": iqm.efc(voxels),
        "gsr_x": iqm.gsr(voxels, body, 0),
        "gsr_y": iqm.gsr(voxels, body, 1),
        **{f"summary_{name}": value for name, value in iqm.summary(outside).items()},
    }


def test_formulas_give_what_mriqc_gives():
    assert pytest.approx(MRIQC, rel=2e-4) == of_head()


def test_statistics_of_a_region_are_those_of_scipy():
    values = np.random.default_rng(1).gamma(2, 30, 5000).astype(np.float32)
    found = iqm.summary(values)

    assert float(scipy.stats.kurtosis(values)) == pytest.approx(found["k"], rel=1e-4)
    assert float(scipy.stats.median_abs_deviation(values, scale="normal")) == pytest.approx(found["mad"], rel=1e-5)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.5])
def test_the_width_of_smoothed_noise_is_that_of_its_gaussian(sigma):
    noise = scipy.ndimage.gaussian_filter(np.random.default_rng(2).normal(size=(64, 64, 64)), sigma, mode="wrap")
    body = np.ones(noise.shape, bool)

    assert 2.3548 * sigma == pytest.approx(iqm.fwhm(noise.astype(np.float32), body, 1), rel=0.05)


def test_an_even_image_has_the_highest_entropy_and_one_voxel_the_lowest():
    even, single = np.ones((8, 8, 8), np.float32), np.zeros((8, 8, 8), np.float32)
    single[3, 3, 3] = 7

    assert (1.0, 0.0) == pytest.approx((iqm.efc(even), iqm.efc(single)), abs=1e-6)


def test_the_air_of_noise_holds_no_artefact_and_a_ghost_is_counted():
    voxels, from_middle = head(noise=10)
    air = voxels[from_middle > 1.3]
    ghosted = air.copy()
    ghosted[: len(air) // 20] += 200

    assert iqm.qi_1_rayleigh(air) < 5e-4
    assert 0.05 == pytest.approx(iqm.qi_1_rayleigh(ghosted), abs=2e-3)


def test_a_ghost_of_half_a_field_of_view_is_its_share_of_the_signal_along_its_axis():
    voxels, from_middle = head(noise=0)
    body = from_middle < 1
    beside = np.roll(voxels, SHAPE[1] // 2, axis=1)
    ghosted = voxels + np.float32(0.04) * beside
    shown = (np.roll(body, SHAPE[1] // 2, axis=1) & ~body).astype(bool)

    assert 0.0 == iqm.gsr(voxels, body, 1)
    assert 0.04 * beside[shown].mean() / np.median(ghosted[body]) == pytest.approx(iqm.gsr(ghosted, body, 1), rel=1e-4)


def test_one_dark_slice_is_a_step_and_alternating_slices_are_interleaved():
    voxels, from_middle = head(noise=1)
    body = from_middle < 1
    dark, bands = voxels.copy(), voxels.copy()
    dark[:, :, 20] *= 0.5
    bands[:, :, ::2] *= 1.2

    assert 19 == np.abs(iqm.slice_steps(dark, body, 2)).argmax()
    assert np.log(0.5) == pytest.approx(iqm.slice_steps(dark, body, 2)[19], abs=0.02)
    assert iqm.measure(bands)["interleave"] > 5 * iqm.measure(voxels)["interleave"]


def test_two_tissues_are_parted_and_one_is_not():
    rng = np.random.default_rng(4)
    dark, bright = rng.normal(500, 30, 20_000), rng.normal(900, 30, 10_000)
    both = np.concatenate([dark, bright]).astype(np.float32)
    found = iqm.two_modes(both)

    assert found is not None
    assert (500, 900) == pytest.approx([tissue.mean() for tissue in found], rel=0.02)
    assert iqm.two_modes(dark.astype(np.float32)) is None


def test_a_coil_that_falls_off_raises_the_non_uniformity():
    voxels, from_middle = head(noise=1)
    body = from_middle < 1
    fading = voxels * np.linspace(0.5, 1.5, SHAPE[1], dtype=np.float32)[None, :, None]

    assert iqm.inu_range(fading, body) > 2 * iqm.inu_range(voxels, body)


def test_saturated_voxels_and_zeros_are_counted():
    voxels = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)

    assert 0.0 < iqm.clipped(voxels) < 0.002
    assert 500 / 999 == pytest.approx(iqm.clipped(np.minimum(voxels, 500)), abs=2e-3)
    assert 0.001 == pytest.approx(iqm.measure(voxels)["zeros"])


@pytest.mark.parametrize("noise", [1.0, 30.0, 125.0])
def test_the_body_is_found_and_the_air_is_free_of_it(noise):
    voxels, from_middle = head(noise)
    found = find_regions(voxels)

    assert found is not None
    assert 2 * (found.body & (from_middle < 1)).sum() / (found.body.sum() + (from_middle < 1).sum()) > 0.93
    assert not (found.air & (from_middle < 1)).any()


def test_padding_is_no_air_and_single_zeros_are():
    voxels, _ = head()
    padded = np.pad(np.floor(voxels / 20) * 20, 12)  # noise that was rounded to zero in many voxels
    found = find_regions(padded.astype(np.float32))

    assert found is not None
    assert not found.air[:8].any()
    assert (padded[found.air] == 0).any()


@pytest.mark.parametrize("scale", [1e-3, 7.0])
def test_ratios_do_not_depend_on_the_scale_of_the_image(scale):
    voxels, _ = head()
    one, other = iqm.measure(voxels), iqm.measure(voxels * np.float32(scale))
    ratios = [name for name in one if not name.startswith("summary") or name.endswith(("_k", "_n"))]

    assert {name: one[name] for name in ratios} == pytest.approx(
        {name: other[name] for name in ratios}, rel=2e-3, abs=2e-4
    )


def test_the_same_image_has_the_same_numbers():
    voxels, _ = head()

    assert iqm.measure(voxels, 1) == iqm.measure(voxels.copy(order="F"), 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 40), (40, 40, 2), (200, 3, 3), (7, 7, 7)])
@pytest.mark.parametrize("content", ["zeros", "even", "negative", "noise", "one voxel"])
def test_odd_images_have_numbers_or_none_but_never_a_fault(shape, content):
    voxels = {
        "zeros": np.zeros(shape),
        "even": np.full(shape, 5.0),
        "negative": np.full(shape, -5.0),
        "noise": np.random.default_rng(0).rayleigh(10, shape),
        "one voxel": np.eye(1, np.prod(shape)).reshape(shape),
    }[content]

    assert 0 <= iqm.measure(voxels.astype(np.float32))["zeros"] <= 1


def test_the_clip_level_is_half_of_the_median_above_it():
    voxels, _ = head()
    level = clip_level(voxels)

    assert 0.5 * np.median(voxels[voxels >= level]) == pytest.approx(level, rel=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_canal_that_a_slice_closes_is_body_along_whichever_axis_it_runs(axis):
    voxels, from_middle = head(noise=5)
    across = [n for n in range(3) if n != axis]
    places = np.indices(SHAPE)
    canal = sum((places[n] - SHAPE[n] / 2) ** 2 for n in across) < 9
    voxels[canal] = 3.0
    found = find_regions(voxels)

    assert found is not None
    assert found.body[canal & (from_middle < 0.7)].all()


@pytest.mark.parametrize("extra", [1, 2, 3])
def test_a_body_reaches_the_end_of_an_image_that_blocks_do_not_fill(extra):
    bright = np.full((129 + extra, 128, 40), 500, np.float32)
    voxels = np.pad(bright, ((63, 0), (32, 32), (8, 8)))
    voxels += np.random.default_rng(0).rayleigh(5, voxels.shape).astype(np.float32)
    found = find_regions(voxels)

    assert found is not None
    assert found.body[80:, 48:-48, 20:-20].all()
    assert not found.body[:48].any()
