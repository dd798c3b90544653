"""Images compressed by DCMTK, an implementation that shares nothing with our decoders."""

import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from builders.images.series import Lattice, classic, describe_pixels, part10
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames

from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.reading.volumes import read_volumes

LATTICE = Lattice(columns=70, rows=64, slices=3)
JPEG, JPEG_LS, RLE = "/usr/bin/dcmcjpeg", "/usr/bin/dcmcjpls", "/usr/bin/dcmcrle"

pytestmark = pytest.mark.skipif(not Path(JPEG).exists(), reason="no DCMTK: apt install dcmtk")


def series(bits, signed):
    """Slices of noise over all values that ``bits`` hold."""
    images = classic(LATTICE)
    rng = np.random.default_rng(bits)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    for image in images:
        noise = rng.integers(low, high, (LATTICE.rows, LATTICE.columns)).astype("<i4")
        describe_pixels(image, (noise & (2**bits - 1)).astype("<u2"))
        image.BitsStored, image.HighBit, image.PixelRepresentation = bits, bits - 1, int(signed)
    return images


def compressed(images, folder, command):
    """The same images as DICOM files, compressed by DCMTK."""
    for n, image in enumerate(images):
        plain, packed = folder / f"{n}.dcm", folder / f"{n}.packed"
        plain.write_bytes(part10(image))
        subprocess.run([*command, plain, packed], check=True, capture_output=True)
        yield packed.read_bytes()


@pytest.mark.parametrize(
    "command",
    [
        [JPEG, "+e1"],
        [JPEG, "+el", "+sv", "6"],
        [JPEG, "+e1", "+fs", "2"],
        [JPEG_LS, "+el"],
        [JPEG_LS, "+el", "+fs", "2"],
        [RLE],
        [RLE, "+fs", "2"],
    ],
    ids=lambda command: " ".join(Path(part).name for part in command),
)
@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_what_dcmtk_compressed_without_loss_reads_as_before(tmp_path, command, bits, signed):
    images = series(bits, signed)
    (expected,) = read_volumes(images)
    files = list(compressed(images, tmp_path, command))
    (volume,) = read_volumes(files)

    assert dcmread(tmp_path / "0.packed").file_meta.TransferSyntaxUID.is_compressed
    assert expected.still.tobytes() == volume.still.tobytes()


@pytest.mark.parametrize("command", [[JPEG_LS, "+en"], [JPEG, "+ee"]], ids=["near-lossless", "extended"])
def test_what_dcmtk_compressed_with_loss_is_refused(tmp_path, command):
    files = list(compressed(series(12, signed=False), tmp_path, command))

    with pytest.raises(NotAssessable) as caught:
        read_volumes(files)

    assert Reason.LOSSY is caught.value.reason


@pytest.mark.parametrize("command", [[JPEG, "+e1"], [JPEG_LS, "+el"]], ids=["JPEG", "JPEG-LS"])
@pytest.mark.parametrize("kept", [0.3, 0.95])
def test_a_compressed_frame_that_is_cut_off_is_refused(tmp_path, command, kept):
    *others, content = compressed(series(12, signed=False), tmp_path, command)
    dataset = dcmread(BytesIO(content))
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([frame[: int(kept * len(frame))]])

    with pytest.raises(NotAssessable) as caught:
        read_volumes([*others, dataset])

    assert Reason.UNREADABLE is caught.value.reason
