"""A site's people with FLAIR and masks of their lesions: found, checked, and laid out anew without their names."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from models.preprocess import Affine
from training.bids.faults import BidsError, Fault, Finding
from training.bids.finding import Scan, Wanted, look_for
from training.bids.reading import Volume, on_one_grid, read_volume
from training.lesions.people import Person

#: What the entity ``label`` of a mask may be.
_LABELS = ("WMH", "lesion", "lesions")
#: A mask of more of an image than this is none.
_LARGEST = 0.5


def wanted(desc: str = "") -> Wanted:
    """FLAIR with a mask of lesions each, of one description where that is given."""
    return Wanted(
        image="FLAIR", labels="mask", label=_LABELS, desc=desc, missing=Fault.NO_MASK, several=Fault.SEVERAL_MASKS
    )


def find_people(folder: Path, least: int, desc: str = "", leave_out: Collection[str] = ()) -> list[Scan]:
    """Every FLAIR with its mask, in the order of their names, but for the people left out.

    Raises:
        BidsError: masks are missing, there are several, or there are fewer than ``least`` people; then with what is
            wrong in the files, too.
    """
    scans, faults = look_for(folder, wanted(desc), leave_out)
    count = len({scan.person for scan in scans})
    if scans and count < least:
        faults.append(Finding(fault=Fault.FEW_PEOPLE, where=str(folder), found=f"{count} of {least}"))
    if faults:
        raise BidsError([*faults, *faults_within(scans)])
    return scans


def check_people(scans: Sequence[Scan]) -> None:
    """Read everything once.

    Raises:
        BidsError: with all that is wrong in any file.
    """
    if faults := list(faults_within(scans)):
        raise BidsError(faults)


def faults_within(scans: Sequence[Scan]) -> Iterator[Finding]:
    """What is wrong in the files; that no mask has a lesion is one fault of all of them."""
    empty = 0
    for scan in scans:
        try:
            _, mask = _read(scan)
        except BidsError as error:
            yield from error.findings
        else:
            empty += not mask.any()
    if scans and empty == len(scans):
        yield Finding(fault=Fault.NO_LESIONS, where=f"{empty} masks")


def _read(scan: Scan) -> tuple[Volume, npt.NDArray[np.bool_]]:
    """An image, what is no number in it 0, and its mask, (i, j, k) both.

    Raises:
        BidsError: with everything that is wrong in either of them.
    """
    findings, volumes = list[Finding](), list[Volume]()
    for path in (scan.image, scan.labels):
        try:
            volumes.append(read_volume(path, scan.person))
        except BidsError as error:
            findings += error.findings
    if not findings:
        findings += _faults(scan, *volumes)
    if findings:
        raise BidsError(findings)
    (voxels, affine), (values, _) = volumes
    return (np.nan_to_num(voxels, nan=0.0, posinf=0.0, neginf=0.0), affine), values > 0


def _faults(scan: Scan, image: Volume, mask: Volume) -> Iterator[Finding]:
    finite = image[0][np.isfinite(image[0])]
    if finite.size == 0 or float(np.ptp(finite)) == 0.0:
        yield Finding(fault=Fault.EMPTY, where=scan.image.name, person=scan.person)
    values = np.unique(mask[0])
    if not on_one_grid(image, mask):
        found = f"{mask[0].shape}, the image {image[0].shape}"
        yield Finding(fault=Fault.AFFINES_DIFFER, where=scan.labels.name, person=scan.person, found=found)
    if not (values[0] == 0 and len(values) <= 2 and np.isfinite(values).all()):
        found = f"values {', '.join(f'{value:g}' for value in values[:5])}{' ...' if len(values) > 5 else ''}"
        yield Finding(fault=Fault.NOT_A_MASK, where=scan.labels.name, person=scan.person, found=found)
    elif (share := float((mask[0] > 0).mean())) > _LARGEST:
        yield Finding(
            fault=Fault.NOT_A_MASK, where=scan.labels.name, person=scan.person, found=f"{share:.0%} of the image"
        )


def write_people(folder: Path, scans: Sequence[Scan]) -> list[Path]:
    """sub-001/anat/sub-001_run-1_FLAIR.nii.gz and its mask, in the order of ``scans``; the images' paths.

    No header is kept but the affine; what is there stays.

    Raises:
        BidsError: a file cannot be used.
    """
    numbers: dict[str, int] = {}
    images, seen = [], dict.fromkeys((scan.person for scan in scans), 0)
    for scan in scans:
        number = numbers.setdefault(scan.person, len(numbers) + 1)
        seen[scan.person] += 1
        anat = folder / f"sub-{number:03d}" / "anat"
        image = anat / f"sub-{number:03d}_run-{seen[scan.person]}_FLAIR.nii.gz"
        mask = image.with_name(image.name.replace("_FLAIR", "_label-lesion_mask"))
        if not (image.exists() and mask.exists()):
            anat.mkdir(parents=True, exist_ok=True)
            (voxels, affine), inside = _read(scan)
            _save(voxels, affine, image)
            _save(inside.astype(np.uint8), affine, mask)
        images.append(image)
    return images


def people_in(folder: Path) -> list[str]:
    """Who is there, in the order of their numbers."""
    return sorted(path.name for path in folder.glob("sub-*") if path.is_dir())


def parts_of(folder: Path, count: int) -> list[tuple[str, ...]]:
    """The people in ``count`` parts; a person with all of their images is in one of them."""
    people = people_in(folder)
    return [tuple(people[number::count]) for number in range(count)]


def images_of(folder: Path, people: Collection[str]) -> list[Path]:
    """The FLAIR of some people."""
    return sorted(path for person in people for path in (folder / person / "anat").glob("*_FLAIR.nii.gz"))


def read_person(image: Path) -> Person:
    """What ``write_people`` wrote of an image."""
    flair = nib.Nifti1Image.from_filename(image)
    mask = nib.Nifti1Image.from_filename(image.with_name(image.name.replace("_FLAIR", "_label-lesion_mask")))
    return Person(
        name=image.name.partition("_")[0],
        voxels=np.asarray(flair.dataobj, np.float32),
        affine=np.asarray(flair.affine, float),
        mask=np.asarray(mask.dataobj) > 0,
    )


def _save(values: npt.NDArray[np.generic], affine: Affine, path: Path) -> None:
    """Beside its place, then there: a killed run leaves no half file."""
    partial = path.with_name(path.name.replace(".nii.gz", ".part.nii.gz"))
    nib.save(nib.Nifti1Image(values, affine), partial)
    partial.rename(path)
