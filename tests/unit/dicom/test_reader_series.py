"""Series of several volumes, objects that are no MR images, and facts of the header."""

import numpy as np
import pytest
from builders.images.series import Lattice, classic, encoded, enhanced, labels, mosaic, part10
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRSpectroscopyStorage,
    RawDataStorage,
    SecondaryCaptureImageStorage,
)

from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.parsing import parse
from daemon.dicom.reading.volumes import read_volumes
from models.subject import Acquisition


def refusal(objects):
    with pytest.raises(NotAssessable) as caught:
        read_volumes(objects)
    return caught.value


def numbered(images, start):
    for n, image in enumerate(images):
        image.InstanceNumber = start + n
    return images


def repeated(volumes, by_slice, **facts):
    """A series of ``volumes`` repetitions; repetition t holds numbers from 1000 t on.

    ``by_slice``: InstanceNumber runs over the repetitions of a slice first, else over the slices of a repetition.
    ``facts``: functions of (t, k) that give an attribute's value.
    """
    found = []
    for t in range(volumes):
        for k, image in enumerate(classic(uid=f"1.2.{t}", first=1000 * t)):
            image.InstanceNumber = 1 + (k * volumes + t if by_slice else t * 6 + k)
            for keyword, value in facts.items():
                setattr(image, keyword, value(t, k))
            found.append(image)
    return found


def firsts(volumes):
    return [int(volume.still.min()) for volume in volumes]


@given(st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_repetitions_are_told_apart_by_instance_number(by_slice, random):
    images = repeated(4, by_slice)
    random.shuffle(images)
    volumes = read_volumes(images)

    assert firsts(volumes) == [0, 1000, 2000, 3000]
    assert [labels(volume) for volume in volumes] == [
        ("Repetition=1",),
        ("Repetition=2",),
        ("Repetition=3",),
        ("Repetition=4",),
    ]
    assert all(np.ptp(volume.still) + 1 == 120 for volume in volumes)


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_echoes_and_phases_are_told_apart_by_their_facts(random):
    images = repeated(4, by_slice=True, EchoTime=lambda t, _: [4.92, 7.38][t // 2], TriggerTime=lambda t, _: t % 2 * 30)
    random.shuffle(images)
    volumes = read_volumes(images)

    assert firsts(volumes) == [0, 1000, 2000, 3000]
    assert labels(volumes[0]) == ("EchoTime=4.92", "TriggerTime=0")
    assert labels(volumes[3]) == ("EchoTime=7.38", "TriggerTime=30")
    assert [volume.acquisition.echo_time_ms for volume in volumes] == [4.92, 4.92, 7.38, 7.38]


def test_echoes_may_share_their_instance_numbers():
    images = repeated(2, by_slice=False, EchoNumbers=lambda t, _: t + 1, InstanceNumber=lambda _, k: k + 1)

    assert firsts(read_volumes(images)) == [0, 1000]


def test_a_fact_that_differs_from_slice_to_slice_splits_nothing():
    images = classic()
    for k, image in enumerate(images):
        image.TriggerTime, image.AcquisitionNumber = 37 * k, k % 2

    assert [labels(volume) for volume in read_volumes(images)] == [()]


def test_trigger_times_that_differ_between_slices_still_split_by_order():
    images = repeated(3, by_slice=True, TriggerTime=lambda t, k: 100 * t + k)

    assert firsts(read_volumes(images)) == [0, 1000, 2000]


def test_directions_of_one_b_value_are_told_apart():
    gradients = [[1.0, 0, 0], [0, 1.0, 0]]
    images = repeated(
        3,
        by_slice=True,
        DiffusionBValue=lambda t, _: 0.0 if t == 0 else 1000.0,
        DiffusionGradientOrientation=lambda t, _: None if t == 0 else gradients[t - 1],
    )
    volumes = read_volumes(images)

    assert firsts(volumes) == [0, 1000, 2000]
    assert labels(volumes[2]) == ("DiffusionBValue=1000", "DiffusionGradientOrientation=0\\1\\0")


PRIVATE_B_VALUES = [
    ("SIEMENS", (0x0019, "SIEMENS MR HEADER", 0x0C, "IS"), str),
    ("Philips Healthcare", (0x2001, "Philips Imaging DD 001", 0x03, "FL"), float),
    ("GE MEDICAL SYSTEMS", (0x0043, "GEMS_PARM_01", 0x39, "IS"), lambda b: [str(10**9 + b), "8", "0", "0"]),
]


def private_diffusion(maker, place, encode):
    """Two b-values of three volumes, stated in private elements alone, behind a block of somebody else's."""
    group, creator, element, form = place
    images = repeated(3, by_slice=True, Manufacturer=lambda *_: maker)
    for image in images:
        image.private_block(group, "SOMEBODY ELSE", create=True).add_new(1, "LO", "x")
        b = 0 if int.from_bytes(image.PixelData[:2], "little") < 1000 else 1000
        image.private_block(group, creator, create=True).add_new(element, form, encode(b))
    return images


@pytest.mark.parametrize("stated", PRIVATE_B_VALUES, ids=lambda stated: stated[0])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_b_values_in_private_elements_tell_volumes_apart(stated, syntax):
    images = [parse(encoded(image, syntax), syntax) for image in private_diffusion(*stated)]
    volumes = read_volumes(images)

    assert [
        ("DiffusionBValue=0",),
        ("DiffusionBValue=1000", "Repetition=1"),
        ("DiffusionBValue=1000", "Repetition=2"),
    ] == [labels(volume) for volume in volumes]
    assert firsts(volumes) == [0, 1000, 2000]


def test_private_elements_of_another_maker_say_nothing():
    images = private_diffusion("ACME", *PRIVATE_B_VALUES[0][1:])

    assert [(f"Repetition={n}",) for n in (1, 2, 3)] == [labels(volume) for volume in read_volumes(images)]


@given(st.integers(0, 17))
@settings(deadline=None)
def test_an_image_missing_from_one_of_several_volumes_is_refused(gone):
    images = repeated(3, by_slice=False)
    del images[gone]
    error = refusal(images)

    assert (error.reason, error.detail) == (Reason.INCOMPLETE, "1 of 18 images missing")


def test_an_interrupted_time_series_is_refused():
    error = refusal(repeated(4, by_slice=False)[:-4])

    assert (error.reason, error.detail) == (Reason.INCOMPLETE, "4 of 24 images missing")


def test_a_second_image_at_one_position_is_refused():
    again = classic(uid="1.9")[2]
    again.InstanceNumber = 7
    error = refusal([*classic(), again])

    assert (error.reason, error.detail) == (Reason.GEOMETRY, "1 images lie where there is another one")


def test_images_that_nothing_tells_apart_are_refused():
    images = [*classic(), *classic(uid="1.9")]

    assert Reason.GEOMETRY is refusal(images).reason


def test_mosaics_of_a_time_series_are_volumes_in_order():
    volumes = read_volumes([mosaic(uid=f"1.2.{n}", number=n) for n in (3, 1, 2)])

    assert [labels(volume) for volume in volumes] == [("Repetition=1",), ("Repetition=2",), ("Repetition=3",)]


def test_enhanced_objects_of_one_volume_each_are_volumes_in_order():
    objects = [enhanced(uid=f"1.2.{n}") for n in range(3)]

    assert len(read_volumes(reversed(numbered(objects, 1)))) == 3


@given(st.integers(1, 5))
@settings(max_examples=5, deadline=None)
def test_the_parts_of_a_concatenation_are_one_volume(cut):
    whole, first, second = enhanced(), enhanced(uid="1.2.1"), enhanced(uid="1.2.2")
    for dataset, kept in ((first, slice(None, cut)), (second, slice(cut, None))):
        groups = list(dataset.PerFrameFunctionalGroupsSequence)[kept]
        dataset.PerFrameFunctionalGroupsSequence, dataset.NumberOfFrames = groups, len(groups)
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").reshape(6, -1)[kept].tobytes()
    (expected,), (volume,) = read_volumes([whole]), read_volumes([second, first])

    assert expected.still.tobytes() == volume.still.tobytes()
    assert expected.affine.tobytes() == volume.affine.tobytes()


def bare(sop_class, modality, **attributes):
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = sop_class, "1.2.77", modality
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (bare(EnhancedSRStorage, "SR"), Reason.NOT_MR),
        (bare(CTImageStorage, "CT", Rows=4), Reason.NOT_MR),
        (bare(RawDataStorage, "MR"), Reason.EMPTY),
        (bare(MRSpectroscopyStorage, "MR", Rows=1), Reason.UNSUPPORTED),
        (bare(SecondaryCaptureImageStorage, "MR", Rows=4), Reason.UNSUPPORTED),
        (bare("1.3.12.2.1107.5.9.1", "MR", Rows=4), Reason.UNSUPPORTED),
    ],
)
def test_what_is_no_mr_image_is_refused_for_what_it_is_and_left_out_beside_images(dataset, reason):
    assert reason is refusal([dataset]).reason
    assert len(read_volumes([dataset, *classic()])) == 1


def test_nothing_at_all_is_refused():
    assert Reason.EMPTY is refusal([]).reason
    assert Reason.EMPTY is refusal([b"no DICOM", b""]).reason


def test_files_are_read_and_other_files_left_out():
    images = classic()
    (volume,), (from_files,) = read_volumes(images), read_volumes([b"README", *map(part10, images)])

    assert volume.still.tobytes() == from_files.still.tobytes()


def test_an_image_without_signal_is_refused():
    images = classic()
    for image in images:
        image.PixelData = b"\5\0" * 20

    assert Reason.FLAT is refusal(images).reason


def test_facts_come_from_the_header():
    facts = {
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "Prisma",
        "StationName": "MR1",
        "ProtocolName": "t1",
        "BodyPartExamined": "HEAD",
        "MagneticFieldStrength": "2.89",
        "RepetitionTime": "2300",
        "EchoTime": "2.98",
        "ImageType": ["ORIGINAL", "PRIMARY", "M"],
    }
    (volume,) = read_volumes(classic(**facts))

    assert (
        Acquisition(
            modality="MR",
            manufacturer="SIEMENS",
            model="Prisma",
            station="MR1",
            protocol="t1",
            body_part="HEAD",
            field_strength_t=2.89,
            repetition_time_ms=2300.0,
            echo_time_ms=2.98,
            image_type=("ORIGINAL", "PRIMARY", "M"),
        )
        == volume.acquisition
    )


def test_a_silent_header_gives_no_facts():
    (volume,) = read_volumes(classic())

    assert Acquisition() == volume.acquisition


@pytest.mark.parametrize(
    ("character_set", "raw", "expected"),
    [
        (b"ISO_IR 100 ", b"Sch\xe4del", "Schädel"),
        (b"ISO_IR 192 ", "頭部".encode(), "頭部"),
        (b"GB18030 ", "头部".encode("gb18030"), "头部"),
        (b"\\ISO 2022 IR 87 ", "頭部".encode("iso2022_jp"), "頭部"),
        (b"NO SUCH SET ", b"Kopf", "Kopf"),
        (b"", b"Kopf\xff", "Kopfÿ"),
    ],
)
def test_the_protocol_is_read_in_the_headers_character_set(character_set, raw, expected):
    name = part10(classic(Lattice(), SpecificCharacterSet="ISO_IR 192", ProtocolName="#" * 16)[0])
    patched = name.replace(b"CS\x0a\x00ISO_IR 192", b"CS" + len(character_set).to_bytes(2, "little") + character_set)
    padded = raw + b" " * (len(raw) % 2)
    patched = patched.replace(b"LO\x10\x00" + b"#" * 16, b"LO" + len(padded).to_bytes(2, "little") + padded)
    (volume,) = read_volumes([patched, *classic()[1:]])

    assert expected == volume.acquisition.protocol
