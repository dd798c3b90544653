"""What a BIDS name says of a file, and what it does not."""

import nibabel
import numpy as np
import pytest

from daemon.commands.assess import appraise
from daemon.config import Settings
from daemon.core.bids import suffix_of
from daemon.core.errors import Reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01_T1w.nii.gz", "T1w"),
        ("sub-01_ses-2_desc-preproc_T1w.nii", "T1w"),
        ("sub-01_FLAIR.nii.gz", "FLAIR"),
        ("sub-01_ses-2_space-T1w_dseg.nii.gz", "dseg"),
        ("sub-0001_space-T1w_label-WMH_mask.nii", "mask"),
        ("sub-0001_t1.nii.gz", "t1"),
        ("FLAIR.nii.gz", ""),
        ("sub-01_FLAIR.nii.gz.txt", ""),
        ("sub-01_acq-highres_run-2_T2w.nii.gz", "T2w"),
    ],
)
def test_a_name_after_bids_tells_what_the_image_is(name, expected):
    assert expected == suffix_of(name)


def test_a_segmentation_of_a_bids_folder_is_not_judged_as_an_image(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 4, (80, 80, 80)).astype(np.uint8)
    labels = nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 2.0, 1.0]))
    nibabel.save(labels, tmp_path / "sub-01_dseg.nii.gz")
    verdict = appraise(tmp_path / "sub-01_dseg.nii.gz", Settings(storage=tmp_path)).verdict

    assert Reason.UNROUTED is verdict.not_assessed
    assert "no image of a scanner by its BIDS name" in verdict.action
