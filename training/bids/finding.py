"""The images of a BIDS folder, each with its labels from ``derivatives/`` or from beside it."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.bids.faults import BidsError, Fault, Finding

_NAME: Final = re.compile(r"(?P<entities>(?:[0-9A-Za-z]+-[0-9A-Za-z+]+_)+)(?P<suffix>[0-9A-Za-z]+)\.nii(?:\.gz)?")
#: Entities that say whose image it is, and which: those of labels are the image's.
_IDENTITY: Final = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run")
#: Spaces in which labels lie on the image's own grid.
_OWN_SPACE: Final = ("", "orig", "native", "individual")
#: Of several descriptions the first is taken; "" is labels without any.
_PREFERRED: Final = ("", "tissue", "aseg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """``image`` and ``labels``: their suffixes; ``folder``: of the modality; ``desc``: of the labels, any if empty.

    ``label``: what the entity of that name may be, whatever the case, anything if empty; ``missing``, ``several``: what
    is said where an image has no labels, or more than one.
    """

    image: str = "T1w"
    labels: str = "dseg"
    folder: str = "anat"
    desc: str = ""
    label: tuple[str, ...] = ()
    missing: Fault = Fault.NO_LABELS
    several: Fault = Fault.SEVERAL_LABELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """An image of a ``person`` (sub-XX) and its labels; ``name``: the image's without its suffix.

    ``lookup``: the table that says what each value is, where there is one.
    """

    person: str
    name: str
    image: Path
    labels: Path
    lookup: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that it is read from."""
        return (self.image, self.labels) if self.lookup is None else (self.image, self.labels, self.lookup)


def find_scans(folder: Path, wanted: Wanted, leave_out: Collection[str] = ()) -> list[Scan]:
    """Every image of the folder with its labels, in the order of their names, but for the people left out.

    Raises:
        BidsError: an image has no labels or several, there is no image, or there is one person only.
    """
    scans, faults = look_for(folder, wanted, leave_out)
    if faults:
        raise BidsError(faults)
    if len({scan.person for scan in scans}) == 1:
        raise BidsError([Finding(fault=Fault.ONE_PERSON, where=str(folder), found=scans[0].person)])
    return scans


def look_for(folder: Path, wanted: Wanted, leave_out: Collection[str] = ()) -> tuple[list[Scan], list[Finding]]:
    """Every image that has its labels, in the order of their names, and what is wrong with the others."""
    images = [path for path in _files(folder, wanted.folder, wanted.image) if _person(path) not in leave_out]
    labels = [*_files(folder, wanted.folder, wanted.labels)]
    for derivative in sorted((folder / "derivatives").glob("*")):
        labels += _files(derivative, wanted.folder, wanted.labels)
    if not images:
        return [], [Finding(fault=Fault.NO_PEOPLE, where=str(folder), found=wanted.image)]
    found = [_scan(folder, image, labels, wanted) for image in images]
    return [one for one in found if isinstance(one, Scan)], [one for one in found if isinstance(one, Finding)]


def entities_of(path: Path) -> Mapping[str, str]:
    """The entities of a file's name, such as sub and ses; none where the name is not of the standard."""
    found = _NAME.fullmatch(path.name)
    return dict(part.split("-", 1) for part in found["entities"].rstrip("_").split("_")) if found else {}


def _files(root: Path, modality: str, suffix: str) -> list[Path]:
    """The files of one suffix, whose name says the person of the folder that they are in."""
    found = [
        path
        for pattern in (f"sub-*/{modality}/*", f"sub-*/ses-*/{modality}/*")
        for path in root.glob(pattern)
        if (match := _NAME.fullmatch(path.name)) and match["suffix"] == suffix and _person(path) in path.parts
    ]
    return sorted(found)


def _person(path: Path) -> str:
    return f"sub-{entities_of(path).get('sub', '')}"


def _scan(folder: Path, image: Path, labels: Sequence[Path], wanted: Wanted) -> Scan | Finding:
    suiting = list(_of_same_image(image, labels, wanted))
    described = {path: entities_of(path).get("desc", "") for path in suiting}
    best = next((d for d in _PREFERRED if d in described.values()), None)
    kept = suiting if best is None else [path for path in suiting if described[path] == best]
    person, where = _person(image), str(image.relative_to(folder))
    if not kept:
        return Finding(fault=wanted.missing, where=where, person=person)
    if len(kept) > 1:
        names = ", ".join(path.name for path in kept)
        return Finding(fault=wanted.several, where=where, person=person, found=names)
    name = image.name.partition(".")[0].removesuffix(f"_{wanted.image}")
    return Scan(person=person, name=name, image=image, labels=kept[0], lookup=_lookup(folder, kept[0]))


def _of_same_image(image: Path, labels: Sequence[Path], wanted: Wanted) -> Iterator[Path]:
    whose = entities_of(image)
    for path in labels:
        entities = entities_of(path)
        alike = all(entities.get(name) == whose.get(name) for name in _IDENTITY)
        here = entities.get("space", "") in (*_OWN_SPACE, wanted.image)
        named = not wanted.label or entities.get("label", "").lower() in {one.lower() for one in wanted.label}
        if alike and here and named and (not wanted.desc or entities.get("desc") == wanted.desc):
            yield path


def _lookup(folder: Path, labels: Path) -> Path | None:
    """The table beside the labels, or one for all of a folder further up (the inheritance principle)."""
    stem = labels.name.partition(".")[0]
    description = entities_of(labels).get("desc")
    suffix = stem.rpartition("_")[2]
    names = [f"{stem}.tsv", *([f"desc-{description}_{suffix}.tsv"] if description else []), f"{suffix}.tsv"]
    for parent in labels.parents:
        for name in names:
            if (parent / name).is_file():
                return parent / name
        if parent == folder:
            break
    return None
