"""Hearts of a BIDS folder: every layout is found, and everything that is wrong in one is said at once."""

import nibabel as nib
import numpy as np
import pytest

from training.bids.faults import BidsError, Fault
from training.cine.people import check_hearts, find_hearts, write_hearts
from training.cine.stacks import folds, read_stacks


def save(path, voxels):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, np.diag([1.4, 1.4, 8.0, 1.0])), path)


def labels():
    voxels = np.zeros((8, 8, 3), np.uint8)
    voxels[2:6, 2:6] = np.arange(4).repeat(4).reshape(4, 4, 1)
    return voxels


def write(folder, person, below="", derivative=""):
    """A person's four files; the labels below ``derivatives/`` where that is given."""
    for number, phase in enumerate(("ED", "ES")):
        image = np.random.default_rng(number).random((8, 8, 3)).astype(np.float32)
        name = f"{person}_phase-{phase}"
        save(folder / person / below / f"{name}_cine.nii.gz", image)
        place = folder / "derivatives" / derivative if derivative else folder
        save(place / person / below / f"{name}_dseg.nii.gz", labels())


def faults(folder, least=1, **options):
    with pytest.raises(BidsError) as caught:
        check_hearts(find_hearts(folder, least, **options))
    return {(finding.fault, finding.person) for finding in caught.value.findings}, str(caught.value)


@pytest.mark.parametrize(("below", "derivative"), [("", ""), ("anat", ""), ("ses-1/cardiac", ""), ("anat", "by hand")])
def test_hearts_are_found_in_every_layout_and_are_read_as_they_were(tmp_path, below, derivative):
    for person in ("sub-A1", "sub-B2"):
        write(tmp_path / "bids", person, below, derivative)
    hearts = find_hearts(tmp_path / "bids", 2)
    check_hearts(hearts)
    write_hearts(tmp_path / "people", hearts)
    stacks = list(read_stacks(tmp_path / "people"))

    assert ["sub-A1", "sub-B2"] == [heart.person for heart in hearts]
    assert [("sub-001", "ED"), ("sub-001", "ES"), ("sub-002", "ED"), ("sub-002", "ES")] == [
        (stack.patient, stack.phase) for stack in stacks
    ]
    np.testing.assert_array_equal(labels(), stacks[0].labels)
    np.testing.assert_allclose((1.4, 1.4, 8.0), stacks[0].spacing_mm, rtol=1e-6)
    assert [("sub-001",), ("sub-002",)] == folds(tmp_path / "people", 2)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "people").rglob("*.gz")}
    write_hearts(tmp_path / "people", hearts)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "people").rglob("*.gz")}


def test_everything_that_is_missing_or_there_twice_is_said_at_once(tmp_path):
    for person in ("sub-1", "sub-2", "sub-3"):
        write(tmp_path, person)
    (tmp_path / "sub-1" / "sub-1_phase-ES_dseg.nii.gz").unlink()
    save(tmp_path / "sub-2" / "anat" / "sub-2_run-2_phase-ED_cine.nii.gz", labels())
    found, said = faults(tmp_path)

    assert {(Fault.NO_PHASE, "sub-1"), (Fault.SEVERAL_IMAGES, "sub-2")} == found
    assert "--leave-out sub-1,sub-2" in said
    assert ["sub-3"] == [heart.person for heart in find_hearts(tmp_path, 1, {"sub-1", "sub-2"})]


def test_a_folder_without_hearts_or_with_too_few_is_refused(tmp_path):
    assert {(Fault.NO_HEART, "")} == faults(tmp_path)[0]
    write(tmp_path, "sub-1")

    assert {(Fault.FEW_PEOPLE, "")} == faults(tmp_path, 2)[0]


def test_what_cannot_be_trained_on_is_said_of_every_file(tmp_path):
    for number in range(1, 6):
        write(tmp_path, f"sub-{number}")
    save(tmp_path / "sub-1" / "sub-1_phase-ED_cine.nii.gz", np.zeros((8, 8, 3), np.float32))
    save(tmp_path / "sub-2" / "sub-2_phase-ED_dseg.nii.gz", np.where(labels() == 1, 0, labels()).astype(np.uint8))
    save(tmp_path / "sub-3" / "sub-3_phase-ES_dseg.nii.gz", np.zeros((8, 8, 2), np.uint8))
    save(tmp_path / "sub-4" / "sub-4_phase-ES_cine.nii.gz", np.ones((8, 8, 3, 2), np.float32))
    broken = tmp_path / "sub-5" / "sub-5_phase-ES_cine.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-40])

    assert {
        (Fault.EMPTY, "sub-1"),
        (Fault.HEART_LABELS, "sub-2"),
        (Fault.AFFINES_DIFFER, "sub-3"),
        (Fault.NOT_3D, "sub-4"),
        (Fault.BROKEN, "sub-5"),
    } == faults(tmp_path)[0]
