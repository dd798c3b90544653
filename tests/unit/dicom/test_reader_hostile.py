"""Damaged and hostile objects: a reason, and no more memory than the object is worth.

``SCANSIDE_FUZZ_FILES`` sets the number of mutated files (a short run by default), ``SCANSIDE_FUZZ_SEED`` the first
seed.
"""

import os
import random
import struct
import tracemalloc

import numpy as np
import pytest
from builders.images.series import Lattice, arrival, classic, encoded, enhanced, mosaic, part10, with_syntax
from builders.peers.fuzz import mutated_file
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import compress
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from daemon.core.errors import NotAssessable, Reason
from daemon.core.values import Instance
from daemon.dicom.parsing import parse, parse_file
from daemon.dicom.reading.headers import read_instance
from daemon.dicom.reading.volumes import read_volumes

MEBIBYTE = 2**20
FUZZ_FILES = int(os.environ.get("SCANSIDE_FUZZ_FILES", "600"))
FUZZ_SEED = int(os.environ.get("SCANSIDE_FUZZ_SEED", "0"))


def refusal(objects):
    with pytest.raises(NotAssessable) as caught:
        read_volumes(objects)
    return caught.value


def assessable(objects):
    """Whether there are volumes; any error but a refusal escapes."""
    try:
        return bool(read_volumes(objects))
    except NotAssessable:
        return False


@pytest.mark.parametrize("length", [0, 1, 39])
def test_truncated_pixel_data_are_refused(length):
    images = classic()
    images[4].PixelData = images[4].PixelData[:length]

    assert Reason.UNREADABLE is refusal(images).reason


def test_absent_pixel_data_are_refused():
    images = classic()
    del images[4].PixelData

    assert Reason.UNREADABLE is refusal(images).reason


@pytest.mark.parametrize(
    "facts",
    [
        {"BitsAllocated": 12},
        {"BitsAllocated": 8},
        {"BitsAllocated": 32},
        {"BitsAllocated": 0},
        {"BitsStored": 17},
        {"HighBit": 13},
        {"PixelRepresentation": 7},
        {"Rows": 0},
        {"Columns": 0},
        {"Rows": 65535, "Columns": 65535},
        {"NumberOfFrames": "0"},
        {"NumberOfFrames": "-3"},
    ],
)
def test_an_impossible_description_of_pixels_is_refused(facts):
    images = classic()
    for image in images:
        for keyword, value in facts.items():
            setattr(image, keyword, value)

    assert refusal(images).reason in (Reason.UNREADABLE, Reason.TOO_LARGE)


def test_a_thousand_million_frames_are_refused_without_room_for_them():
    dataset = enhanced()
    dataset.NumberOfFrames = 1_000_000_000
    tracemalloc.start()
    error = refusal([dataset])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert Reason.GEOMETRY is error.reason
    assert peak < 4 * MEBIBYTE


def test_a_mosaic_of_countless_tiles_is_refused():
    dataset = mosaic()
    header = dataset[0x0029, 0x1010].value
    dataset[0x0029, 0x1010].value = header.replace(b"6\0", b"2000000000\0").replace(
        struct.pack("<4I", 2, 2, 77, 2), struct.pack("<4I", 11, 11, 77, 11)
    )

    assert Reason.UNSUPPORTED is refusal([dataset]).reason


@pytest.mark.parametrize("text", ["NaN", "inf", "-inf", "1e300", "", "x", "0x10", "1\\2"])
def test_positions_that_are_no_numbers_are_refused(text):
    spoilt = encoded(classic(ImagePositionPatient=["11", "22", "33333"])[2]).replace(
        b"33333", text.encode().ljust(5)[:5]
    )
    images = classic()
    images[2] = parse(spoilt, ExplicitVRLittleEndian)

    assert Reason.GEOMETRY is refusal(images).reason


def nested(depth, stated):
    """Sequences within sequences, of undefined or of stated length."""
    content = b""
    for _ in range(depth):
        length = len(content) if stated else 0xFFFFFFFF
        item = struct.pack("<HHL", 0xFFFE, 0xE000, length) + content
        content = struct.pack("<HHL", 0x0008, 0x1140, len(item) if stated else 0xFFFFFFFF) + item
    return content


@pytest.mark.parametrize("stated", [True, False])
def test_sequences_without_end_are_survived(stated):
    header = encoded(classic()[0], ImplicitVRLittleEndian)
    dataset = nested(1000, stated) + header
    parsed = parse(dataset, ImplicitVRLittleEndian)

    assert isinstance(read_instance(arrival(ImplicitVRLittleEndian), dataset), Instance)
    assert assessable([parsed, *classic()[1:]]) in (True, False)


@pytest.mark.parametrize(("items", "reached"), [(1_000, True), (100_000, False)])
def test_a_flood_of_empty_items_is_cut_off(items, reached):
    flood = struct.pack("<HHL", 0x0008, 0x1140, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0) * items
    header = encoded(classic()[0], ImplicitVRLittleEndian)
    dataset = flood + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0) + header
    instance = read_instance(arrival(ImplicitVRLittleEndian), dataset)

    assert reached is (instance.place is not None)


def jpeg_claiming(rows, columns, marker):
    size = struct.pack(">HH", rows, columns)
    return b"\xff\xd8\xff" + bytes([marker]) + struct.pack(">HB", 11, 12) + size + b"\1\1\x11\0" + b"\xff\xd9"


def jpeg_2000_claiming(rows, columns, real):
    """A JPEG 2000 frame that states another size in its SIZ segment (ISO 15444-1, A.5.1)."""
    start = real.index(b"\xff\x4f\xff\x51")
    return real[: start + 8] + struct.pack(">II", columns, rows) + real[start + 16 :]


def test_a_frame_that_claims_a_larger_image_than_its_header_is_not_decoded():
    images = classic(Lattice(columns=40, rows=36))
    compress(images[2], JPEG2000Lossless, generate_instance_uid=False)
    real = images[2].PixelData[16:]
    images[2].PixelData = encapsulate([jpeg_2000_claiming(60000, 60000, real)])
    tracemalloc.start()
    error = refusal(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (error.reason, error.detail) == (Reason.UNREADABLE, "pixel data, ValueError")
    assert peak < 4 * MEBIBYTE


@pytest.mark.parametrize("marker", [0xC3, 0xF7])
def test_a_jpeg_that_claims_another_size_is_not_decoded(marker):
    syntax = {0xC3: "1.2.840.10008.1.2.4.70", 0xF7: str(JPEGLSLossless)}[marker]
    images = classic()
    images[2].PixelData = encapsulate([jpeg_claiming(60000, 60000, marker)])
    images[2]["PixelData"].is_undefined_length = True
    with_syntax(images[2], syntax)
    error = refusal(images)

    assert (error.reason, error.detail) == (Reason.UNREADABLE, "pixel data, ValueError")


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, RLELossless])
@pytest.mark.parametrize("kept", [0.2, 0.9])
def test_a_compressed_frame_that_is_cut_off_is_refused(syntax, kept):
    images = classic(Lattice(columns=40, rows=36))
    compress(images[2], syntax, generate_instance_uid=False)
    frame = next(generate_frames(images[2].PixelData, number_of_frames=1))
    images[2].PixelData = encapsulate([frame[: int(kept * len(frame))]])

    assert Reason.UNREADABLE is refusal(images).reason


def test_a_run_length_bomb_is_refused():
    images = classic()
    bomb = struct.pack("<16L", 2, 64, 66, *[0] * 13) + b"\x81\0" * MEBIBYTE
    images[2].PixelData = encapsulate([bomb])
    images[2]["PixelData"].is_undefined_length = True
    with_syntax(images[2], RLELossless)
    tracemalloc.start()
    error = refusal(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert Reason.UNREADABLE is error.reason
    assert peak < 16 * MEBIBYTE


@given(st.binary(max_size=400), st.sampled_from([ImplicitVRLittleEndian, ExplicitVRLittleEndian, "", "1.2.3"]))
@settings(deadline=None)
def test_any_bytes_are_an_instance(content, syntax):
    instance = read_instance(arrival(syntax), content)

    assert instance.series_instance_uid
    assert instance.frames >= 1


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_are_refused_as_a_file_or_give_a_data_set(content):
    for candidate in (content, bytes(128) + b"DICM" + content):
        try:
            dataset = parse_file(candidate)
        except NotAssessable:
            continue
        assert not assessable([dataset])


def victims():
    lattice = Lattice(columns=40, rows=36, slices=3)
    files = [part10(image) for image in classic(lattice)]
    for syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless):
        image = classic(lattice)[0]
        compress(image, syntax, generate_instance_uid=False)
        files.append(part10(image))
    return [*files, part10(enhanced(lattice, 2)), part10(mosaic(lattice))]


@pytest.mark.parametrize("seed", range(FUZZ_SEED, FUZZ_SEED + 4))
def test_mutated_files_are_read_or_refused(seed):
    rng = random.Random(seed)
    files = victims()
    for _ in range(FUZZ_FILES // 4):
        content = mutated_file(rng.choice(files), rng)
        assessable([content, *files[1:3]])
        assessable([content])
        read_instance(arrival(), content[132:])


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 8))
@settings(deadline=None)
def test_any_number_in_a_geometry_is_read_or_refused(number, which):
    images = classic()
    header = [float(v) for v in (*images[1].ImagePositionPatient, *images[1].ImageOrientationPatient)]
    header[which] = number
    text = "\\".join(f"{value:.10g}" for value in header[:3])
    cosines = "\\".join(f"{value:.10g}" for value in header[3:])
    raw = encoded(classic(ImagePositionPatient="1" * 15, ImageOrientationPatient="2" * 15)[1])
    raw = raw.replace(*_element(b"1" * 15, text)).replace(*_element(b"2" * 15, cosines))
    images[1] = parse(raw, ExplicitVRLittleEndian)

    assert assessable(images) in (True, False)


def _element(marker, text):
    """What stands in the encoded header for ``marker``, and what shall stand there."""
    value = text.encode() + b" " * (len(text) % 2)
    return (
        b"DS" + struct.pack("<H", 16) + marker + b" ",
        b"DS" + struct.pack("<H", len(value)) + value,
    )


def test_values_stay_finite():
    images = classic(RescaleSlope="1e9", RescaleIntercept="-1e9")
    (volume,) = read_volumes(images)

    assert np.isfinite(volume.still).all()
