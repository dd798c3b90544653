"""Short-axis hearts of a BIDS folder: of each person end-diastole and end-systole, with their labels."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np

from training.bids.faults import BidsError, Fault, Finding
from training.bids.finding import entities_of
from training.bids.reading import on_one_grid, read_volume
from training.cine.stacks import PHASES, STRUCTURES

#: Suffixes of an image and of its labels, which may lie below ``derivatives/<name>/``.
_IMAGE, _LABELS = "cine", "dseg"
_BELOW = ("sub-*/*", "sub-*/*/*", "sub-*/ses-*/*/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """``stacks``: phase -> the files of image and labels of a ``person`` (sub-XX)."""

    person: str
    stacks: Mapping[str, tuple[Path, Path]]

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that it is read from."""
        return tuple(path for pair in self.stacks.values() for path in pair)


def find_hearts(folder: Path, least: int, leave_out: Collection[str] = ()) -> list[Heart]:
    """Every person's heart, in the order of names, but for the people left out.

    Raises:
        BidsError: an image, a phase or labels are missing, or there are several; there are fewer than ``least`` people.
    """
    roots = (folder, *sorted((folder / "derivatives").glob("*")))
    files = sorted(
        path for root in roots for pattern in _BELOW for path in root.glob(pattern) if _part(path) is not None
    )
    people = sorted({_person(path) for path in files} - set(leave_out))
    if not people:
        raise BidsError([Finding(fault=Fault.NO_HEART, where=str(folder))])
    found: dict[str, dict[tuple[str, str], list[Path]]] = {person: {} for person in people}
    for path in files:
        if (part := _part(path)) is not None and _person(path) in found:
            found[_person(path)].setdefault(part, []).append(path)
    if faults := [fault for person in people for fault in _faults(person, found[person])]:
        raise BidsError(faults)
    if len(people) < least:
        raise BidsError([Finding(fault=Fault.FEW_PEOPLE, where=str(folder), found=f"{len(people)} of {least}")])
    return [Heart(person=person, stacks={phase: _pair(found[person], phase) for phase in PHASES}) for person in people]


def check_hearts(hearts: Sequence[Heart]) -> None:
    """Read every stack once.

    Raises:
        BidsError: with everything that is wrong in any of them.
    """
    if faults := [fault for heart in hearts for pair in heart.stacks.values() for fault in _check(heart.person, *pair)]:
        raise BidsError(faults)


def write_hearts(folder: Path, hearts: Sequence[Heart]) -> None:
    """As ``training.cine.stacks`` reads them, sub-001 and so on in the order of ``hearts``; the present stay."""
    for number, heart in enumerate(hearts, start=1):
        place = folder / f"sub-{number:03d}"
        place.mkdir(parents=True, exist_ok=True)
        for phase, pair in heart.stacks.items():
            for path, suffix in zip(pair, (_IMAGE, _LABELS), strict=True):
                wanted = place / f"{place.name}_phase-{phase}_{suffix}.nii.gz"
                if not wanted.exists():
                    draft = place / f".{wanted.name}"
                    nib.save(nib.Nifti1Image.from_filename(path), draft)
                    draft.rename(wanted)


def _part(path: Path) -> tuple[str, str] | None:
    """Phase and suffix of a file of a heart; None of any other."""
    suffix = path.name.partition(".")[0].rpartition("_")[2]
    phase = entities_of(path).get("phase", "")
    known = phase in PHASES and suffix in (_IMAGE, _LABELS) and _person(path) in path.parts
    return (phase, suffix) if known else None


def _person(path: Path) -> str:
    return f"sub-{entities_of(path).get('sub', '')}"


def _pair(files: Mapping[tuple[str, str], Sequence[Path]], phase: str) -> tuple[Path, Path]:
    return files[phase, _IMAGE][0], files[phase, _LABELS][0]


def _faults(person: str, files: Mapping[tuple[str, str], Sequence[Path]]) -> Iterator[Finding]:
    for phase, suffix in product(PHASES, (_IMAGE, _LABELS)):
        there = files.get((phase, suffix), ())
        if len(there) != 1:
            fault = Fault.SEVERAL_IMAGES if there else Fault.NO_PHASE
            names = ", ".join(path.name for path in there)
            yield Finding(fault=fault, where=f"{person} phase-{phase}_{suffix}", person=person, found=names)


def _check(person: str, image: Path, labels: Path) -> Iterator[Finding]:
    try:
        seen, named = read_volume(image, person), read_volume(labels, person)
    except BidsError as error:
        yield from error.findings
        return
    (voxels, _), (codes, _) = seen, named
    if not on_one_grid(seen, named):
        yield Finding(fault=Fault.AFFINES_DIFFER, where=labels.name, person=person, found=str(codes.shape))
    elif not np.isfinite(voxels).all() or voxels.min() == voxels.max():
        yield Finding(fault=Fault.EMPTY, where=image.name, person=person)
    elif set(np.unique(codes).tolist()) != set(range(len(STRUCTURES))):
        values = ", ".join(f"{value:g}" for value in np.unique(codes)[:8])
        yield Finding(fault=Fault.HEART_LABELS, where=labels.name, person=person, found=values)
