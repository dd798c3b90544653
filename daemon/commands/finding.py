"""The series below a folder: what each file says it belongs to, without a look at its pixels."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.tag import Tag

from daemon.core.errors import NotAssessable
from daemon.dicom.attributes import Attributes
from daemon.dicom.own import is_own
from daemon.dicom.parsing import parse, unwrap

NIFTI: Final = (".nii", ".nii.gz")

#: PostgreSQL indexes up to 2700 bytes.
_KEY_BYTES_MAX: Final = 1000

_TAGS: Final = tuple(
    int(Tag(keyword))
    for keyword in ("SOPClassUID", "Manufacturer", "ManufacturerModelName", "StudyInstanceUID", "SeriesInstanceUID")
)
#: Where the series' UID lies in nearly every file, and behind any private elements that come before it.
_HEAD_BYTES: Final = (1 << 16, 1 << 24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One series on disk: its UID, or its path where it is no DICOM; ``files``: folder -> names, below the root.

    ``study``: the UID that its first file states.
    """

    series: str
    files: Mapping[str, Sequence[str]]
    study: str = ""

    @property
    def path(self) -> str:
        """The folder of its first file, as it can be shown."""
        return _shown(next(iter(self.files)))

    @property
    def images(self) -> int:
        """How many files it has."""
        return sum(map(len, self.files.values()))

    def paths(self, root: Path) -> list[Path]:
        """Where its files are."""
        return paths_of(self.files, root)


def paths_of(files: Mapping[str, Sequence[str]], root: Path) -> list[Path]:
    """Where files are that are kept as folder -> names."""
    return [root / folder / name for folder, names in files.items() for name in names]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finds:
    """What lies below a folder.

    ``others``: files that are neither DICOM of a series nor NIfTI, or that Scanside made itself; ``unreadable``: files
    and folders that could not be opened.
    """

    series: tuple[Found, ...]
    others: int
    unreadable: int


def find_series(root: Path, look: Callable[[int], None] = lambda _count: None) -> Finds:
    """Every series below a folder, in the order of its first file; links to folders are not followed.

    One header is in memory at a time, and of each file its name. ``look`` is told how many files were looked at.
    """
    grouped: dict[str, dict[str, list[str]]] = {}
    studies: dict[str, str] = {}
    others = unreadable = 0
    for count, (folder, name) in enumerate(_walk(root, "")):
        look(count)
        try:
            series, study = _belonging(root, folder, name) if name else (None, "")
        except OSError:
            series, study = None, ""
        if series is None:
            unreadable += 1
        elif not series:
            others += 1
        else:
            grouped.setdefault(series, {}).setdefault(folder, []).append(name)
            studies.setdefault(series, study)
    found = tuple(Found(series=series, files=files, study=studies[series]) for series, files in grouped.items())
    return Finds(series=found, others=others, unreadable=unreadable)


def _walk(root: Path, folder: str) -> Iterator[tuple[str, str]]:
    """Folder and name of every file, in order; a folder that cannot be opened has a file without a name."""
    try:
        with os.scandir(root / folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield folder, ""
        return
    for entry in ordered:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, os.path.join(folder, entry.name))  # noqa: PTH118 - as text, it takes less memory
        elif entry.is_file():  # never a pipe, which opening would wait for
            yield folder, entry.name


def _belonging(root: Path, folder: str, name: str) -> tuple[str, str]:
    """The series and the study that the file belongs to; empty where it is part of no series."""
    path = root / folder / name
    if name.endswith(NIFTI):
        return _key(_shown(str(Path(folder, name)))), ""
    for size in _HEAD_BYTES:
        with path.open("rb") as file:
            head = file.read(size)
        try:
            header = Attributes((parse(*unwrap(head), _TAGS),))
        except NotAssessable:
            return "", ""
        series = header.text("SeriesInstanceUID")
        if series or len(head) < size:
            known = series is not None and not is_own(header)
            return (_key(series or ""), _key(header.text("StudyInstanceUID") or "")) if known else ("", "")
    return "", ""


def _shown(path: str) -> str:
    """A path as text that any database and any table can hold; different paths stay different."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _key(text: str) -> str:
    """Text that may stand for a series in a database; what a header calls a UID may be anything, of any length."""
    plain = text.replace("\0", "\ufffd").encode("utf-8", "replace")
    if len(plain) <= _KEY_BYTES_MAX:
        return plain.decode()
    return f"{plain[:_KEY_BYTES_MAX].decode(errors='ignore')} {hashlib.sha256(plain).hexdigest()[:16]}"
