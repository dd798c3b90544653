"""Against highdicom: its own reader of volumes, and Legacy Converted Enhanced MR as it makes it."""

import warnings

import numpy as np
import pytest
from builders.images.series import part10
from highdicom import get_volume_from_series
from highdicom.legacy import LegacyConvertedEnhancedMRImage
from pydicom.uid import LegacyConvertedEnhancedMRImageStorage
from scipy.spatial.transform import Rotation

from daemon.dicom.reading.volumes import read_volumes
from daemon.dicom.simulate import series_from_image
from models.subject import Acquisition, still


@pytest.fixture
def series():
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_rotvec([0.4, 0.2, -1.1]).as_matrix() @ np.diag([0.8, 1.3, 2.1])
    affine[:3, 3] = [12, -50, 31]
    voxels = np.random.default_rng(0).gamma(2, 150, (22, 18, 9)).astype(np.float32)
    facts = Acquisition(echo_time_ms=2.9, repetition_time_ms=2300.0, protocol="t1")
    return list(series_from_image(still(voxels, affine, acquisition=facts), "seed"))


def test_highdicom_finds_the_same_volume(series):
    (volume,) = read_volumes(series)
    other = get_volume_from_series(series, apply_real_world_transform=False)
    # highdicom: array (slice, row, column), affine to LPS
    swapped = other.affine[:, [2, 1, 0, 3]]
    flip = np.sign(float(np.diag(np.linalg.inv(volume.affine) @ np.diag([-1, -1, 1, 1]) @ swapped)[2]))
    ours = volume.still[:, :, :: int(flip)].transpose(2, 1, 0)
    corner = volume.affine @ [0, 0, 0 if flip > 0 else volume.still.shape[2] - 1, 1] * [-1, -1, 1, 1]

    assert np.allclose(other.array, ours, rtol=1e-6)
    assert np.allclose(corner, swapped @ [0, 0, 0, 1], atol=1e-5)


def test_legacy_converted_images_read_as_the_classic_ones_did(series):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # highdicom warns of every header it finds incomplete
        converted = LegacyConvertedEnhancedMRImage(
            series, series_instance_uid="1.2.3", series_number=2, sop_instance_uid="1.2.3.4", instance_number=1
        )
    (expected,), (volume,) = read_volumes(series), read_volumes([part10(converted)])

    assert LegacyConvertedEnhancedMRImageStorage == converted.SOPClassUID
    assert expected.still.tobytes() == volume.still.tobytes()
    assert expected.affine.tobytes() == volume.affine.tobytes()
    assert (
        volume.acquisition.echo_time_ms,
        volume.acquisition.repetition_time_ms,
        volume.acquisition.protocol,
    ) == (2.9, 2300.0, "t1")
