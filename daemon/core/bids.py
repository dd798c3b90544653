"""Names after the Brain Imaging Data Structure.

What a NIfTI file is by its own name, for no header says so, and what each series of a cohort is called.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

#: Entities, then the suffix (Brain Imaging Data Structure 1.10, "File name structure").
_NAME: Final = re.compile(
    r"(?P<entities>sub-[0-9A-Za-z]+(?:_[0-9A-Za-z]+-[0-9A-Za-z+]+)*)_(?P<suffix>[0-9A-Za-z]+)\.nii(?:\.gz)?"
)
#: What a series is called whose file has no such name.
_SUFFIX: Final = "MR"
_DATATYPES: Final = ("anat", "func", "dwi", "perf", "fmap")


@dataclass(frozen=True, slots=True, kw_only=True)
class BidsName:
    """What a series is called: ``entities`` such as sub-01_ses-2, ``suffix`` such as T1w; ``datatype``: its folder."""

    entities: str
    suffix: str
    datatype: str

    @property
    def stem(self) -> str:
        """Its file's name without an extension, such as sub-01_ses-2_T1w."""
        return f"{self.entities}_{self.suffix}"

    @property
    def folder(self) -> str:
        """Where it lies in a data set, such as sub-01/ses-2/anat."""
        levels = [entity for entity in self.entities.split("_") if entity.startswith(("sub-", "ses-"))]
        return "/".join((*levels, self.datatype))


def suffix_of(name: str) -> str:
    """The suffix of a file's name, such as T1w; empty where the name is none of that standard."""
    found = _NAME.fullmatch(name)
    return found["suffix"] if found else ""


def names_of(series: Iterable[str]) -> Iterator[BidsName]:
    """What each series is called: by its file's own name, else by a token of what it is known by; no two alike."""
    seen: set[str] = set()
    for key in series:
        name = _name(key)
        if name.stem in seen:
            name = replace(name, entities=f"{name.entities}_desc-{token(key)}")
        seen.add(name.stem)
        yield name


def token(series: str) -> str:
    """What stands for a series, and says nothing of whose it is."""
    return hashlib.sha256(series.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _name(series: str) -> BidsName:
    path = PurePosixPath(series)
    found = _NAME.fullmatch(path.name)
    if found is None:
        return BidsName(entities=f"sub-{token(series)}", suffix=_SUFFIX, datatype=_DATATYPES[0])
    datatype = path.parent.name if path.parent.name in _DATATYPES else _DATATYPES[0]
    return BidsName(entities=found["entities"], suffix=found["suffix"], datatype=datatype)
