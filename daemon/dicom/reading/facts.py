"""What the header of a stack says to whoever routes it: facts by name, as ``daemon.core.judging.routing`` knows them.

A fact goes by the DICOM keyword of classic images; Enhanced MR states some of them otherwise (PS3.3, C.8.13).
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np
import numpy.typing as npt

from daemon.core.judging.own_past import PARAMETER_NUMBERS, PARAMETER_WORDS, Parameters
from daemon.core.judging.routing import FREE_TEXT, NUMBERS, WORDS, Facts, Value
from daemon.dicom.attributes import Attributes
from daemon.dicom.reading.dimensions import DIMENSIONS
from daemon.dicom.reading.volumes import Stack

#: Where else a fact may stand, before its own keyword.
_INSTEAD: Final = {
    "EchoTime": ("EffectiveEchoTime",),
    "InversionTime": ("InversionTimes",),
    "ImageType": ("FrameType",),
    "SequenceName": ("PulseSequenceName",),
}
#: Enhanced MR's flags and pulse sequences, as classic images name them.
_SEQUENCES: Final = {
    ("EchoPulseSequence", "SPIN"): ("SE",),
    ("EchoPulseSequence", "GRADIENT"): ("GR",),
    ("EchoPulseSequence", "BOTH"): ("SE", "GR"),
    ("InversionRecovery", "YES"): ("IR",),
    ("EchoPlanarPulseSequence", "YES"): ("EP",),
}
_PLANES: Final = ("sagittal", "coronal", "axial")
#: Taken from the geometry or the association, not from what the header says.
_NO_ATTRIBUTES: Final = frozenset(
    {"BidsSuffix", "CallingAE", "Plane", "PixelSpacing", "SliceSpacing", "Slices", "Volumes"}
)
_STATED: Final = tuple(name for name in (*WORDS, *NUMBERS, *FREE_TEXT) if name not in _NO_ATTRIBUTES)
_NUMERIC: Final = frozenset({*NUMBERS, *PARAMETER_NUMBERS})
#: What makes the contrast beside the dimensions.
_CONTRAST: Final = (
    *("Modality", "BodyPartExamined", "ScanningSequence", "SequenceVariant", "MRAcquisitionType"),
    *("AcquisitionContrast", "AngioFlag", "RepetitionTime", "MagneticFieldStrength"),
)
#: Numbers that differ by a hundredth are the same.
_NOISE: Final = 0.01
#: Slices that are tilted further out of a plane of the body are oblique: 20 degrees.
_OBLIQUE: Final = float(np.cos(np.radians(20)))


def facts_of(stack: Stack, volumes: int, calling_ae: str = "") -> dict[str, Value]:
    """The facts of one of the ``volumes`` of a series that ``calling_ae`` sent; silent ones are left out.

    Where images differ, a fact has all their values.
    """
    headers = [frame.attributes for frame in stack.frames]
    known: dict[str, Value] = {
        **{name: _union(_stated(header, name) for header in headers) for name in _STATED},
        "CallingAE": (calling_ae,) if calling_ae else (),
        **geometry_facts(stack.affine, stack.shape[2], volumes),
    }
    return {name: value for name, value in known.items() if value}


def parameters_of(stack: Stack) -> Parameters:
    """What a stack was acquired with, by its first image; silent ones are left out."""
    header = stack.frames[0].attributes
    columns, rows, _ = stack.shape
    spacing = np.linalg.norm(stack.affine[:3, :3], axis=0)
    known: dict[str, Value] = {
        **{name: _stated(header, name) for name in (*PARAMETER_WORDS, *PARAMETER_NUMBERS)},
        "Matrix": (float(columns), float(rows)),
        "Spacing": tuple(float(step) for step in spacing),
    }
    return {name: value for name, value in known.items() if value}


def mixed_facts(stack: Stack) -> tuple[str, ...]:
    """What makes the contrast and is not the same in all images of a volume; a silent header says nothing else."""
    headers = [frame.attributes for frame in stack.frames]
    values = {
        **{name: {_stated(header, name) for header in headers} for name in _CONTRAST},
        **{one.name: {one.key(header) for header in headers} for one in DIMENSIONS if one.contrast},
    }
    return tuple(name for name, found in values.items() if _differ(found - {()}))


def geometry_facts(affine: npt.NDArray[np.float64], slices: int, volumes: int) -> Facts:
    """The facts that need no header; slices are the last axis of ``affine``, (4, 4) index to mm."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    normal = np.abs(affine[:3, 2]) / spacing[2]
    plane = _PLANES[int(np.argmax(normal))]
    return {
        "Plane": (plane,) if normal.max() >= _OBLIQUE else (plane, "oblique"),
        "PixelSpacing": (float(spacing[0]), float(spacing[1])),
        "SliceSpacing": (float(spacing[2]),),
        "Slices": (float(slices),),
        "Volumes": (float(volumes),),
    }


def _stated(header: Attributes, name: str) -> Value:
    """The values of a fact that is an attribute; none where the header is silent."""
    keywords = (*_INSTEAD.get(name, ()), name)
    if name in _NUMERIC:
        return next(filter(None, map(header.numbers, keywords)), ())
    words = next(filter(None, (tuple(filter(None, header.texts(keyword))) for keyword in keywords)), ())
    return words or (_scanning_sequence(header) if name == "ScanningSequence" else ())


def _scanning_sequence(header: Attributes) -> tuple[str, ...]:
    flags = (codes for (name, value), codes in _SEQUENCES.items() if header.text(name) == value)
    return tuple(code for codes in flags for code in codes)


def _union(values: Iterable[Value]) -> Value:
    """The values of all images, each once, in the order in which they come."""
    return tuple(dict.fromkeys(one for value in dict.fromkeys(values) for one in value))  # type: ignore[return-value]


def _differ(values: AbstractSet[Value]) -> bool:
    """Whether values are not the same; numbers of a header have noise."""
    if any(isinstance(one, str) for value in values for one in value) or len({len(value) for value in values}) > 1:
        return len(values) > 1
    return any(max(ends) - min(ends) > _NOISE * max(map(abs, ends)) for ends in zip(*values, strict=True))
