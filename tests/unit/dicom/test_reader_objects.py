"""What is read of an object: its header in few pieces, its pixel data a frame at a time."""

import struct
import tracemalloc

import numpy as np
import pytest
from builders.images.series import Lattice, arrival, classic, encoded, enhanced, labels, part10
from pydicom.encaps import encapsulate
from pydicom.pixels import compress
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from daemon.core.errors import NotAssessable, Reason, SpoolError
from daemon.dicom.content import InMemory, Limits, Section, Stream
from daemon.dicom.parsing import parse
from daemon.dicom.reading.frames import frames_of
from daemon.dicom.reading.headers import read_instance
from daemon.dicom.reading.objects import limits_of, read_image
from daemon.dicom.reading.volumes import arrange, read_volumes

MEBIBYTE = 2**20
LARGE = Lattice(columns=256, rows=256, slices=64)  # 8 MiB


class Watched(InMemory):
    """Content that notes which bytes were asked for."""

    def __init__(self, whole):
        super().__init__(whole)
        object.__setattr__(self, "asked", [])

    def read(self, offset, length):
        self.asked.append((offset, min(length, self.length - offset)))
        return super().read(offset, length)

    def pieces(self):
        pytest.fail("read whole")


class Vanishing(InMemory):
    """Content whose segment is removed once its first bytes were read."""

    def read(self, offset, length):
        if offset:
            raise SpoolError("gone")
        return super().read(offset, length)


def peak_of(work):
    tracemalloc.start()
    try:
        work()
    except NotAssessable as error:
        return tracemalloc.get_traced_memory()[1], error
    finally:
        tracemalloc.stop()
    return pytest.fail("not refused")


def elements(count):
    """Empty private elements, Implicit VR."""
    return b"".join(struct.pack("<HHL", 0x0009 + 2 * (n >> 12), 0x1000 + (n & 0xFFF), 0) for n in range(count))


def sequence(count):
    """A sequence of empty items, Implicit VR."""
    flood = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * count
    return struct.pack("<HHL", 0x0008, 0x1140, 0xFFFFFFFF) + flood + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def deep(count):
    """Items within the items of a functional group."""
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + sequence(count) + struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    return struct.pack("<HHL", 0x5200, 0x9229, 0xFFFFFFFF) + item + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


@pytest.mark.parametrize("flood", [elements(100_000), sequence(100_000), deep(100_000)])
def test_a_flood_of_elements_or_items_is_refused_by_name_and_in_little_memory(flood):
    pixels = encoded(classic()[0]["PixelData":], ImplicitVRLittleEndian)
    whole = encoded(classic()[0][:"PixelData"], ImplicitVRLittleEndian) + flood + pixels
    peak, error = peak_of(lambda: read_image(InMemory(whole), ImplicitVRLittleEndian))

    assert (Reason.UNREADABLE, "more elements than any image has") == (error.reason, error.detail)
    assert peak < 16 * MEBIBYTE


def test_a_flood_in_an_object_of_many_frames_is_refused():
    frames = struct.pack("<HHL", 0x0028, 0x0008, 4) + b"100 "
    peak, error = peak_of(lambda: read_image(InMemory(frames + deep(400_000)), ImplicitVRLittleEndian))

    assert "more elements than any image has" == error.detail
    assert peak < 32 * MEBIBYTE


def test_who_states_the_number_of_frames_again_gets_no_more():
    again = struct.pack("<HHL", 0x0028, 0x0008, 4) + b"1   " + sequence(2_000)
    whole = encoded(classic()[0][:"Rows"], ImplicitVRLittleEndian) + again * 20
    _, error = peak_of(lambda: read_image(InMemory(whole), ImplicitVRLittleEndian))

    assert "more elements than any image has" == error.detail


def test_what_frames_may_add_has_an_end():
    stated = [enhanced(Lattice(slices=3)) for _ in range(2)]
    stated[0].NumberOfFrames, stated[1].NumberOfFrames = 10**6, 10**9

    assert limits_of(stated[0]) == limits_of(stated[1])


def test_a_flood_does_not_stop_its_instance_from_being_filed():
    flood = encoded(classic()[0], ImplicitVRLittleEndian)[:200] + sequence(100_000)

    assert read_instance(arrival(ImplicitVRLittleEndian), flood).series_instance_uid


def test_a_series_with_one_flooded_object_is_refused():
    files = [part10(image) for image in classic()]
    start = files[2].index(b"DICM") + 16 + int.from_bytes(files[2][140:144], "little") - 4
    flood = struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 9999
    files[2] = files[2][:start] + flood + files[2][start:]
    with pytest.raises(NotAssessable) as caught:
        read_volumes(files)

    assert "more elements than any image has" == caught.value.detail


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_no_pixel_is_read_with_a_header(syntax):
    dataset = enhanced(LARGE)
    dataset.add_new(0x00091010, "UN", bytes(3 * MEBIBYTE))  # what the reader does not ask for is passed over
    content = Watched(encoded(dataset, syntax))
    (stack,) = arrange([read_image(content, syntax)])

    assert (256, 256, 64) == stack.shape
    assert sum(length for _, length in content.asked) < MEBIBYTE


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_volumes_are_the_same_wherever_the_bytes_lie(syntax):
    images = [*classic(), enhanced(volumes=3)]
    for image in images:
        image.SeriesInstanceUID = "1.2"
    for series in (images[:-1], images[-1:]):
        whole = [parse(encoded(image, syntax), syntax) for image in series]
        apart = [
            read_image(Section(InMemory(b"x" + encoded(i, syntax)), 1, len(encoded(i, syntax))), syntax) for i in series
        ]
        expected, found = read_volumes(whole), read_volumes(apart)

        assert [labels(volume) for volume in expected] == [labels(volume) for volume in found]
        assert all(np.array_equal(a.still, b.still) for a, b in zip(expected, found, strict=True))
        assert [volume.acquisition for volume in expected] == [volume.acquisition for volume in found]


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_one_compressed_frame_is_in_memory_at_a_time(syntax):
    dataset = enhanced(Lattice(columns=512, rows=512, slices=24))
    noise = np.random.default_rng(0).integers(0, 65536, (24, 512, 512)).astype("<u2")
    dataset.PixelData = noise.tobytes()
    compress(dataset, syntax, generate_instance_uid=False)
    source = arrange([read_image(InMemory(encoded(dataset, syntax)), syntax)])[0].frames[0].source
    tracemalloc.start()
    for index, image in enumerate(source.images(range(24))):
        assert np.array_equal(noise[index], image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 12 * noise[0].nbytes


def test_fragments_without_end_are_not_collected():
    dataset = classic(Lattice(columns=40, rows=36))[0]
    fragments = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 600_000
    dataset.PixelData = encapsulate([b"ab"], has_bot=False)[:8] + fragments
    dataset["PixelData"].is_undefined_length = True
    content = InMemory(encoded(dataset, RLELossless))
    (frame,) = _frames(content, RLELossless)
    peak, error = peak_of(lambda: frame.source.image(0))

    assert Reason.UNREADABLE is error.reason
    assert peak < 8 * MEBIBYTE


def test_one_fragment_longer_than_any_frame_is_not_read():
    dataset = classic(Lattice(columns=40, rows=36))[0]
    dataset.PixelData = encapsulate([bytes(64 * MEBIBYTE)], has_bot=False)
    dataset["PixelData"].is_undefined_length = True
    (frame,) = _frames(InMemory(encoded(dataset, RLELossless)), RLELossless)
    peak, error = peak_of(lambda: frame.source.image(0))

    assert Reason.UNREADABLE is error.reason
    assert peak < 8 * MEBIBYTE


def _frames(content, syntax):
    return list(frames_of(read_image(content, syntax)))


def test_more_images_than_any_volume_has_are_refused(monkeypatch):
    monkeypatch.setattr("daemon.dicom.reading.volumes.FRAMES_MAX", 5)
    for objects in (classic(), [enhanced()]):
        _, error = peak_of(lambda objects=objects: arrange(objects))
        assert (Reason.TOO_LARGE, "more than 5 images") == (error.reason, error.detail)


def test_a_segment_that_is_removed_meanwhile_is_no_damaged_image():
    dataset = enhanced(Lattice(slices=200))
    dataset.PerFrameFunctionalGroupsSequence.is_undefined_length = True
    dataset["PerFrameFunctionalGroupsSequence"].is_undefined_length = True
    content = Vanishing(encoded(dataset))
    with pytest.raises(SpoolError):
        read_image(content, ExplicitVRLittleEndian)


def test_a_stream_ends_at_its_limits():
    stream = Stream(InMemory(bytes(100)), Limits(pieces=3, bytes=20))

    assert bytes(8) == stream.read(8)
    assert not stream.exceeded
    with pytest.raises(EOFError):
        stream.read(13)
    assert stream.exceeded
