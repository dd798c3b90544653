"""Whether sorted frames form one regular lattice, and its affine.

Spacing comes from positions, never from SliceThickness: slices overlap or leave gaps (PS3.3, C.7.6.2.1).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from daemon.core.errors import NotAssessable, Reason
from daemon.core.geometry import LEAST_SLICES
from daemon.dicom.reading.frames import Frame, Plane, Vector

#: Largest difference of direction cosines within one orientation (0.06 degrees).
_COSINE: Final = 1e-3
#: Largest relative difference of pixel spacings within one volume.
_SPACING: Final = 1e-3
#: A slice may lie this share of a step from where the lattice has it.
_JITTER: Final = 0.05
#: A step of this many usual ones is a gap.
_GAP: Final = 1.5

#: DICOM's LPS to RAS.
_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])


def check_parallel(frames: Sequence[Frame]) -> None:
    """Refuse what can be no volume at all, before it is sorted.

    Raises:
        NotAssessable: GEOMETRY, several orientations, matrix sizes or pixel spacings.
    """
    first = frames[0]
    if any(not _same_orientation(first.plane, frame.plane) for frame in frames):
        raise NotAssessable(Reason.GEOMETRY, "images of several orientations")
    if any(first.shape != frame.shape for frame in frames):
        raise NotAssessable(Reason.GEOMETRY, "images of several sizes")
    if any(not np.allclose(first.plane.spacing_mm, frame.plane.spacing_mm, rtol=_SPACING, atol=0) for frame in frames):
        raise NotAssessable(Reason.GEOMETRY, "images of several pixel spacings")


def affine_of(frames: Sequence[Frame]) -> npt.NDArray[np.float64]:
    """(4, 4) index (column, row, slice) to RAS mm of frames sorted along their normal.

    Raises:
        NotAssessable: TOO_FEW; INCOMPLETE, slices are missing; GEOMETRY, no regular step.
    """
    if len(frames) < LEAST_SLICES:
        raise NotAssessable(Reason.TOO_FEW, f"{len(frames)} slices")
    plane = frames[0].plane
    positions = np.array([frame.plane.position_mm for frame in frames])
    _check_gaps(positions @ plane.normal)
    step = (positions[-1] - positions[0]) / (len(frames) - 1)
    _check_regular(positions, step, plane.normal)
    lps = np.eye(4)
    lps[:3, 0] = plane.along_row * plane.spacing_mm[0]
    lps[:3, 1] = plane.down_column * plane.spacing_mm[1]
    lps[:3, 2] = step
    lps[:3, 3] = positions[0]
    affine: npt.NDArray[np.float64] = _RAS @ lps
    return affine


def _same_orientation(one: Plane, other: Plane) -> bool:
    difference = np.abs(np.concatenate([one.along_row - other.along_row, one.down_column - other.down_column]))
    return bool(difference.max() <= _COSINE)


def _check_gaps(along: Vector) -> None:
    """Refuse steps that are multiples of the usual one."""
    steps = np.array([after - before for before, after in pairwise(along)])
    ratios = steps / np.median(steps)
    gaps = ratios[ratios > _GAP]
    whole = np.rint(gaps)
    if gaps.size and (np.abs(gaps - whole) <= _JITTER * whole).all():
        missing = int((whole - 1).sum())
        raise NotAssessable(Reason.INCOMPLETE, f"{missing} of {len(along) + missing} slices missing")


def _check_regular(positions: npt.NDArray[np.float64], step: Vector, normal: Vector) -> None:
    """Refuse slices that lie off the lattice, and lattices that are sheared."""
    length = float(step @ normal)
    lattice = positions[0] + np.arange(len(positions))[:, None] * step
    off = float(np.linalg.norm(positions - lattice, axis=1).max())
    if off > _JITTER * length:
        raise NotAssessable(Reason.GEOMETRY, "slices at irregular distances")
    if float(np.linalg.norm(step - length * normal)) > _JITTER * length:
        raise NotAssessable(Reason.GEOMETRY, "slices are shifted against each other")
