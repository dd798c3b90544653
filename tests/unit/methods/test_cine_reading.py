"""Cine without torch: the fixed frame, the heart's place, phases, numbers, what is wrong with slices and masks."""

import numpy as np
import pytest
from builders.images.beating import affine, anatomy, beat, graphs
from scipy.ndimage import gaussian_filter

from models.cine.alignment import ends, shifts_mm
from models.cine.beats import apart, phases, sampled_phases, smoothed, unlikeness
from models.cine.cleanup import cleaned
from models.cine.coherence import incoherence
from models.cine.crops import CROP, PIXEL_MM, moving_centre, network_input, window
from models.cine.frame import in_frame, is_short_axis
from models.cine.numbers import numbers_of, pixel_millilitres, sector_doubt, slice_doubt, stack_doubt
from models.cine.reading import read
from models.cine.rules import rule_scores
from models.cine.texture import describe_slice, texture_names
from training.cine.faults import mistriggered
from training.cine.widths import draw_pixels


@pytest.fixture(scope="module")
def reading():
    frames, _ = beat()
    return read(in_frame(frames, affine()), graphs(), 1.0, pixel_millilitres(PIXEL_MM, 10.0))


@pytest.mark.parametrize("turn", ["none", "transposed", "mirrored", "quarter", "apex first"])
def test_a_series_lies_in_the_same_frame_however_its_axes_run(turn):
    frames, _ = beat(count=2, noise=0)
    place = affine()
    expected = in_frame(frames, place)
    turned, moved = frames, place.copy()
    if turn == "transposed":
        turned, moved = frames.swapaxes(1, 2), place[:, [1, 0, 2, 3]]
    elif turn in ("mirrored", "quarter"):
        turned = frames[:, ::-1]
        moved[:3, 3] += place[:3, 0] * (frames.shape[1] - 1)
        moved[:3, 0] *= -1
        if turn == "quarter":
            turned, moved = turned.swapaxes(1, 2), moved[:, [1, 0, 2, 3]]
    elif turn == "apex first":
        turned = frames[..., ::-1]
        moved[:3, 3] += place[:3, 2] * (frames.shape[3] - 1)
        moved[:3, 2] *= -1
    found = in_frame(turned, moved)

    np.testing.assert_array_equal(expected.frames, found.frames)
    np.testing.assert_allclose(expected.affine, found.affine, atol=1e-6)
    np.testing.assert_array_equal(turned[0], found.own(found.frames[0]))
    assert {*range(1, 9)} == set(found.numbers)


def test_long_axes_are_no_short_axis():
    along = affine()[:, [0, 2, 1, 3]]

    assert is_short_axis(affine())
    assert not is_short_axis(along)


@pytest.mark.parametrize("pixel_mm", [0.75, 1.5, 2.0])
def test_a_crop_shows_the_same_millimetres_whatever_the_pixels(pixel_mm):
    side = round(150 * 1.5 / pixel_mm)
    x, y = np.meshgrid(*(np.arange(side) * pixel_mm,) * 2, indexing="ij")
    disc = (np.hypot(x - 105, y - 120) < 30).astype(np.float32)
    cine = in_frame(np.repeat(disc[None, ..., None], 2, axis=3), affine(pixel_mm))
    cropped = window(cine, (105 / pixel_mm, 120 / pixel_mm)).crop(cine.frames.transpose(0, 3, 1, 2))

    assert (1, 2, CROP, CROP) == cropped.shape
    assert np.pi * 30**2 == pytest.approx(cropped[0, 0].sum() * PIXEL_MM**2, rel=0.03)


def test_a_slice_is_seen_beside_those_about_a_centimetre_away_and_ends_beside_themselves():
    crops = np.random.default_rng(0).normal(size=(6, CROP, CROP)).astype(np.float32)
    wide, narrow = network_input(crops, 10.0), network_input(crops, 5.0)

    np.testing.assert_allclose(wide[2, 2] * crops[2].std() + crops[2].mean(), crops[3], atol=1e-2)
    np.testing.assert_allclose(narrow[2, 2] * crops[2].std() + crops[2].mean(), crops[4], atol=1e-2)
    np.testing.assert_array_equal(wide[0, 0], wide[0, 1])
    assert 0.0 == pytest.approx(wide[3, 1].mean(), abs=1e-4)


def test_the_heart_is_where_the_cine_moves():
    frames, _ = beat()
    first, second = moving_centre(in_frame(frames, affine()))

    assert (65, 80) == pytest.approx((first, second), abs=12)


def test_phases_are_the_ends_of_the_curve_without_its_noise():
    t = np.arange(30)
    curve = 100 + 40 * np.cos(2 * np.pi * t / 30)
    spoilt = curve.copy()
    spoilt[7] = 30.0

    assert (0, 15) == phases(curve)
    assert abs(phases(smoothed(spoilt))[1] - 15) <= 2
    np.testing.assert_allclose(curve, smoothed(curve), atol=1e-9)
    assert (0, 1) == phases([100, 60])
    assert 2 == apart(29, 1, 30)


@pytest.mark.parametrize(("count", "asked"), [(6, 6), (12, 12), (20, 10), (25, 13), (30, 10)])
def test_some_phases_of_many_give_the_curve_of_all(count, asked):
    angle = 2 * np.pi * np.arange(count) / count
    curve = 100 + 40 * np.cos(angle - 0.3) + 10 * np.sin(2 * angle)
    at = sampled_phases(count)

    assert asked == len(at)
    np.testing.assert_allclose(curve, smoothed(curve[at], at, count), atol=1e-9)


def test_the_image_alone_knows_end_systole(reading):
    assert 6 == pytest.approx(int(unlikeness(reading.crops, 0).argmax()), abs=1)
    assert reading.phases_apart <= 1


def test_volumes_are_those_of_the_anatomy(reading):
    _, radii = beat()
    numbers = numbers_of(reading, pixel_millilitres(PIXEL_MM, 10.0), {})
    pixel = 1.5 * 1.5 * 10 / 1000
    full, empty = ((anatomy(r) == 3).sum() * pixel for r in (radii.max(), radii.min()))

    assert full == pytest.approx(numbers["LV end-diastolic"].value, rel=0.1)
    assert empty == pytest.approx(numbers["LV end-systolic"].value, rel=0.15)
    assert 1 - empty / full == pytest.approx(numbers["LV ejection fraction"].value, abs=0.05)


def test_a_draw_moves_all_slices_of_a_stack_together(reading):
    pixels = draw_pixels(reading.ed)
    slices = reading.ed.detail.factor.shape[0]
    low, high = pixels[:, 3].min(), pixels[:, 3].max()

    assert low <= np.count_nonzero(reading.ed.labels == 3) <= high
    assert high - low > 0.5 * slices * CROP  # draws of their own would average out
    np.testing.assert_array_equal(pixels, draw_pixels(reading.ed))


def test_an_interval_reaches_so_far_below_and_so_far_above(reading):
    margins = {"LV end-diastolic": (0.5, 0.1), "LV ejection fraction": (0.05, 0.2)}
    numbers = numbers_of(reading, 0.0225, margins)
    volume, fraction = numbers["LV end-diastolic"], numbers["LV ejection fraction"]

    assert (0.5 * volume.value, 1.1 * volume.value) == pytest.approx(volume.interval)
    assert (fraction.value - 0.05, fraction.value + 0.2) == pytest.approx(fraction.interval)
    assert (numbers["RV end-diastolic"].value,) * 2 == numbers["RV end-diastolic"].interval


def test_volumes_are_scaled_and_fractions_are_those_of_scaled_volumes(reading):
    plain = numbers_of(reading, 0.0225, {})
    scaled = numbers_of(reading, 0.0225, {"LV end-systolic": (0.5, 0.5)}, {"LV end-systolic": 0.8})
    full, empty = (scaled[name] for name in ("LV end-diastolic", "LV end-systolic"))

    assert 0.8 * plain["LV end-systolic"].value == pytest.approx(empty.value)
    assert (0.5 * empty.value, 1.5 * empty.value) == pytest.approx(empty.interval)
    assert 1 - empty.value / full.value == pytest.approx(scaled["LV ejection fraction"].value)
    for name in ("LV end-diastolic", "RV end-systolic", "RV ejection fraction"):
        assert plain[name].value == pytest.approx(scaled[name].value)


def test_doubt_is_where_probabilities_are_undecided(reading):
    doubt = slice_doubt(reading.ed)
    undecided = reading.ed.probabilities.copy()
    undecided[:, 40:60, 40:60, 3] = 0.25
    raised = slice_doubt(type(reading.ed)(**{**_fields(reading.ed), "probabilities": undecided}))

    assert (raised[:, 3] > doubt[:, 3]).all()
    np.testing.assert_array_equal(np.delete(doubt, 3, axis=1), np.delete(raised, 3, axis=1))
    assert 0 <= stack_doubt((reading.ed, reading.es))[0] < 2
    assert (8, 6) == sector_doubt(reading.ed).shape


def _fields(phase):
    return {name: getattr(phase, name) for name in phase.__slots__}


@pytest.mark.parametrize("order", ["interleaved", "sequential"])
@pytest.mark.parametrize("axis", [1, 2])
def test_a_beat_out_of_time_shows_in_its_slice_and_not_in_a_frame(order, axis):
    frames, _ = beat(count=20, slices=5)
    spoilt = frames.copy()
    spoilt[..., 2] = mistriggered(frames[..., 2], 4, np.random.default_rng(3), axis, order)
    clean, found = incoherence(frames), incoherence(spoilt)

    assert 2 == int(found.argmax())
    assert found[2] > clean.max()


@pytest.mark.parametrize("order", ["interleaved", "sequential"])
@pytest.mark.parametrize("bad", [2, 4])
def test_beats_out_of_time_show_in_a_slice_that_is_alone(order, bad):
    frames, _ = beat(count=20, slices=5)
    alone = [frames[..., k : k + 1] for k in range(5)]
    spoilt = [mistriggered(one[..., 0], bad, np.random.default_rng(k), order=order) for k, one in enumerate(alone)]

    assert min(incoherence(one[..., None])[0] for one in spoilt) > max(incoherence(one)[0] for one in alone)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("period", [2, 3, 4, 5])
def test_every_mth_line_that_is_weak_is_found_along_either_axis(period, axis):
    """Of every period, also where it does not divide the number of lines."""
    chance = np.random.default_rng(0)
    x, y = np.mgrid[-100:100, -128:128]
    image = 200 * gaussian_filter(chance.random((200, 256)), 1.2) * (np.hypot(x, y) < 80) + 2 * chance.random(
        (200, 256)
    )
    spectrum = np.fft.fft2(image)
    lines = [slice(None), slice(None)]
    lines[axis] = slice(None, None, period)
    spectrum[tuple(lines)] *= 0.3
    clean, found = (
        dict(zip(texture_names(), describe_slice(one.astype(np.float32)), strict=True))
        for one in (image, np.abs(np.fft.ifft2(spectrum)))
    )

    assert found["ghosts high"] > clean["ghosts high"] + 0.5


def test_two_frames_have_no_course():
    frames, _ = beat(count=2)

    assert np.isnan(incoherence(frames)).all()


def test_a_shifted_slice_is_told_in_millimetres_and_named():
    labels = anatomy(18)
    shifted = labels.copy()
    shifted[:, :, 3] = np.roll(labels[:, :, 3], 8, axis=0)
    found = shifts_mm(shifted)

    assert 3 == int(np.nanargmax(found))
    assert 12.0 == pytest.approx(found[3], abs=1.5)
    assert np.nanmax(shifts_mm(labels)) < 2
    assert np.isnan(shifts_mm(np.zeros_like(labels))).all()


def test_the_ends_say_whether_base_and_apex_are_covered():
    labels = anatomy(18)
    base, apex = ends(labels)

    assert base == 1.0
    assert apex < 0.3
    assert ends(labels[:, :, :3])[1] > 0.5
    assert (1.0, 1.0) == ends(np.zeros_like(labels))


def test_a_true_piece_stays_and_a_false_one_goes():
    labels = anatomy(18)
    parted = labels.copy()
    parted[:, :, 3][parted[:, :, 3] == 3] = 0  # the middle slice's ventricle was not called
    parted[:, :, 3] = 0
    strange = labels.copy()
    strange[5:20, 5:20, 2:5] = 1

    assert (parted == 3).sum() == (cleaned(parted) == 3).sum()
    assert 0 == cleaned(strange)[5:20, 5:20].max()
    np.testing.assert_array_equal(labels, cleaned(labels))
    assert 0 == cleaned(np.zeros_like(labels)).max()


def test_holes_are_filled_and_islands_dropped():
    labels = anatomy(18)
    spoilt = labels.copy()
    spoilt[69:72, 79:82, 2] = 0
    spoilt[100:103, 100:103, 2] = 3

    np.testing.assert_array_equal(labels, cleaned(spoilt))


@pytest.mark.parametrize("rule", ["pieces", "holes", "dents", "ring", "gap"])
def test_each_rule_sees_its_own_fault_where_it_is(rule):
    labels = anatomy(18)
    spoilt = labels.copy()
    if rule == "pieces":
        spoilt[110:116, 110:116, 4] = 1
    elif rule == "holes":
        spoilt[68:72, 78:82, 4] = 0
    elif rule == "dents":
        spoilt[70:, 80:, 4][spoilt[70:, 80:, 4] == 3] = 2
    elif rule == "ring":
        spoilt[70:, :, 4][spoilt[70:, :, 4] == 2] = 0
    else:
        spoilt[:, :, 4][spoilt[:, :, 4] == 1] = 0
    before, after = rule_scores(labels)[rule], rule_scores(spoilt)[rule]

    assert after[4] > before[4]
    assert 4 == int((after - before).argmax())
