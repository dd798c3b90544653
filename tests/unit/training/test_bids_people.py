"""A folder of people after BIDS: what is found in it, and what is wrong with it, by name."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from training.bids.faults import BidsError, Fault
from training.bids.finding import Wanted, find_scans
from training.bids.reading import check_scans, read_scan
from training.bids.segmentation import CSF, GREY, WHITE, UnknownLabelsError, codes_of, tissue_of

SHAPE = (12, 14, 10)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def head(order=(1, 2, 3)):
    """An image and its labels: blocks of CSF, grey and white matter under the numbers of ``order``."""
    labels = np.zeros(SHAPE, np.int16)
    image = np.full(SHAPE, 5.0, np.float32)
    for place, (value, level) in enumerate(zip(order, (40, 90, 150), strict=True)):
        part = (slice(2 + 3 * place, 5 + 3 * place), slice(3, 11), slice(2, 8))
        labels[part], image[part] = value, level
    return image, labels


def save(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two people, labels below derivatives/."""
    for person in ("sub-01", "sub-02"):
        image, labels = head()
        save(tmp_path / person / "anat" / f"{person}_T1w.nii.gz", image)
        save(tmp_path / "derivatives" / "tool" / person / "anat" / f"{person}_dseg.nii.gz", labels)
    return tmp_path


def labels_of(folder, person="sub-02"):
    return folder / "derivatives" / "tool" / person / "anat" / f"{person}_dseg.nii.gz"


def image_of(folder, person="sub-02"):
    return folder / person / "anat" / f"{person}_T1w.nii.gz"


def faults_of(folder, wanted=Wanted(), leave_out=()):  # noqa: B008 - a frozen value
    with pytest.raises(BidsError) as raised:
        check_scans(find_scans(folder, wanted, leave_out))
    return [(finding.person, finding.fault) for finding in raised.value.findings], str(raised.value)


def test_every_image_comes_with_its_labels(folder):
    scans = find_scans(folder, Wanted())
    check_scans(scans)

    assert [("sub-01", "sub-01"), ("sub-02", "sub-02")] == [(scan.person, scan.name) for scan in scans]
    assert [labels_of(folder, p) for p in ("sub-01", "sub-02")] == [scan.labels for scan in scans]


def test_sessions_and_runs_keep_their_own_labels(folder):
    for session in ("1", "2"):
        stem = f"sub-03_ses-{session}_run-2"
        image, labels = head()
        labels[0, 0, 0] = int(session)
        save(folder / "sub-03" / f"ses-{session}" / "anat" / f"{stem}_T1w.nii.gz", image)
        save(folder / "derivatives/tool/sub-03" / f"ses-{session}" / "anat" / f"{stem}_desc-tissue_dseg.nii.gz", labels)
    found = [scan for scan in find_scans(folder, Wanted()) if scan.person == "sub-03"]

    assert [f"sub-03_ses-{n}_run-2" for n in (1, 2)] == [scan.name for scan in found]
    assert all(f"_ses-{n}_" in scan.labels.name for n, scan in zip((1, 2), found, strict=True))


def test_labels_of_another_space_are_none(folder):
    labels_of(folder).rename(labels_of(folder).with_name("sub-02_space-MNI152_dseg.nii.gz"))

    assert [("sub-02", Fault.NO_LABELS)] == faults_of(folder)[0]


def test_no_labels(folder):
    labels_of(folder).unlink()
    found, said = faults_of(folder)

    assert [("sub-02", Fault.NO_LABELS)] == found
    assert "--leave-out sub-02" in said
    assert "sub-02/anat/sub-02_T1w.nii.gz" in said


def test_several_labels_are_chosen_among_by_their_description(folder):
    for tool in ("one", "two"):
        save(labels_of(folder).with_name(f"sub-02_desc-{tool}_dseg.nii.gz"), head()[1])
    labels_of(folder).unlink()

    assert [("sub-02", Fault.SEVERAL_LABELS)] == faults_of(folder)[0]
    save(labels_of(folder, "sub-01").with_name("sub-01_desc-two_dseg.nii.gz"), head()[1])
    assert all("desc-two" in scan.labels.name for scan in find_scans(folder, Wanted(desc="two")))


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda f: save(labels_of(f), np.where(head()[1] == 3, 950, head()[1])), Fault.UNKNOWN_LABELS),
        (lambda f: save(labels_of(f), np.where(head()[1] == 3, 0, head()[1])), Fault.UNKNOWN_LABELS),
        (lambda f: save(labels_of(f), head()[1], np.diag([2.0, 2.0, 2.5, 1.0])), Fault.AFFINES_DIFFER),
        (lambda f: save(labels_of(f), head()[1][:-1]), Fault.AFFINES_DIFFER),
        (lambda f: save(image_of(f), np.stack([head()[0]] * 3, axis=-1)), Fault.NOT_3D),
        (lambda f: save(image_of(f), head()[0][:, :, 0]), Fault.NOT_3D),
        (lambda f: save(image_of(f), np.zeros(SHAPE, np.float32)), Fault.EMPTY),
        (lambda f: save(image_of(f), np.full(SHAPE, np.nan, np.float32)), Fault.EMPTY),
        (lambda f: save(labels_of(f), np.zeros(SHAPE, np.int16)), Fault.EMPTY),
        (lambda f: image_of(f).write_bytes(image_of(f).read_bytes()[:-200]), Fault.BROKEN),
        (lambda f: image_of(f).write_bytes(b""), Fault.BROKEN),
        (lambda f: image_of(f).write_bytes(b"not gzip at all"), Fault.BROKEN),
        (lambda f: labels_of(f).write_bytes(gzip.compress(b"no header")), Fault.BROKEN),
        (lambda f: labels_of(f).with_name("sub-02_dseg.tsv").write_text("1 2 3"), Fault.UNKNOWN_LABELS),
    ],
)
def test_each_thing_that_is_wrong_has_its_name(folder, spoil, fault):
    spoil(folder)
    found, said = faults_of(folder)

    assert [("sub-02", fault)] == found
    assert str(fault) in said


def test_a_header_that_claims_more_than_there_is_allocates_nothing(folder):
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), AFFINE)
    image.header["dim"][1:4] = 32000
    with gzip.open(image_of(folder), "wb") as file:
        file.write(image.header.binaryblock + b"\0" * 8)

    assert [("sub-02", Fault.TOO_LARGE)] == faults_of(folder)[0]


def test_everything_that_is_wrong_is_said_at_once(folder):
    save(image_of(folder, "sub-01"), np.zeros(SHAPE, np.float32))
    save(labels_of(folder), head()[1][:-1])
    found, said = faults_of(folder)

    assert [("sub-01", Fault.EMPTY), ("sub-02", Fault.AFFINES_DIFFER)] == found
    assert "--leave-out sub-01,sub-02" in said


def test_people_who_are_left_out_are_not_looked_at(folder):
    for person in ("sub-03", "sub-04"):
        save(image_of(folder, person), head()[0])
    save(labels_of(folder, "sub-03"), head()[1])

    assert ["sub-01", "sub-03"] == [
        scan.person for scan in find_scans(folder, Wanted(), frozenset(("sub-02", "sub-04")))
    ]


@pytest.mark.parametrize("gone", [("sub-01",), ("sub-01", "sub-02")])
def test_one_person_or_nobody(folder, gone):
    found, _ = faults_of(folder, leave_out=gone)

    assert [("", Fault.ONE_PERSON if len(gone) == 1 else Fault.NO_PEOPLE)] == found


def test_a_folder_that_is_not_there_has_nobody(tmp_path):
    assert [("", Fault.NO_PEOPLE)] == faults_of(tmp_path / "nowhere")[0]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
def test_three_tissues_are_told_by_their_brightness_whatever_their_numbers(folder, order):
    image, labels = head(order)
    save(image_of(folder), image)
    save(labels_of(folder), labels)
    codes = read_scan(find_scans(folder, Wanted())[1]).codes

    assert [CSF, GREY, WHITE] == [int(codes[labels == value][0]) for value in order]


def test_a_table_decides_whatever_the_brightness():
    image, labels = head()
    names = {1: "White Matter", 2: "CSF", 3: "Gray matter"}

    assert {0: 0, 1: WHITE, 2: CSF, 3: GREY} == codes_of(labels.astype(np.int32), image, names)


def test_the_table_of_a_derivative_is_inherited(folder):
    (folder / "derivatives" / "tool" / "dseg.tsv").write_text("index\tname\n1\tGM\n2\tWM\n3\tCSF\n")
    codes = read_scan(find_scans(folder, Wanted())[0]).codes

    assert [GREY, WHITE, CSF] == [int(codes[head()[1] == value][0]) for value in (1, 2, 3)]


def test_freesurfer_codes_and_cortical_parcels_are_known():
    values = np.array([0, 4, 41, 1012, 2030, 77, 251], np.int32)
    table = codes_of(values, values.astype(np.float32), {})

    assert {4: CSF, 41: WHITE, 1012: GREY, 2030: GREY, 77: WHITE, 251: WHITE} == {
        value: tissue_of(code) for value, code in table.items() if value
    }


def test_tissues_that_are_alike_cannot_be_told():
    image, labels = head()
    with pytest.raises(UnknownLabelsError, match="alike"):
        codes_of(labels.astype(np.int32), np.ones_like(image), {})


def test_axes_are_turned_for_image_and_labels_alike(folder):
    image, labels = head()
    flipped = AFFINE @ np.array([[-1, 0, 0, SHAPE[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    save(image_of(folder), image[::-1], flipped)
    save(labels_of(folder), labels[::-1], flipped)
    one, other = map(read_scan, find_scans(folder, Wanted()))

    np.testing.assert_array_equal(one.voxels, other.voxels)
    np.testing.assert_array_equal(one.codes, other.codes)
    np.testing.assert_allclose(one.affine, other.affine)
