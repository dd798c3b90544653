"""Series of several volumes as one image with a time axis: order, times, what sets each apart, and memory."""

import tracemalloc
from copy import deepcopy

import numpy as np
import pytest
from builders.images.series import Lattice, classic, enhanced, mosaic, part10, with_syntax
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import JPEGLSLossless

from daemon.core.errors import NotAssessable, Reason
from daemon.core.judging.routing import Route
from daemon.dicom.content import InMemory
from daemon.dicom.reading.objects import read_file
from daemon.dicom.reading.volumes import arrange, decode
from daemon.line.selection import consider, select, select_image
from models.subject import Image, Quantity, still

ALL = (Route(name="everything", bundle="b", phases="all"),)
ONE = (Route(name="everything", bundle="b"),)


def repeated(volumes, lattice=None, **facts):
    """A series of ``volumes`` repetitions, slice by slice; repetition t holds numbers from 1000 t on.

    ``facts``: functions of (t, k) that give an attribute's value.
    """
    found = []
    for t in range(volumes):
        for k, image in enumerate(classic(lattice, uid=f"1.2.{t}", first=1000 * t)):
            image.InstanceNumber = 1 + k * volumes + t
            for keyword, value in facts.items():
                setattr(image, keyword, value(t, k))
            found.append(image)
    return found


def firsts(image):
    """The number that each volume begins with."""
    return [int(volume.min()) for volume in image.voxels]


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_phases_of_a_cine_are_one_image_in_the_order_of_their_times(random):
    images = repeated(4, TriggerTime=lambda t, _: 40 * t)
    random.shuffle(images)
    image = select(images, ALL).image

    assert (4, 5, 4, 6) == image.voxels.shape
    assert [0, 1000, 2000, 3000] == firsts(image)
    assert [0.0, 40.0, 80.0, 120.0] == image.times_ms.tolist()
    assert [Quantity((40.0 * t,), "ms") for t in range(4)] == [one["TriggerTime"] for one in image.dimensions]


def cycle(phases=10, **facts):
    """A cine of six slices; phase t of slice k holds numbers from 1000 t + 20 k on."""
    images = repeated(phases, TriggerTime=lambda t, _: 40 * t, **facts)
    return sorted(images, key=lambda image: image.InstanceNumber)


def phases_of(image, k):
    """The phase that each image of a slice came from."""
    return [int(volume[:, :, k].min()) // 1000 for volume in image.voxels]


def again(image, number):
    """The same place and time, taken later; its numbers begin with 50 000."""
    later = deepcopy(image)
    later.SOPInstanceUID, later.InstanceNumber = f"{image.SOPInstanceUID}.9", number
    pixels = 50_000 + image.pixel_array.astype("<u2")
    later.PixelData = pixels.tobytes()
    return later


@pytest.mark.parametrize(
    ("lost", "expected"), [(0, [1, 1, *range(2, 10)]), (9, [*range(9), 8]), (4, [*range(4), 3, *range(5, 10)])]
)
def test_of_a_cycle_the_nearest_phase_stands_for_one_that_is_missing(lost, expected):
    images = cycle()
    del images[2 * 10 + lost]
    image = select(images, ALL).image

    assert expected == phases_of(image, 2)
    assert [*range(10)] == phases_of(image, 3)
    assert image.remark.startswith("1 images missing")


def test_a_position_without_most_of_its_phases_is_incomplete_and_so_is_a_time_series_that_lacks_an_image():
    images = cycle()
    with pytest.raises(NotAssessable, match="5 of 60"):
        select(images[:20] + images[25:], ALL)
    series = repeated(10, TriggerTime=lambda t, _: 1000 * t)
    with pytest.raises(NotAssessable, match="1 of 60"):
        select(series[:24] + series[25:], ALL)


def test_of_a_phase_that_came_twice_the_later_image_counts():
    images = cycle()
    image = select([*images, again(images[24], 1000)], ALL).image

    assert [0, 1, 2, 3, 54, 5, 6, 7, 8, 9] == phases_of(image, 2)
    assert image.remark.startswith("1 images left out")


@pytest.mark.parametrize("stretch", [1.0, 1.1])
def test_of_a_position_that_was_taken_again_the_later_images_count(stretch):
    images = cycle()
    later = [again(image, 1000 + n) for n, image in enumerate(images[20:30])]
    for image in later:
        image.TriggerTime = round(float(image.TriggerTime) * stretch + 1, 1)
    image = select([*later, *images], ALL).image

    assert [*range(50, 60)] == phases_of(image, 2)
    assert [*range(10)] == phases_of(image, 3)
    assert image.remark.startswith("10 images left out")


def test_each_slice_may_have_heart_beats_of_its_own():
    images = repeated(3, TriggerTime=lambda t, k: 40 * t + k)
    for image in images:  # numbered against the time
        image.InstanceNumber = 1000 - image.InstanceNumber
    image = select(images, ALL).image

    assert [0, 1000, 2000] == firsts(image)
    assert [2.5, 42.5, 82.5] == image.times_ms.tolist()


def test_echo_planar_volumes_are_a_repetition_time_apart():
    images = [mosaic(uid=f"1.2.{n}", number=n) for n in (3, 1, 2)]
    for image in images:
        image.ScanningSequence, image.RepetitionTime = "EP", 800

    assert [0.0, 800.0, 1600.0] == select(images, ALL).image.times_ms.tolist()


@pytest.mark.parametrize(
    ("first", "second", "apart_s"), [("1000", "1001", 60), ("10", "11", 3600), ("100000", "10", 0)]
)
def test_acquisition_times_may_be_stated_to_the_minute(first, second, apart_s):
    image = select(
        repeated(2, AcquisitionDate=lambda *_: "20261130", AcquisitionTime=lambda t, _: [first, second][t]), ALL
    )
    expected = [0.0, 1000.0 * apart_s] if apart_s else [np.nan, np.nan]

    np.testing.assert_array_equal(expected, image.image.times_ms)


def test_acquisition_times_go_on_after_midnight():
    images = repeated(
        2,
        AcquisitionDate=lambda t, _: ["20261130", "20261201"][t],
        AcquisitionTime=lambda t, k: f"{['2359590', '0000010'][t][:6]}.{k}",
        TemporalPositionIdentifier=lambda t, _: t + 1,
    )

    assert [0.0, 2000.0] == select(images, ALL).image.times_ms.tolist()


@pytest.mark.parametrize("stated", ["", "2026", "20"])
def test_times_that_nobody_states_are_no_numbers_and_the_scanners_order_stays(stated):
    image = select(repeated(3, AcquisitionTime=lambda *_: stated, AcquisitionDate=lambda *_: "20261130"), ALL).image

    assert np.isnan(image.times_ms).all()
    assert [0, 1000, 2000] == firsts(image)
    assert [Quantity((float(n),), "1") for n in (1, 2, 3)] == [one["Repetition"] for one in image.dimensions]


def test_the_frames_of_an_enhanced_object_are_volumes_with_their_b_values():
    order = np.random.default_rng(1).permutation(18).tolist()
    image = select([enhanced(volumes=3, order=order)], ALL).image

    weightings = [one["DiffusionBValue"] for one in image.dimensions]
    assert {Quantity((500.0 * t,), "s/mm2") for t in range(3)} == set(weightings)
    assert [4 * weighting.number - 7 for weighting in weightings] == firsts(image)


def test_of_echoes_and_phase_images_the_first_magnitudes_are_taken():
    images = repeated(
        8,
        EchoTime=lambda t, _: [3.0, 5.0][t // 4],
        ImageType=lambda t, _: ["ORIGINAL", "PRIMARY", "MP"[t // 2 % 2]],
        TriggerTime=lambda t, _: t % 2 * 40,
    )

    assert [0, 1000] == firsts(select(images, ALL).image)


def test_what_is_asked_for_one_volume_is_refused_as_ever_where_there_are_several():
    with pytest.raises(NotAssessable) as caught:
        select(repeated(3, TriggerTime=lambda t, _: 40 * t), ONE)

    assert (Reason.SEVERAL, "3 volumes in time") == (caught.value.reason, caught.value.detail)
    assert [] == list(consider(arrange(repeated(3)), ONE).chosen)


def test_a_still_series_is_an_image_of_one_volume_at_time_zero():
    image = select(classic(), ALL).image

    assert ((1, 5, 4, 6), [0.0], ({},)) == (image.voxels.shape, image.times_ms.tolist(), tuple(image.dimensions))
    assert image.still.tobytes() == select(classic(), ONE).image.still.tobytes()


@pytest.mark.parametrize("gone", [0, 7, 17])
def test_a_frame_that_is_missing_is_told(gone):
    images = repeated(3, TriggerTime=lambda t, _: 40 * t)
    del images[gone]
    with pytest.raises(NotAssessable) as caught:
        select(images, ALL)

    assert (Reason.INCOMPLETE, "1 of 18 images missing") == (caught.value.reason, caught.value.detail)


def test_a_frame_that_comes_again_as_another_object_is_told():
    again = repeated(3)[4]
    again.SOPInstanceUID = "1.9"
    with pytest.raises(NotAssessable) as caught:
        select([*repeated(3), again], ALL)

    assert caught.value.reason in (Reason.INCOMPLETE, Reason.GEOMETRY)


def test_volumes_in_different_places_are_no_time_axis():
    elsewhere = classic(Lattice(rotation=np.eye(3)[:, [1, 2, 0]]), uid="1.7", first=5000)
    with pytest.raises(NotAssessable, match="in different places") as caught:
        select([*classic(), *elsewhere], ALL)

    assert Reason.SEVERAL is caught.value.reason


LARGE = Lattice(columns=64, rows=64, slices=12)
COUNT = 40
#: float32.
VOLUME_BYTES = 4 * 64 * 64 * 12


def many():
    return arrange(repeated(COUNT, LARGE))


def test_an_image_too_large_to_be_held_is_read_a_volume_at_a_time_and_is_the_same():
    at_once, in_turn = decode(many()), decode(many(), voxels_max=1)

    assert at_once.voxels.shape == in_turn.voxels.shape
    assert all(np.array_equal(a, b) for a, b in zip(at_once.voxels, in_turn.voxels, strict=True))
    assert np.array_equal(at_once.voxels, np.asarray(in_turn.voxels))


@pytest.mark.parametrize(("voxels_max", "volumes"), [(1, 4), (10**9, COUNT + 3)])
def test_a_fold_over_an_image_holds_few_volumes_and_one_read_at_once_no_second_copy(voxels_max, volumes):
    stacks = many()
    tracemalloc.start()
    try:
        assert COUNT == len([float(volume.mean()) for volume in decode(stacks, voxels_max).voxels])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < volumes * VOLUME_BYTES


def test_an_inverted_image_too_large_to_be_held_is_refused_by_name():
    images = repeated(3)
    for image in images:
        image.PhotometricInterpretation = "MONOCHROME1"
    with pytest.raises(NotAssessable) as caught:
        decode(arrange(images), voxels_max=1)

    assert (Reason.TOO_LARGE, "3 inverted volumes") == (caught.value.reason, caught.value.detail)


def test_shapes_that_do_not_fit_are_no_image():
    with pytest.raises(ValueError, match="T, i, j, k"):
        Image(voxels=np.zeros((2, 3, 4), np.float32), affine=np.eye(4), times_ms=np.zeros(2), dimensions=({}, {}))
    with pytest.raises(ValueError, match="2 volumes"):
        Image(voxels=np.zeros((2, 3, 4, 5), np.float32), affine=np.eye(4), times_ms=np.zeros(1), dimensions=({}, {}))
    with pytest.raises(ValueError, match="2 volumes where one"):
        _ = replaced(2).still


def replaced(count):
    voxels = np.zeros((count, 3, 4, 5), np.float32)
    return Image(voxels=voxels, affine=np.eye(4), times_ms=np.zeros(count), dimensions=({},) * count)


def test_a_file_of_several_volumes_is_judged_by_whom_asks_for_all():
    facts = select_image(replaced(3), ALL).image
    with pytest.raises(NotAssessable, match="3 volumes in time"):
        select_image(replaced(3), ONE)

    assert 3 == len(facts.voxels)
    assert 1 == len(select_image(still(np.zeros((3, 4, 5), np.float32), np.eye(4)), ONE).image.voxels)


def packed(volumes, lattice, parts=1):
    """One Enhanced object in JPEG-LS, each frame in so many fragments."""
    made = enhanced(lattice, volumes)
    pixels = made.pixel_array.reshape(-1, lattice.rows, lattice.columns)
    described = {"rows": lattice.rows, "columns": lattice.columns, "samples_per_pixel": 1, "number_of_frames": 1}
    described |= {"bits_allocated": 16, "bits_stored": 16, "pixel_representation": 0}
    described |= {"photometric_interpretation": "MONOCHROME2"}
    frames = [get_encoder(JPEGLSLossless).encode(one, encoding_plugin="pyjpegls", **described) for one in pixels]
    made = with_syntax(made, JPEGLSLossless)
    made.PixelData = encapsulate(frames, fragments_per_frame=parts, has_bot=False)
    made["PixelData"].is_undefined_length = True
    return read_file(InMemory(part10(made)))


@pytest.mark.parametrize(("volumes", "parts"), [(3, 1), (3, 2), (600, 1), (300, 2)])
@pytest.mark.parametrize("voxels_max", [1, 10**9])
def test_compressed_frames_are_found_however_many_there_are(volumes, parts, voxels_max):
    image = decode(arrange([packed(volumes, LITTLE, parts)]), voxels_max)

    assert volumes == len(image.voxels)
    for volume, one in zip(image.voxels, image.dimensions, strict=True):
        stored = (2 * one["DiffusionBValue"].number + np.arange(8 * 8 * 6)) % 2**16
        assert 2 * stored.min() - 7 == volume.min()


#: So small that the heads of 3,600 fragments are longer than a frame may be.
LITTLE = Lattice(columns=8, rows=8, slices=6)


def test_a_pass_over_compressed_volumes_reads_each_frame_once():
    """Not all frames before it, which takes half a million reads for 500 volumes of 40 slices."""
    reads = []

    class Counting(InMemory):
        def read(self, offset, length):
            reads.append(length)
            return super().read(offset, length)

    stacks = arrange([packed(60, LITTLE)])
    source = stacks[0].frames[0].source
    source.__dict__["encoded"] = Counting(source.encoded.read(0, source.encoded.length))
    assert 60 == len(list(decode(stacks, voxels_max=1).voxels))

    assert len(reads) < 3 * 60 * 6 + 100
