"""From encoded pixels to values: bits, signs, byte orders, transfer syntaxes, rescale."""

import base64

import numpy as np
import pytest
from builders.images.series import Lattice, classic, describe_pixels, encoded, enhanced, part10, with_syntax
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.pixels import compress
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.parsing import parse
from daemon.dicom.reading.volumes import read_volumes

#: 4 x 6 pixels 0, 171, 342 ..., encoded by OpenJPH 0.26.3 (imagecodecs 2026.3.6, htj2k_encode, reversible).
HTJ2K = base64.b64decode(
    "/0//UQApQAAAAAAGAAAABAAAAAAAAAAAAAAABgAAAAQAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQkJCQkJCQ"
    "iIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAFAAAf+TwAAmNfQFB3QAAADAABMArP0Ch3QAwAASwAAVAOkAB3QACBJB/gDiNADAACeA"
    "AFWAVKn+gYt0AAIoAAH8ACEAd1YA/9k="
)

#: OpenJPEG's encoder wants 32 pixels a side.
LARGE = Lattice(columns=40, rows=36, slices=3)


def refusal(objects):
    with pytest.raises(NotAssessable) as caught:
        read_volumes(objects)
    return caught.value


def voxels(images):
    (volume,) = read_volumes(images)
    return volume.still


def described(stored, **facts):
    """A series whose first slice holds ``stored`` (rows, columns)."""
    images = classic()
    for image in images:
        describe_pixels(image, np.resize(stored, (4, 5)).astype(stored.dtype))
        for keyword, value in facts.items():
            setattr(image, keyword, value)
    return images


def over_the_network(images, syntax):
    """As the receiver stores them: data sets alone, read back."""
    return [parse(encoded(image, syntax), syntax) for image in images]


@given(st.integers(9, 16), st.booleans(), st.integers(0, 2**16 - 1))
@settings(deadline=None)
def test_bits_above_bits_stored_are_no_part_of_the_value(bits, signed, dirt):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    true = np.linspace(low, high - 1, 20).astype(int)
    clean = true & (2**bits - 1)
    dirty = (clean | dirt & ~(2**bits - 1) & 0xFFFF).astype("<u2")
    facts = {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(signed)}

    assert true.tolist() == voxels(described(dirty, **facts))[:, :, 0].T.ravel().tolist()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_byte_order_and_vr_encoding_change_nothing(syntax):
    images = classic()
    expected = voxels(images)
    if syntax == ExplicitVRBigEndian:
        for image in images:
            image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()

    assert expected.tobytes() == voxels(over_the_network(images, syntax)).tobytes()


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("fragments", [1, 2])
def test_lossless_compression_changes_nothing(syntax, fragments):
    images = classic(LARGE)
    expected = voxels(images)
    for image in images:
        compress(image, syntax, generate_instance_uid=False)
        if fragments > 1:
            image.PixelData = _refragmented(image.PixelData, fragments)

    assert expected.tobytes() == voxels(over_the_network(images, syntax)).tobytes()


def _refragmented(pixel_data, fragments):
    """The one frame of ``pixel_data`` in several fragments, behind an empty offset table."""
    length = int.from_bytes(pixel_data[4:8], "little")
    frame = pixel_data[8 + length + 8 :]
    frame = frame[: int.from_bytes(pixel_data[8 + length + 4 : 8 + length + 8], "little")]
    return encapsulate([frame], fragments_per_frame=fragments, has_bot=False)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_multi_frame_images_keep_their_frames_in_order(syntax):
    image = enhanced(LARGE, volumes=2)
    expected = [volume.still.tobytes() for volume in read_volumes([image])]
    compress(image, syntax, generate_instance_uid=False)

    assert expected == [volume.still.tobytes() for volume in read_volumes(over_the_network([image], syntax))]


def test_high_throughput_jpeg_2000_is_read():
    images = classic()
    for image in images:
        image.Rows, image.Columns = 4, 6
        image.PixelData = encapsulate([HTJ2K])
        image["PixelData"].is_undefined_length = True
        with_syntax(image, HTJ2KLossless)

    assert (171 * np.arange(24)).tolist() == voxels(images)[:, :, 0].T.ravel().tolist()


@pytest.mark.parametrize("signed", [False, True])
def test_eight_bits_are_read_in_either_byte_order(signed):
    stored = np.arange(20, dtype=np.uint8) * 13
    facts = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": int(signed)}
    images = described(stored, **facts)
    expected = (stored.view(np.int8) if signed else stored).tolist()

    assert expected == voxels(images)[:, :, 0].T.ravel().tolist()
    for image in images:
        image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
    assert expected == voxels(over_the_network(images, ExplicitVRBigEndian))[:, :, 0].T.ravel().tolist()


def test_rescale_is_applied_a_slice_and_missing_means_none():
    images = classic()
    images[2].RescaleSlope, images[2].RescaleIntercept = "0.5", "-3"
    plain, rescaled = voxels(classic()), voxels(images)

    assert np.array_equal(plain[:, :, [0, 1, 3, 4, 5]], rescaled[:, :, [0, 1, 3, 4, 5]])
    assert np.array_equal(plain[:, :, 2] * 0.5 - 3, rescaled[:, :, 2])


@pytest.mark.parametrize("text", [b"1,25", b"nan ", b"-inf", b"1e99"])
@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_an_unreadable_rescale_is_refused_not_guessed(keyword, text):
    images = over_the_network(classic(**{keyword: "1.25"}), ExplicitVRLittleEndian)
    spoilt = encoded(classic(**{keyword: "1.25"})[3]).replace(b"1.25", text)
    images[3] = parse(spoilt, ExplicitVRLittleEndian)

    assert Reason.UNREADABLE is refusal(images).reason


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLSNearLossless, JPEG2000])
def test_lossy_transfer_syntaxes_are_refused(syntax):
    images = [with_syntax(image, syntax) for image in classic()]

    assert Reason.LOSSY is refusal(images).reason


def test_images_once_compressed_with_loss_are_refused():
    assert Reason.LOSSY is refusal(classic(LossyImageCompression="01")).reason
    assert len(read_volumes(classic(LossyImageCompression="00"))) == 1


def test_a_transfer_syntax_without_decoder_is_refused():
    images = [with_syntax(image, "1.2.840.10008.1.2.4.100") for image in classic()]

    assert Reason.UNREADABLE is refusal(images).reason


def test_deflated_data_sets_are_refused_as_such_and_not_inflated():
    files = [part10(with_syntax(image, DeflatedExplicitVRLittleEndian)) for image in classic()]

    assert "a deflated data set" == refusal(files).detail


def test_colour_images_are_refused():
    assert Reason.UNSUPPORTED is refusal(classic(SamplesPerPixel=3)).reason


@pytest.mark.parametrize("photometric", ["PALETTE COLOR", "RGB", "YBR_FULL"])
def test_images_that_are_no_shades_of_grey_are_refused(photometric):
    assert Reason.UNSUPPORTED is refusal(classic(PhotometricInterpretation=photometric)).reason


def padded(value, representation, stated, vr, limit=None):
    """Images whose first pixels hold ``value``, as their header ``stated`` it."""
    images = classic()
    for image in images:
        pixels = np.frombuffer(image.PixelData, "<u2").astype(np.int64) + 5
        pixels[:3] = value if limit is None else (value, limit, (value + limit) // 2)
        image.PixelData = pixels.astype("<i2" if representation else "<u2").tobytes()
        image.PixelRepresentation = representation
        image.add_new("PixelPaddingValue", vr, stated)
        if limit is not None:
            image.add_new("PixelPaddingRangeLimit", vr, limit)
    return images


@pytest.mark.parametrize(
    "padding",
    [
        (-32768, 1, -32768, "SS", None),
        (-2000, 1, 63536, "US", None),
        (65535, 0, 65535, "US", None),
        (65535, 0, -1, "SS", None),
        (60000, 0, 60000, "US", 60900),
        (-2000, 1, -2000, "SS", -3000),
    ],
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_padding_is_background_and_nothing_else_changes(padding, syntax):
    images = over_the_network(padded(*padding), syntax)
    expected = voxels(classic()) + 5
    expected[:3, 0] = 0

    assert np.array_equal(expected, voxels(images))


def test_padding_is_no_darker_than_the_darkest_where_values_are_shifted():
    images = padded(65535, 0, 65535, "US")
    for image in images:
        image.RescaleSlope, image.RescaleIntercept = "2", "-100"

    assert -100.0 == voxels(images).min()


def test_a_series_of_padding_alone_is_flat():
    images = classic(PixelPaddingValue=0, PixelPaddingRangeLimit=65535)

    assert Reason.FLAT is refusal(images).reason


def test_an_inverted_series_is_turned_over():
    plain = voxels(classic())

    assert np.array_equal(plain.max() - plain, voxels(classic(PhotometricInterpretation="MONOCHROME1")))


def test_padding_of_an_inverted_series_is_background():
    images = padded(65535, 0, 65535, "US")
    for image in images:
        image.PhotometricInterpretation = "MONOCHROME1"
    expected = (voxels(classic()) + 5).max() - (voxels(classic()) + 5)
    expected[:3, 0] = 0

    assert np.array_equal(expected, voxels(images))


def test_a_series_that_is_inverted_in_part_is_refused():
    images = classic()
    images[2].PhotometricInterpretation = "MONOCHROME1"

    assert "images of two photometric interpretations" == refusal(images).detail
