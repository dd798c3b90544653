"""Simulated series as others see them: dciodvfy finds no error, dcm2niix the same volume, storescp takes them."""

import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from builders.images import reader_table as real
from builders.images.series import part10
from scipy.spatial.transform import Rotation

from daemon.dicom.reading.volumes import read_volumes
from daemon.dicom.simulate import corrupted_series, series_from_image
from models.subject import Acquisition, still

DCIODVFY = Path("/usr/bin/dciodvfy")


@pytest.fixture
def volume():
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_rotvec([0.2, -0.3, 0.1]).as_matrix() @ np.diag([1.1, 0.9, 2.5])
    affine[:3, 3] = [-70, -90, -40]
    voxels = np.random.default_rng(0).gamma(2, 150, (48, 40, 20)).astype(np.float32)
    return still(voxels, affine, acquisition=Acquisition(field_strength_t=3.0, echo_time_ms=2.9))


def errors(dataset, folder):
    """What dciodvfy calls an error."""
    path = folder / "image.dcm"
    path.write_bytes(part10(dataset))
    report = subprocess.run([DCIODVFY, path], capture_output=True, text=True, check=False)
    return [line for line in report.stderr.splitlines() if line.startswith("Error")]


@pytest.mark.skipif(not DCIODVFY.exists(), reason="no dciodvfy: apt install dicom3tools")
def test_dciodvfy_finds_no_error(volume, tmp_path):
    demo = list(series_from_image(volume, "seed"))
    corrupted = list(corrupted_series(demo, volume.still * 2, "seed"))

    assert errors(demo[3], tmp_path) == []
    assert errors(corrupted[3], tmp_path) == []


@pytest.mark.skipif(not real.DCM2NIIX.exists(), reason="no dcm2niix: apt install dcm2niix")
def test_dcm2niix_finds_the_same_volume(volume):
    demo = list(series_from_image(volume, "seed"))
    image = np.sqrt(volume.still)
    for made, expected in ((demo, volume.still), (corrupted_series(demo, image, "seed"), image)):
        source = real.Source("", "", tuple(map(part10, made)))
        wanted = still(expected, volume.affine)
        values, corner_mm = real.compare((wanted,), real.independent(source))

        assert values <= np.ptp(expected) / (2**16 - 1)
        assert corner_mm < 1e-3


@pytest.mark.skipif(not real.DICOM.is_dir(), reason="no real DICOM data: set SCANSIDE_DATA")
@pytest.mark.parametrize("folder", ["head-t1-siemens-trio", "head-t1-philips-elition", "head-2dT1-decubitus"])
def test_real_series_keep_their_geometry_when_their_voxels_are_replaced(folder):
    source = real.sources(folder)[0]
    (volume,) = read_volumes(source.files)
    image = volume.still[::-1] * np.float32(0.5)
    made = [part10(dataset) for dataset in corrupted_series(map(real.parse_file, source.files), image, "seed")]
    (after,) = read_volumes(made)

    assert volume.affine.tobytes() == after.affine.tobytes()
    assert np.abs(after.still - image).max() <= np.ptp(image) / (2**16 - 1) * 0.51
    assert nib.aff2axcodes(volume.affine) == nib.aff2axcodes(after.affine)
