"""Series made from voxels read back as those voxels."""

import numpy as np
import pytest
from builders.images.series import Lattice, classic, encoded, enhanced, mosaic
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian
from scipy.spatial.transform import Rotation

from daemon.core.errors import NotAssessable
from daemon.dicom.parsing import parse
from daemon.dicom.reading.volumes import read_volumes
from daemon.dicom.simulate import corrupted_series, series_from_image
from models.subject import Acquisition, still

SHAPE = (5, 4, 6)
magnitudes = st.sampled_from([1e-3, 1.0, 250.0, 4e4])
bits = st.integers(12, 16)


def voxels(seed, magnitude, low=0.0):
    values = np.random.default_rng(seed).uniform(low, 1, SHAPE) * magnitude
    return values.astype(np.float32)


def over_the_network(datasets):
    return [parse(encoded(dataset), ExplicitVRLittleEndian) for dataset in datasets]


def half_a_step(image, depth):
    """Half the rescale slope, and what float32 adds."""
    return np.ptp(image) / (2**depth - 1) / 2 + 4 * np.spacing(np.abs(image).max())


@given(st.integers(0, 99), magnitudes, st.floats(-1, 0.5), bits, st.permutations(range(6)))
@settings(max_examples=40, deadline=None)
def test_replaced_voxels_read_back_within_half_a_step(seed, magnitude, low, depth, order):
    source = classic()
    image = voxels(seed, magnitude, low)
    (before,) = read_volumes(source)
    made = list(corrupted_series([source[i] for i in order], image, "seed", bits=depth))
    (after,) = read_volumes(over_the_network(made))

    assert np.abs(after.still - image).max() <= half_a_step(image, depth)
    assert before.affine.tobytes() == after.affine.tobytes()


@given(st.integers(0, 99), magnitudes, bits, st.data())
@settings(max_examples=40, deadline=None)
def test_a_volume_becomes_a_series_of_the_same_volume(seed, magnitude, depth, data):
    number = st.floats(-3, 3)
    rotation = Rotation.from_rotvec([data.draw(number) for _ in range(3)]).as_matrix()
    affine = np.eye(4)
    flips = np.diag(data.draw(st.sampled_from([(1, 1, 1), (1, 1, -1), (-1, 1, 1)])))
    affine[:3, :3] = rotation @ flips @ np.diag([data.draw(st.floats(0.5, 4)) for _ in range(3)])
    affine[:3, 3] = [data.draw(st.floats(-200, 200)) for _ in range(3)]
    image = voxels(seed, magnitude)
    made = series_from_image(still(image, affine), "seed", bits=depth)
    (after,) = read_volumes(over_the_network(made))
    between = np.linalg.inv(affine) @ after.affine
    flipped = between[2, 2] < 0

    assert np.allclose(between[:3, :3], np.diag([1, 1, -1 if flipped else 1]), atol=1e-6)
    assert np.allclose(between[:3, 3], [0, 0, SHAPE[2] - 1 if flipped else 0], atol=1e-5)
    expected = image[:, :, ::-1] if flipped else image
    assert np.abs(after.still - expected).max() <= half_a_step(image, depth)


def test_geometry_patient_and_acquisition_stay_and_identity_changes():
    facts = {"PatientID": "P", "EchoTime": "3", "AcquisitionTime": "101112", "ImageType": ["ORIGINAL", "PRIMARY", "M"]}
    source = classic(**facts)
    made = list(corrupted_series(source, voxels(0, 9.0), "seed", description="motion"))

    assert len({dataset.SeriesInstanceUID for dataset in made}) == 1
    assert len({dataset.SOPInstanceUID for dataset in made}) == 6
    assert not {d.SOPInstanceUID for d in made} & {d.SOPInstanceUID for d in source}
    for old, new in zip(source, made, strict=True):
        assert old.SeriesInstanceUID != new.SeriesInstanceUID
        assert (old.StudyInstanceUID, "P", 3) == (new.StudyInstanceUID, new.PatientID, new.EchoTime)
        assert (old.ImagePositionPatient, "101112") == (new.ImagePositionPatient, new.AcquisitionTime)
        assert new.ImageType == ["DERIVED", "SECONDARY", "M"]
        assert new.SeriesDescription == "motion"
        assert "simulated" in new.DerivationDescription
        assert new.SOPInstanceUID == new.file_meta.MediaStorageSOPInstanceUID


def test_the_source_is_left_as_it_was():
    source, image = classic(), voxels(0, 9.0)
    before = [encoded(dataset) for dataset in source]
    list(corrupted_series(source, image, "seed"))

    assert before == [encoded(dataset) for dataset in source]


def test_what_described_the_old_pixels_is_gone():
    source = classic(PixelPaddingValue=0, LargestImagePixelValue=119, BurnedInAnnotation="NO")
    for dataset in source:
        dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 7.5)
        dataset.add_new(0x60003000, "OW", b"\0\0")
    for dataset in corrupted_series(source, voxels(0, 9.0), "seed"):
        assert not {"PixelPaddingValue", "LargestImagePixelValue"} & set(dir(dataset))
        assert "BurnedInAnnotation" in dataset
        assert not any(element.tag.is_private or element.tag.group == 0x6000 for element in dataset)


def test_the_same_input_gives_the_same_bytes_and_any_other_input_other_uids():
    source, image = classic(), voxels(0, 9.0)
    volume = still(image, np.eye(4))

    def uids(datasets):
        return {dataset.SOPInstanceUID for dataset in datasets}

    for make in (lambda i, s: corrupted_series(source, i, s), lambda i, s: series_from_image(_with(volume, i), s)):
        assert [encoded(d) for d in make(image, "a")] == [encoded(d) for d in make(image, "a")]
        assert not uids(make(image, "a")) & uids(make(image, "b"))
        assert not uids(make(image, "a")) & uids(make(voxels(1, 9.0), "a"))


def _with(volume, image):
    return still(image, volume.affine)


def test_facts_of_the_volume_reach_the_series():
    acquisition = Acquisition(manufacturer="GE", protocol="t1", field_strength_t=1.5, repetition_time_ms=6.5)
    volume = still(voxels(0, 9.0), np.eye(4), acquisition=acquisition)
    (after,) = read_volumes(list(series_from_image(volume, "seed")))

    found = after.acquisition
    assert (
        found.manufacturer,
        found.protocol,
        found.field_strength_t,
        found.repetition_time_ms,
    ) == ("GE", "t1", 1.5, 6.5)


def test_an_image_of_one_value_is_made_too():
    (dataset, *_) = corrupted_series(classic(), np.full(SHAPE, 7, np.float32), "seed")

    assert float(dataset.RescaleIntercept) == 7.0


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 5, 6), np.float32), np.full(SHAPE, np.nan, np.float32), np.full(SHAPE, np.inf, np.float32)],
)
def test_an_image_that_does_not_fit_is_refused(image):
    with pytest.raises(ValueError, match=r"shape|finite"):
        list(corrupted_series(classic(), image, "seed"))


@pytest.mark.parametrize("depth", [11, 17])
def test_other_depths_are_refused(depth):
    with pytest.raises(ValueError, match="12 to 16"):
        list(corrupted_series(classic(), voxels(0, 9.0), "seed", bits=depth))


def test_a_sheared_volume_is_refused():
    affine = np.eye(4)
    affine[0, 1] = 0.2

    with pytest.raises(ValueError, match="right angles"):
        list(series_from_image(still(voxels(0, 9.0), affine), "seed"))


@pytest.mark.parametrize("objects", [[enhanced()], [mosaic(Lattice())], [enhanced(volumes=2)]])
def test_only_single_frame_series_are_replaced(objects):
    with pytest.raises(NotAssessable):
        list(corrupted_series(objects, voxels(0, 9.0), "seed"))
