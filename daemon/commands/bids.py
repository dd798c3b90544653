"""What a NIfTI file is by its name in a data set after BIDS: such a file has no header that would say so."""

import re
from typing import Final

#: Entities, then the suffix (Brain Imaging Data Structure 1.10, "File name structure").
_NAME: Final = re.compile(r"sub-[0-9A-Za-z]+(?:_[0-9A-Za-z]+-[0-9A-Za-z+]+)*_(?P<suffix>[0-9A-Za-z]+)\.nii(?:\.gz)?")


def suffix_of(name: str) -> str:
    """The suffix of a file's name, such as T1w; empty where the name is none of that standard."""
    found = _NAME.fullmatch(name)
    return found["suffix"] if found else ""
