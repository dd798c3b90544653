"""Which frames lie parallel, whether sorted frames form one regular lattice, and its affine.

Spacing comes from positions, never from SliceThickness: slices overlap or leave gaps (PS3.3, C.7.6.2.1).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from daemon.core.errors import NotAssessable, Reason
from daemon.core.reception.geometry import LEAST_SLICES
from daemon.dicom.reading.frames import Frame, Plane, Vector

#: Largest difference of direction cosines within one orientation (0.06 degrees).
_COSINE: Final = 1e-3
#: Largest relative difference of pixel spacings within one volume.
_SPACING: Final = 1e-3
#: A slice may lie this share of a step from where the lattice has it.
_JITTER: Final = 0.05
#: A step of this many usual ones is a gap.
_GAP: Final = 1.5
#: Slices lie nearer to one another.
_FURTHEST_MM: Final = 100.0
#: More stacks than any protocol has; radial scans turn each image and are no volume.
_GROUPS_MAX: Final = 16

#: DICOM's LPS to RAS.
_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])


def partition(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Groups of frames that may be one volume each: of one stack, orientation, matrix size and pixel spacing.

    Raises:
        NotAssessable: GEOMETRY, there are several groups and one of them is too small for a volume, or there are more
            groups than any scanner's stacks.
    """
    groups: list[list[Frame]] = []
    for frame in frames:
        group = next((group for group in groups if differences(group[0], frame) is None), None)
        if group is not None:
            group.append(frame)
        elif len(groups) < _GROUPS_MAX:
            groups.append([frame])
        else:
            raise NotAssessable(Reason.GEOMETRY, differences(groups[0][0], frame) or "")
    if len(groups) > 1 and min(map(len, groups)) < LEAST_SLICES:
        raise NotAssessable(Reason.GEOMETRY, differences(groups[0][0], groups[1][0]) or "")
    return groups


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


def slice_affine(frame: Frame) -> npt.NDArray[np.float64]:
    """(4, 4) index (column, row, slice) to RAS mm of one slice that was taken over time.

    The next slice would lie as far away as the header says, else as the slice is thick, else one pixel.
    """
    plane, header = frame.plane, frame.attributes
    stated = (header.number("SpacingBetweenSlices"), header.number("SliceThickness"))
    apart = next((one for one in stated if one is not None and 0 < one < _FURTHEST_MM), float(plane.spacing_mm[0]))
    lps = np.eye(4)
    lps[:3, 0] = plane.along_row * plane.spacing_mm[0]
    lps[:3, 1] = plane.down_column * plane.spacing_mm[1]
    lps[:3, 2] = plane.normal * apart
    lps[:3, 3] = plane.position_mm
    affine: npt.NDArray[np.float64] = _RAS @ lps
    return affine


def differences(one: Frame, other: Frame) -> str | None:
    """Why two frames cannot lie in one volume; None where they may."""
    if not _same_orientation(one.plane, other.plane):
        return "images of several orientations"
    if one.shape != other.shape:
        return "images of several sizes"
    if not np.allclose(one.plane.spacing_mm, other.plane.spacing_mm, rtol=_SPACING, atol=0):
        return "images of several pixel spacings"
    if one.attributes.text("StackID") != other.attributes.text("StackID"):
        return "images of several stacks"
    return None


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
