"""What completion needs of a header, found in any header."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from builders.images.series import Lattice, arrival, classic, encoded, enhanced, mosaic
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from scipy.spatial.transform import Rotation

from daemon.core.reception.geometry import Coverage, coverage
from daemon.dicom.reading.headers import read_instance


def header(dataset, syntax=ExplicitVRLittleEndian, **facts):
    for keyword, value in facts.items():
        setattr(dataset, keyword, value)
    return read_instance(arrival(syntax), encoded(dataset, syntax))


def places(images):
    return [header(image).place for image in images]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_identity_and_digest_are_those_of_the_data_set(syntax):
    image = classic()[0]
    instance = header(image, syntax)
    digest = hashlib.sha256(encoded(image, syntax)).hexdigest()

    assert (instance.series_instance_uid, instance.study_instance_uid, instance.modality) == ("1.2.2", "1.2.1", "MR")
    assert digest == instance.digest
    assert arrival(syntax) == instance.arrival


def test_pixels_are_not_looked_at():
    image = classic()[0]
    whole = encoded(image)
    cut = whole[: whole.index(image.PixelData)]

    assert read_instance(arrival(), whole).place == read_instance(arrival(), cut).place is not None


@given(st.floats(-4, 4), st.floats(-4, 4))
@settings(deadline=None)
def test_the_position_is_measured_along_the_normal(a, b):
    lattice = Lattice(rotation=Rotation.from_rotvec([a, b, 0.3]).as_matrix())
    along = [place.position_mm for place in places(classic(lattice))]
    start = float(lattice.axes[:, 2] @ np.asarray(lattice.origin))

    assert pytest.approx([start + 3.0 * k for k in range(6)], abs=1e-4) == along


def test_noise_in_the_cosines_is_no_other_orientation():
    images = classic()
    images[3].ImageOrientationPatient = ["1", "0.00003", "0", "-0.00003", "1", "0"]

    assert len({place.orientation for place in places(images)}) == 1


def test_a_series_closes_when_its_last_slice_is_there():
    found = places(classic())

    assert Coverage.WHOLE is coverage(found)
    assert Coverage.GAPPED is coverage(found[:2] + found[3:])


def test_trigger_times_that_differ_between_slices_leave_a_series_whole():
    images = classic()
    for k, image in enumerate(images):
        image.TriggerTime = 31 * k

    assert Coverage.WHOLE is coverage(places(images))


def test_a_repetition_in_progress_is_not_whole():
    images = classic() + classic(uid="1.9")
    for n, image in enumerate(images):
        image.InstanceNumber = n + 1
    found = places(images)

    assert Coverage.GAPPED is coverage(found[:-1])
    assert Coverage.WHOLE is coverage(found)


@pytest.mark.parametrize(
    ("keyword", "one", "other"),
    [
        ("EchoTime", "4.92", "7.38"),
        ("EchoNumbers", "1", "2"),
        ("InversionTime", "700", "2500"),
        ("FlipAngle", "4", "18"),
        ("TriggerTime", "10", "41"),
        ("TemporalPositionIdentifier", "1", "2"),
        ("AcquisitionNumber", "1", "2"),
        ("DiffusionBValue", 0.0, 1000.0),
        ("DiffusionGradientOrientation", [0.0, 0.6, 0.8], [0.0, 0.8, 0.6]),
        ("ImageType", ["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]),
        ("InstanceNumber", "1", "2"),
    ],
)
def test_each_of_these_facts_tells_images_at_one_position_apart(keyword, one, other):
    image = classic()[0]
    first, second = header(image, **{keyword: one}).place, header(image, **{keyword: other}).place

    assert first.dimension != second.dimension
    assert first == replace(second, dimension=first.dimension)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, None),
        ({"ImagesInAcquisition": "15"}, 15),
        ({"ImagesInAcquisition": "15", "NumberOfTemporalPositions": "10"}, 150),
        ({"NumberOfTemporalPositions": "10"}, None),
        ({"InConcatenationTotalNumber": 4, "ImagesInAcquisition": "15"}, 4),
        ({"ImagesInAcquisition": "0"}, None),
    ],
)
def test_the_headers_own_count_is_a_hint(facts, expected):
    assert expected == header(classic()[0], **facts).expected


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_multi_frame_images_and_mosaics_count_their_images_and_have_no_place(syntax):
    for dataset, frames in ((enhanced(volumes=2), 12), (mosaic(Lattice(slices=7)), 7)):
        instance = header(dataset, syntax)

        assert (frames, None) == (instance.frames, instance.place)


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient"])
def test_an_image_without_geometry_has_no_place(keyword):
    image = classic()[0]
    delattr(image, keyword)

    assert None is header(image).place


def test_without_a_series_uid_images_of_one_association_stay_together():
    image = classic()[0]
    del image.SeriesInstanceUID
    content = encoded(image)
    one, again = (read_instance(arrival(association="a"), content).series_instance_uid for _ in range(2))
    other = read_instance(arrival(association="b"), content).series_instance_uid

    assert one == again != other
    assert UID(one).is_valid


def test_a_series_uid_that_is_none_is_replaced_the_same_way_for_all_its_images():
    raw = encoded(classic(SeriesInstanceUID="1.2.99")[0]).replace(b"1.2.99", b"../etc")
    found = {read_instance(arrival(association=a), raw).series_instance_uid for a in "ab"}

    assert len(found) == 1
    assert all(UID(uid).is_valid for uid in found)


def test_a_header_cut_anywhere_gives_what_came_before_the_cut():
    content = encoded(classic()[0])
    whole = read_instance(arrival(), content)
    for cut in range(len(content)):
        instance = read_instance(arrival(), content[:cut])

        assert instance.frames == 1
        assert instance.place in (None, whole.place) or instance.place.position_mm != whole.place.position_mm


def test_damage_further_on_takes_nothing_from_what_came_before():
    image = classic()[0]
    image.DimensionOrganizationSequence = [Dataset()]
    image["DimensionOrganizationSequence"].is_undefined_length = True
    whole = encoded(image)
    cut = whole[: whole.index(b"\xfe\xff\x00\xe0") + 3]

    assert read_instance(arrival(), whole).place == read_instance(arrival(), cut).place is not None


def test_a_wrong_value_representation_is_read_by_the_dictionary():
    raw = encoded(classic()[0])
    unknown = raw.replace(b"\x20\x00\x32\x00DS", b"\x20\x00\x32\x00ZZ")

    assert unknown != raw
    assert read_instance(arrival(), raw).place == read_instance(arrival(), unknown).place


@pytest.mark.parametrize("name", [b"ISO_IR 6666", b"\\ISO 2022 IR 87", b"utf-8      ", b"\xff\xfe\0\0"])
def test_an_odd_character_set_changes_nothing(name):
    image = classic(SpecificCharacterSet="ISO_IR 192", PatientName="X^Y", ProtocolName="p")[0]
    raw = encoded(image)
    padded = name + b" " * (len(name) % 2)
    odd = raw.replace(b"CS\x0a\x00ISO_IR 192", b"CS" + len(padded).to_bytes(2, "little") + padded)

    assert odd != raw
    assert read_instance(arrival(), raw).place == read_instance(arrival(), odd).place
