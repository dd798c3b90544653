"""A user's people as label maps that heads are synthesised from, and who of them is held out."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from training.bids.finding import Scan, Wanted, find_scans
from training.synthesis.labelmaps import CSF, GREY, TISSUES, WHITE, load_class_table, load_label_maps
from training.synthesis.own_people import part, write_label_maps, write_people

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def scans_of(*people):
    return [Scan(person=p, name=f"{p}_run-{n}", image=Path(p), labels=Path(p)) for p in people for n in (1, 2)]


@pytest.mark.parametrize(("people", "share", "held_out"), [(2, 0.2, 1), (2, 1.0, 1), (10, 0.2, 2), (3, 0.0, 1)])
def test_people_are_held_out_whole(people, share, held_out):
    parted = part(scans_of(*(f"sub-{n:02d}" for n in range(people))), share, seed=3)
    train, out = ({scan.person for scan in scans} for scans in (parted.train, parted.held_out))

    assert held_out == len(out)
    assert people == len(train | out)
    assert not train & out
    assert 2 * people == len(parted.train) + len(parted.held_out)


def test_who_is_held_out_is_the_same_each_time():
    scans = scans_of(*(f"sub-{n:02d}" for n in range(9)))

    assert part(scans, 0.3, 1) == part(scans, 0.3, 1)
    assert part(scans, 0.3, 1) != part(scans, 0.3, 2)


@pytest.fixture
def folder(tmp_path):
    """Two balls of heads: fat around muscle around CSF around grey around white matter, in air."""
    along = np.arange(48) - 23.5
    distance = np.sqrt(sum(np.meshgrid(*[along**2] * 3, indexing="ij")))
    rng = np.random.default_rng(0)
    for number, person in enumerate(("sub-01", "sub-02")):
        labels = np.select([distance < 8, distance < 11, distance < 13], [2, 1, 3], 0).astype(np.int16)  # WM, GM, CSF
        levels = np.select(
            [distance < 8, distance < 11, distance < 13, distance < 17, distance < 20], [100, 60, 25, 50, 90], 0
        )
        image = (levels * (1 + number) + rng.normal(0, 1, labels.shape)).astype(np.float32)
        anat = tmp_path / "bids" / person / "anat"
        anat.mkdir(parents=True)
        nib.save(nib.Nifti1Image(image, AFFINE), anat / f"{person}_T1w.nii.gz")
        nib.save(nib.Nifti1Image(labels, AFFINE), anat / f"{person}_dseg.nii.gz")
    return tmp_path / "bids"


def test_label_maps_are_read_as_the_open_ones_are(folder, tmp_path):
    maps = tmp_path / "maps"
    write_label_maps(maps, find_scans(folder, Wanted()))
    heads, table = load_label_maps(maps), load_class_table(maps)

    assert 2 == len(heads)
    tissues = table.tissue[heads[0].classes.numpy()]
    voxels = {tissue: int((tissues == tissue).sum()) for tissue in (CSF, GREY, WHITE)}
    ball = 4 / 3 * np.pi * 16**3  # white matter, mm3 at 1 mm
    assert voxels[WHITE] == pytest.approx(ball, rel=0.05)
    assert voxels[GREY] == pytest.approx(4 / 3 * np.pi * (22**3 - 16**3), rel=0.05)
    assert set(np.unique(heads[0].classes)) >= {0, 1, 2, 3, 14, 15, 16}


def test_priors_are_the_peoples_own_on_the_scale_of_white_matter(folder, tmp_path):
    write_label_maps(tmp_path / "maps", find_scans(folder, Wanted()))
    mean = load_class_table(tmp_path / "maps").mean[0]

    assert 160 == pytest.approx(mean[2], rel=0.04)
    assert 160 * 0.60 == pytest.approx(mean[3], rel=0.05)  # the second person is twice as bright throughout
    assert 160 * 0.25 <= mean[1] < mean[3]  # a thin shell, mixed with what is beside it
    assert mean[15] < mean[16] < mean[14]  # bone, muscle, fat


def test_people_are_laid_out_as_evaluation_reads_them(folder, tmp_path):
    write_people(tmp_path / "people", find_scans(folder, Wanted()))
    anat = tmp_path / "people" / "sub-01" / "anat"
    labels = np.asarray(nib.load(anat / "sub-01_desc-tissue_dseg.nii.gz").dataobj)
    image = np.asarray(nib.load(anat / "sub-01_T1w.nii.gz").dataobj)

    assert ["sub-01_T1w.nii.gz", "sub-01_desc-tissue_dseg.nii.gz"] == sorted(path.name for path in anat.iterdir())
    assert [25, 60, 100] == [pytest.approx(image[labels == n].mean(), abs=1) for n in range(1, len(TISSUES))]
