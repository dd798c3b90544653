"""Any MR image is measured: what is told of it, of a run of volumes and where in it, and what holds no signal."""

import json
from dataclasses import replace

import numpy as np
import pytest
from builders.images import phantoms

from daemon.config import shipped_bundles
from models.bundle import BundleError, load_bundle, structured
from models.findings import Evidence, Lack, NotThis
from models.manifest import Manifest
from models.methods.any_mr import ROLE, SIGNALS, AnyMr
from models.quality.artefact_numbers import artefact_numbers
from models.subject import Subject

BUNDLE = load_bundle(shipped_bundles()["any-mr"])
METHOD = AnyMr(BUNDLE)


def found(image):
    findings = METHOD.examine(Subject(images={ROLE: image}), {})
    return findings, {signal.name: signal.value for signal in findings.signals}


def steady(count=24):
    """A run without anything in it but noise."""
    rng = np.random.default_rng(1)
    return phantoms.volume()[None] + rng.normal(0, 3, (count, *phantoms.SHAPE)).astype(np.float32)


def test_every_measure_of_a_still_image_is_finite_and_declared():
    findings, values = found(phantoms.image(phantoms.volume()))

    assert {"snr", "fber", "efc", "fwhm_avg", "summary_bg_stdv", "gsr_x", "gsr_y", "inu_range"} <= set(values)
    assert all(map(np.isfinite, values.values()))
    assert set(values) <= set(BUNDLE.manifest.signals)
    assert {one.evidence for one in findings.signals} == {Evidence.IMAGE, Evidence.DESCRIPTIVE}


def test_the_foreground_that_drove_the_numbers_is_outlined_and_given_as_a_map():
    findings, _ = found(phantoms.image(phantoms.volume()))
    inside = findings.view.outlined

    assert np.array_equal(inside, findings.maps["foreground"]().astype(bool))
    assert inside[24, 20, 7]
    assert not inside[1, 1].any()


def test_what_artefacts_are_told_by_is_of_a_runs_first_volume():
    """As a trial of it is one volume: of the mean of all the noise would be another."""
    run = steady(6)
    told, alone = (found(image)[0].source.numbers() for image in (phantoms.run_of(run), phantoms.image(run[0])))

    assert told == alone
    assert all(map(np.isfinite, told.values()))


def test_nothing_that_every_simulator_changes_is_among_what_artefacts_are_told_by():
    """Voxels of exactly 0 and the darkest ones tell that an image went through a Fourier transform."""
    told = found(phantoms.image(phantoms.volume()))[0].source.numbers()

    assert {"summary_bg_stdv", "lines_rough", "spectrum_shell_3", "spectrum_lines_rhythm_high"} <= set(told)
    assert not {"zeros", "clipped", "artefact_odds", "spectrum_exact_zeros", "spectrum_level_2"} & set(told)


@pytest.mark.parametrize("shape", [(48, 40, 1), (48, 40, 2), (48, 40, 3), (48, 3, 14), (2, 40, 14)])
def test_few_slices_tell_what_they_can(shape):
    i, j, k = shape
    start = 24 - i // 2, 20 - j // 2
    image = phantoms.volume()[start[0] : start[0] + i, start[1] : start[1] + j, :k]
    told = artefact_numbers(image, phantoms.AFFINE, {"snr": float("nan")}, ["snr", "fber"])

    assert (0.0, 0.0) == (told["snr"], told["fber"])
    assert all(map(np.isfinite, told.values()))


def test_the_same_image_gives_the_same_numbers():
    image = phantoms.image(phantoms.volume())

    assert found(image)[1] == found(image)[1]


def test_along_which_axis_ghosts_are_looked_for_is_what_the_header_says():
    image = phantoms.image(phantoms.volume())
    rows = replace(image, acquisition=replace(image.acquisition, phase_axis=1))

    assert {"gsr_y"} == {name for name in found(rows)[1] if name.startswith("gsr")}


@pytest.mark.parametrize("voxels", [np.zeros(phantoms.SHAPE, np.float32), np.full(phantoms.SHAPE, np.nan, np.float32)])
def test_an_image_of_one_value_holds_no_signal(voxels):
    with pytest.raises(NotThis) as caught:
        found(phantoms.image(voxels))

    assert Lack.FLAT is caught.value.lack


def test_what_is_noise_alone_is_refused_however_its_values_are_spread():
    rng = np.random.default_rng(0)
    for voxels in (
        rng.gamma(2, 50, phantoms.SHAPE),
        rng.rayleigh(10, phantoms.SHAPE),
        rng.normal(100, 5, phantoms.SHAPE),
    ):
        with pytest.raises(NotThis) as caught:
            found(phantoms.image(voxels.astype(np.float32)))
        assert Lack.FLAT is caught.value.lack


@pytest.mark.parametrize("shape", [(9, 8, 3), (64, 8, 8), (5, 5, 40), (48, 48, 3)])
def test_an_image_of_any_shape_is_measured(shape):
    rng = np.random.default_rng(0)
    voxels = rng.normal(10, 2, shape).astype(np.float32)
    voxels[tuple(slice(side // 4, side - side // 4) for side in shape)] += 500
    _, values = found(phantoms.image(voxels))

    assert {"efc", "snr"} <= set(values)


def test_a_steady_run_has_neither_spikes_nor_dropped_slices():
    _, values = found(phantoms.run_of(steady()))

    assert (0, 0) == (values["spike_volumes"], values["dropped_slices"])
    assert "spike_at" not in values
    assert abs(values["drift"]) < 0.002
    assert pytest.approx(np.median(phantoms.volume()[20:28, 16:24, 6:8]) / 3, rel=0.4) == values["tsnr"]


def test_a_volume_full_of_noise_is_a_spike_with_its_place():
    run = steady()
    run[11] += np.random.default_rng(2).normal(0, 60, phantoms.SHAPE).astype(np.float32)
    _, values = found(phantoms.run_of(run))

    assert (1, 11) == (values["spike_volumes"], values["spike_at"])


def test_a_slice_without_its_signal_is_found_with_volume_and_slice():
    run = steady()
    run[17, :, :, 5] *= 0.6
    _, values = found(phantoms.run_of(run))

    assert (1, 17, 5) == tuple(values[name] for name in ("dropped_slices", "dropped_volume", "dropped_at"))


def test_a_move_is_no_spike():
    run = steady()
    run[12:] = np.roll(run[12:], 2, axis=1)
    _, values = found(phantoms.run_of(run))

    assert 0 == values["spike_volumes"]


def test_a_drift_is_told_in_shares_of_the_level():
    run = steady() * np.linspace(1.0, 1.06, 24, dtype=np.float32)[:, None, None, None]
    _, values = found(phantoms.run_of(run))

    assert pytest.approx(0.058, abs=0.004) == values["drift"]


def changed(**changes):
    content = json.loads((BUNDLE.folder / "manifest.json").read_text())
    for name, change in changes.items():
        change(content[name])
    return type(BUNDLE)(BUNDLE.folder, structured(content, Manifest), "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"signals": lambda one: one.pop("snr")}, "signals snr"),
        ({"structures": lambda one: one.update(liver=one["foreground"])}, "structures"),
        ({"inputs": lambda one: one.update(other=one["image"])}, "inputs"),
    ],
)
def test_a_bundle_that_is_not_this_methods_is_refused(changes, said):
    with pytest.raises(BundleError, match=said):
        AnyMr(changed(**changes))


def test_every_number_has_a_code_of_its_own():
    entries = BUNDLE.manifest.signals
    codes = [entry.code for entry in entries.values()]

    assert {*SIGNALS, "deviation", "artefact_odds"} == set(entries)
    assert len(codes) == len(set(codes))
