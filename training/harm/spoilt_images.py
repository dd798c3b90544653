"""Images that somebody else has spoilt, beside the people that they were made of.

The folder may hold anything below it; every ``.nii`` or ``.nii.gz`` file counts whose path names one of the people
(``sub-01/...`` or ``sub-01_...``) and that is no label map. What was done to it stands in a table at the top of the
folder (any ``.csv`` or ``.tsv`` with a column ``file``, and ``artefact``, ``family``, ``severity`` if known), or in
words of its path: noise, spike, blur, wrap, motion, or what people call them.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.physics.artefacts import ARTEFACTS

#: Other words for the artefacts, as they stand in names of files and in tables.
_WORDS = {
    "noise": ("noise", "noisy", "gaussian", "rician"),
    "spike": ("spike", "spikes", "herringbone", "stripe"),
    "blur": ("blur", "blurred", "lowres", "downsample", "smooth"),
    "wrap": ("wrap", "wraparound", "aliasing", "alias", "fold", "foldover", "undersampling", "undersampled"),
    "motion": ("motion", "moved", "movement", "ghost", "ghosting"),
}
CLEAN, UNKNOWN = "clean", "unknown"
_CLEAN_WORDS = ("clean", "original", "none", "")
_FILE_COLUMNS = ("file", "path", "filename", "image", "name")
_KIND_COLUMNS = ("artefact", "artifact", "kind", "cause", "type", "corruption")
_LABELS = re.compile(r"dseg|mask|label|seg\b|probseg")


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenImage:
    """One file: whose head, what was done to it (``clean`` for nothing, ``unknown``), how strongly where it is said."""

    path: Path
    person: str
    artefact: str
    family: str = ""
    severity: float = 1.0


def given_images(folder: Path, people: Mapping[str, object]) -> Iterator[GivenImage]:
    """The images of a folder, those of one person together.

    Raises:
        FileNotFoundError: there is none of the people in it.
    """
    table = _read_table(folder)
    found = [(person, path) for path in _files(folder) for person in _person(path.relative_to(folder), people)]
    if not found:
        raise FileNotFoundError(
            f"no image of {', '.join(list(people)[:3])} ... below {folder}: name files sub-XX_....nii.gz"
        )
    for person, path in sorted(found):
        row = table.get(path.name) or table.get(str(path.relative_to(folder))) or {}
        said = next((row[name] for name in _KIND_COLUMNS if row.get(name)), None)
        yield GivenImage(
            path=path,
            person=person,
            artefact=artefact_of(str(path.relative_to(folder)) if said is None else said),
            family=row.get("family", ""),
            severity=_number(row.get("severity", "")),
        )


def artefact_of(words: str) -> str:
    """The artefact that a path or a cell of a table names; ``clean``, or ``unknown`` where it is neither."""
    parts = re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", words).lower().replace(".nii", ""))
    for artefact in ARTEFACTS:
        if any(word in parts for word in _WORDS[artefact.value]):
            return artefact.value
    return CLEAN if any(word in parts for word in _CLEAN_WORDS[:-1]) or not "".join(parts) else UNKNOWN


def _files(folder: Path) -> list[Path]:
    files = (*folder.rglob("*.nii"), *folder.rglob("*.nii.gz"))
    return [path for path in files if not _LABELS.search(path.name.lower())]


def _person(path: Path, people: Mapping[str, object]) -> list[str]:
    """Whose image it is: the head all of whose names (sub-01, sub-01_ses-2) stand whole in the path; most of them."""
    parts = {part for piece in path.parts for part in re.split(r"[_.]", piece)}
    suiting = [person for person in people if set(person.split("_")) <= parts]
    return sorted(suiting, key=len)[-1:]


def _read_table(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of the tables at the top of the folder, by the file that they speak of."""
    rows: dict[str, dict[str, str]] = {}
    for path in sorted((*folder.glob("*.csv"), *folder.glob("*.tsv"))):
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            for row in csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","):
                known = {str(name).strip().lower(): (value or "").strip() for name, value in row.items() if name}
                name = next((known[column] for column in _FILE_COLUMNS if known.get(column)), "")
                rows[name] = rows[Path(name).name] = known
    return rows


def _number(text: str) -> float:
    """A severity in (0, 1]; what is none counts as 1."""
    try:
        return min(1.0, float(text)) if float(text) > 0 else 1.0
    except ValueError:
        return 1.0
