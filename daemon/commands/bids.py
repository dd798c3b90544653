"""What a NIfTI file is by its name in a data set after BIDS: such a file has no header that would say so."""

import re
from typing import Final

#: Entities, then the suffix (Brain Imaging Data Structure 1.10, "File name structure").
_NAME: Final = re.compile(r"sub-[0-9A-Za-z]+(?:_[0-9A-Za-z]+-[0-9A-Za-z+]+)*_(?P<suffix>[0-9A-Za-z]+)\.nii(?:\.gz)?")
#: Suffixes of that standard for what is no T1-weighted image; any other stays what the intensities say.
_OTHERS: Final = re.compile(
    r"T2w|FLAIR|PDw|PDT2|PD|T2star|T2starw|inplaneT2|angio|MTw|SWI|defacemask|mask|dseg|probseg|T1map|T2map"
    r"|T2starmap|R1map|R2map|R2starmap|PDmap|MTRmap|MTsat|MWFmap|MTVmap|Chimap|S0map|M0map|TB1map|bold|cbv|sbref"
    r"|phase|dwi|asl|m0scan|epi|phase1|phase2|phasediff|magnitude|magnitude1|magnitude2|fieldmap"
)


def other_than_t1(name: str) -> str | None:
    """The suffix of a file's name that says that it is no T1-weighted image; None where none does."""
    found = _NAME.fullmatch(name)
    return found["suffix"] if found and _OTHERS.fullmatch(found["suffix"]) else None
