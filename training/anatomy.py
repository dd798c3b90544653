"""Deformed anatomies: each label map gives any number of different heads, kept in a bank on disk.

Deforming a head at 1 mm takes seconds, drawing an image from it a fraction of one: a bank made once lets a
training step wait for nothing.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from training.fields import smooth_field
from training.labelmaps import Classes, LabelMap

#: Size of a banked head in mm (RAS) and where the brain's centre lies in it.
CANVAS = (208, 256, 272)
BRAIN_CENTRE = (104, 128, 166)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deformation:
    """How a head is turned, scaled and bent: degrees, factors and mm."""

    degrees: tuple[float, float, float]
    scales: tuple[float, float, float]
    bend_mm: float
    mirrored: bool
    seed: int


def draw_deformation(rng: np.random.Generator) -> Deformation:
    """Nodding up to 30 degrees, turning and tilting less; size 0.85 to 1.15; local bends of some millimetres."""
    overall = rng.uniform(0.9, 1.1)
    return Deformation(
        degrees=(float(rng.normal(0, 12)), float(rng.normal(0, 6)), float(rng.normal(0, 6))),
        scales=tuple((overall * rng.uniform(0.94, 1.06, 3)).tolist()),
        bend_mm=float(rng.uniform(1, 4)),
        mirrored=bool(rng.random() < 0.5),
        seed=int(rng.integers(2**31)),
    )


def deform(head: LabelMap, deformation: Deformation) -> Classes:
    """The head on the canvas after the deformation, nearest neighbour: uint8 ``CANVAS``."""
    matrix = _matrix(deformation)
    rng = np.random.default_rng(deformation.seed)
    index = np.zeros(CANVAS, np.int64)
    inside = np.ones(CANVAS, np.bool_)
    axes = [np.arange(n, dtype=np.float32) - c for n, c in zip(CANVAS, BRAIN_CENTRE, strict=True)]
    for axis, size in enumerate(head.classes.shape):
        bend = deformation.bend_mm * (smooth_field(CANVAS, 32, rng) + smooth_field(CANVAS, 64, rng))
        terms = [matrix[axis, a] * along for a, along in enumerate(axes)]
        position = np.rint(
            terms[0][:, None, None] + terms[1][:, None] + terms[2] + (head.brain_centre[axis] + bend)
        ).astype(np.int32)
        inside &= (position >= 0) & (position < size)
        index = index * size + np.clip(position, 0, size - 1)
    voxels = head.classes.ravel()[index]
    voxels[~inside] = 0
    return voxels


def write_bank(folder: Path, heads: list[LabelMap], count: int, seed: int) -> None:
    """Write ``count`` deformed heads as ``NNNN.npy``; those already there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:04d}.npy"
        if not path.exists():
            rng = np.random.default_rng((seed, number))
            voxels = deform(heads[number % len(heads)], draw_deformation(rng))
            partial = path.with_suffix(".part")
            with partial.open("wb") as file:
                np.save(file, voxels)
            partial.rename(path)


def _matrix(deformation: Deformation) -> npt.NDArray[np.float32]:
    """Canvas millimetres about the brain's centre -> label map millimetres about its own, (3, 3)."""
    turn = Rotation.from_euler("xyz", deformation.degrees, degrees=True).as_matrix()
    scale = np.diag(1 / np.asarray(deformation.scales))
    mirror = np.diag([-1.0 if deformation.mirrored else 1.0, 1.0, 1.0])
    matrix: npt.NDArray[np.float32] = (mirror @ scale @ turn).astype(np.float32)
    return matrix
