"""The fixed frame of short-axis hearts: left to the right, feet down, the base first.

A network is trained in one frame, and images come in any: rows or columns first, mirrored, from apex to base. Axes are
permuted and turned over, never interpolated, so that what is found lies on the image's own pixels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

#: Directions in LPS (PS3.3, C.7.6.2.1.1): of the first axis, of the second, and from the base of a heart to its apex.
_LEFT, _DOWN = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.5, -1.0])
_TO_APEX = np.array([1.0, -1.0, -1.0]) / np.sqrt(3)
#: Cosine between the slices' normal and that direction: short axes of people 0.99, of a pig 0.67, long axes up to 0.46
#: (docs/cine.md).
_SHORT_AXIS = 0.55


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cine:
    """Frames in the fixed frame.

    ``frames`` float32 (T, x, y, slice), the pixels of a slice together in memory; ``pixel_mm`` of x and y, ``gap_mm``
    from slice to slice; ``affine`` (4, 4) (x, y, slice) to RAS mm; ``numbers``: of each slice, as the series counts
    them from 1; ``first``: which axis of the series x was, 0 or 1; ``turned``: whether x, y and slice run the other way
    than in the series.
    """

    frames: FloatArray
    pixel_mm: tuple[float, float]
    gap_mm: float
    affine: npt.NDArray[np.float64]
    numbers: tuple[int, ...]
    first: int
    turned: tuple[bool, bool, bool]

    def own(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values (x, y, slice) of this frame on the series' own axes (i, j, k)."""
        back = values[tuple(slice(None, None, -1 if turned else 1) for turned in self.turned)]
        return np.ascontiguousarray(back.swapaxes(0, 1) if self.first else back)


def axis_cosine(affine: npt.NDArray[np.float64]) -> float:
    """How far slices (i, j, k) are across a heart: |cosine| between their normal and the usual long axis."""
    i, j = _directions(affine)[:, 0], _directions(affine)[:, 1]
    normal = np.cross(i, j)
    return float(abs(normal @ _TO_APEX) / np.linalg.norm(normal))


def is_short_axis(affine: npt.NDArray[np.float64]) -> bool:
    """Whether slices are across the heart rather than along it."""
    return axis_cosine(affine) >= _SHORT_AXIS


def in_frame(voxels: FloatArray, affine: npt.NDArray[np.float64]) -> Cine:
    """Frames (T, i, j, k) with their affine (index to RAS mm), in the fixed frame."""
    directions = _directions(affine)
    first = 0 if _fit(directions[:, 0], directions[:, 1]) >= _fit(directions[:, 1], directions[:, 0]) else 1
    order = (first, 1 - first, 2)
    wanted = (_LEFT, _DOWN, _TO_APEX)
    turned = tuple(bool(directions[:, axis] @ want < 0) for axis, want in zip(order, wanted, strict=True))
    step = tuple(-1 if one else 1 for one in turned)
    frames = voxels.transpose(0, *(axis + 1 for axis in order))[:, :: step[0], :: step[1], :: step[2]]
    placed = affine[:, [*order, 3]].copy()
    for axis, one in enumerate(turned):
        if one:
            placed[:3, 3] += placed[:3, axis] * (frames.shape[axis + 1] - 1)
            placed[:3, axis] *= -1
    spacing = np.linalg.norm(placed[:3, :3], axis=0)
    count = frames.shape[3]
    return Cine(
        frames=np.ascontiguousarray(frames.transpose(0, 3, 1, 2), np.float32).transpose(0, 2, 3, 1),
        pixel_mm=(float(spacing[0]), float(spacing[1])),
        gap_mm=float(spacing[2]),
        affine=placed,
        numbers=tuple(range(count, 0, -1) if turned[2] else range(1, count + 1)),
        first=first,
        turned=(turned[0], turned[1], turned[2]),
    )


def _directions(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Unit vectors of the three axes, in LPS, as columns."""
    axes = np.diag([-1.0, -1.0, 1.0]) @ affine[:3, :3]
    unit: npt.NDArray[np.float64] = axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-9)
    return unit


def _fit(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    return float(abs(x @ _LEFT) + abs(y @ _DOWN))
