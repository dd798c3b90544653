"""Real series of five manufacturers, against dcm2niix, DCMTK and what their sources say of them."""

from pathlib import Path

import numpy as np
import pytest
from builders.images import reader_table as real
from builders.images.series import arrival

from daemon.core.errors import NotAssessable
from daemon.core.reception.geometry import Coverage, coverage
from daemon.dicom.parsing import parse_file
from daemon.dicom.reading.headers import read_instance
from daemon.dicom.reading.pixels import pixel_source
from daemon.dicom.reading.volumes import read_volumes

DOCUMENTED = Path(__file__).parents[3] / "docs" / "reader-table.md"

pytestmark = [
    pytest.mark.skipif(not real.DICOM.is_dir(), reason="no real DICOM data: set SCANSIDE_DATA"),
    pytest.mark.skipif(not real.DCM2NIIX.exists(), reason="no dcm2niix: apt install dcm2niix"),
]


@pytest.fixture(scope="module")
def rows():
    return real.rows()


def files(folder, kind=""):
    """The files of the series of a folder, a tuple a series."""
    return [source.files for source in real.sources(folder) if kind in source.kind]


def test_voxels_and_places_are_those_of_another_reader(rows):
    compared = [row for row in rows if row.difference is not None]

    assert len(compared) >= 25
    for row in compared:
        values, corner_mm = row.difference
        assert values <= 4e-5, row
        assert corner_mm < 0.01, row


def test_every_folder_of_the_data_is_in_the_table(rows):
    folders = [*real.DICOM.iterdir(), *(real.DICOM.parent / "dicom-field").iterdir()]

    assert {folder.name for folder in folders if folder.is_dir()} == {row.folder for row in rows}


def test_the_documented_table_is_what_the_reader_does(rows):
    assert DOCUMENTED.read_text() == real.table(rows)


def test_signed_pixels_with_dirty_high_bits_have_the_values_their_source_states():
    (content,) = files("12bit-highbits", "signed")[0]
    (volume,) = read_volumes([content])
    values = set(volume.still.ravel().tolist())

    assert {-241.0, -1.0} <= values
    assert not {3855.0, 4095.0} & values


def test_nine_encodings_of_one_image_hold_the_same_voxels():
    read = [read_volumes(found)[0] for found in files("transfer-syntaxes")]

    assert len(read) == 9
    assert len({(volume.still.tobytes(), volume.affine.tobytes()) for volume in read}) == 1


def test_compressed_frames_of_one_multi_frame_image_are_those_of_the_uncompressed_one():
    encodings = [found for (found,) in files("broken-series", "-, MR")]
    stored = {}
    for content in encodings:
        try:
            source = pixel_source(parse_file(content))
        except NotAssessable:
            continue
        stored[source.syntax.name] = np.stack([source.image(n) for n in range(source.frames)])
    truth = stored["Explicit VR Little Endian"]

    assert len(stored) == 5
    assert truth.shape == (10, 64, 64)
    assert all(np.array_equal(truth, frames) for frames in stored.values())


@pytest.mark.parametrize("folder", ["head-t1-siemens-trio", "head-t1-philips-elition", "head-2dT1-decubitus"])
def test_headers_of_whole_series_close_a_volume_and_of_cut_ones_do_not(folder):
    contents = files(folder)[0]
    places = []
    for content in contents:
        dataset = parse_file(content)
        syntax = dataset.file_meta.TransferSyntaxUID
        places.append(read_instance(arrival(syntax), real.data_set_of(content)).place)

    assert Coverage.WHOLE is coverage(places)
    assert Coverage.GAPPED is coverage(places[:9] + places[10:])
