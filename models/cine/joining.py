"""A stack from the series of a study: one slice position a series, or several, each over the beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]

#: Slices whose normals differ by more are of another stack: 5 degrees.
_PARALLEL = float(np.cos(np.radians(5)))
#: Slices nearer than this share of the usual gap are one position, taken twice.
_SAME = 0.3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One series: frames (T, i, j, k), affine (i, j, k) to RAS mm; ``number`` of the series, from 0."""

    frames: FloatArray
    affine: Affine
    number: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joined:
    """Frames (T, i, j, slice) with their affine; ``sources``: series and slice within it of each slice.

    ``left_out``: series that are not parallel to the others, or of other pixels; ``repeated``: positions that were
    taken again, of which the last counts.
    """

    frames: FloatArray
    affine: Affine
    sources: tuple[tuple[int, int], ...]
    left_out: tuple[int, ...] = ()
    repeated: int = 0


def joined(parts: Sequence[Part]) -> Joined:
    """The largest stack of parallel slices of one size, along their normal; of two at one place the later counts.

    Phases of a series with another number of them are taken at the same share of the beat.
    """
    if len(parts) == 1:
        frames, affine = parts[0].frames, parts[0].affine
        return Joined(frames=frames, affine=affine, sources=tuple((0, k) for k in range(frames.shape[3])))
    alike = max(([one for one in parts if _alike(one, first)] for first in parts), key=_slices)
    slices = [(one, k) for one in alike for k in range(one.frames.shape[3])]
    normal = _normal(alike[0].affine)
    places = {(one.number, k): float(_place(one, k) @ normal) for one, k in slices}
    slices.sort(key=lambda item: places[item[0].number, item[1]])
    kept, repeated = _once(slices, places)
    phases = max(one.frames.shape[0] for one, _ in kept)
    frames = np.stack([_over_beat(one.frames[..., k], phases) for one, k in kept], axis=-1)
    return Joined(
        frames=frames,
        affine=_affine(kept),
        sources=tuple((one.number, k) for one, k in kept),
        left_out=tuple(one.number for one in parts if one not in alike),
        repeated=repeated,
    )


def _alike(one: Part, first: Part) -> bool:
    if one.frames.shape[1:3] != first.frames.shape[1:3] or abs(_normal(one.affine) @ _normal(first.affine)) < _PARALLEL:
        return False
    return bool(np.allclose(one.affine[:3, :2], first.affine[:3, :2], atol=0.05 * np.abs(first.affine[:3, :2]).max()))


def _slices(parts: Sequence[Part]) -> int:
    return sum(one.frames.shape[3] for one in parts)


def _once(slices: list[tuple[Part, int]], places: dict[tuple[int, int], float]) -> tuple[list[tuple[Part, int]], int]:
    """One slice a position: of those nearer than a share of the usual gap, the later series."""
    along = [places[one.number, k] for one, k in slices]
    steps = [step for step in np.diff(along) if step > 1.0]  # mm: nobody takes slices nearer than that
    near = _SAME * float(np.median(steps)) if steps else 1.0
    kept: list[tuple[Part, int]] = []
    for (one, k), place in zip(slices, along, strict=True):
        if kept and place - places[kept[-1][0].number, kept[-1][1]] < near:
            if one.number > kept[-1][0].number:
                kept[-1] = (one, k)
        else:
            kept.append((one, k))
    return kept, len(slices) - len(kept)


def _over_beat(frames: FloatArray, phases: int) -> FloatArray:
    """Frames (T, i, j) at ``phases`` shares of the beat, the nearest of each."""
    count = len(frames)
    return np.asarray(
        frames[np.minimum(np.rint(np.arange(phases) * count / phases).astype(int), count - 1)], np.float32
    )


def _affine(slices: Sequence[tuple[Part, int]]) -> Affine:
    affine = slices[0][0].affine.copy()
    first, last = (_place(*slices[n]) for n in (0, -1))
    if len(slices) > 1:
        affine[:3, 2] = (last - first) / (len(slices) - 1)
    affine[:3, 3] = first
    return affine


def _place(one: Part, k: int) -> npt.NDArray[np.float64]:
    """Where the first pixel of a slice lies, RAS mm."""
    return np.asarray(one.affine[:3, 3] + one.affine[:3, 2] * k)


def _normal(affine: Affine) -> npt.NDArray[np.float64]:
    across = np.cross(affine[:3, 0], affine[:3, 1])
    return np.asarray(across / max(float(np.linalg.norm(across)), 1e-9))
