"""Deformed anatomies: each label map gives any number of different heads.

On a processor, deforming a head at 1 mm takes longer than drawing an image from it: there a bank on disk, made once,
lets a training step wait for nothing. A graphics card deforms one in milliseconds, and needs no bank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from training.synthesis.generators import Generators, Shape, generators_of
from training.synthesis.labelmaps import LabelMap
from training.synthesis.random_fields import smooth_field

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


def deform(head: LabelMap, deformation: Deformation, canvas: Shape = CANVAS, centre: Shape = BRAIN_CENTRE) -> Tensor:
    """The head on a canvas with the brain's centre at ``centre``, nearest neighbour: as the label map, ``canvas``."""
    matrix, device = matrix_of(deformation), head.classes.device
    generators = generators_of(deformation.seed, device=device)
    index = torch.zeros(canvas, dtype=torch.int32, device=device)
    inside = torch.ones(canvas, dtype=torch.bool, device=device)
    axes = [torch.arange(n, device=device) - float(c) for n, c in zip(canvas, centre, strict=True)]
    for axis, size in enumerate(head.classes.shape):
        bend = smooth_field(canvas, 32, generators) + smooth_field(canvas, 64, generators)
        i, j, k = (float(matrix[axis, a]) * along for a, along in enumerate(axes))
        place = i[:, None, None] + j[:, None] + k + deformation.bend_mm * bend + float(head.brain_centre[axis])
        position = place.round().int()
        inside &= (position >= 0) & (position < size)
        index = index * size + position.clamp(0, size - 1)
    return head.classes.flatten().index_select(0, index.flatten()).view(canvas) * inside


class Bank:
    """The deformed heads of a folder."""

    def __init__(self, folder: Path) -> None:
        self._paths = sorted(folder.glob("*.npy"))
        if not self._paths:
            raise FileNotFoundError(f"no anatomies in {folder}: run python -m training bank --out {folder} first")

    def draw(self, generators: Generators) -> Tensor:
        """One of them: uint8 ``CANVAS``."""
        path = self._paths[generators.host.integers(len(self._paths))]
        return torch.from_numpy(np.load(path)).to(generators.device)


class Fresh:
    """Heads that are deformed when they are asked for, no two alike."""

    def __init__(self, heads: Sequence[LabelMap]) -> None:
        self._heads = heads

    def draw(self, generators: Generators) -> Tensor:
        """A new one: uint8 ``CANVAS``, where the label maps are."""
        head = self._heads[int(generators.host.integers(len(self._heads)))]
        return deform(head, draw_deformation(generators.host))


Anatomies = Bank | Fresh


def write_bank(folder: Path, heads: list[LabelMap], count: int, seed: int) -> None:
    """Write ``count`` deformed heads as ``NNNN.npy``; those already there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:04d}.npy"
        if not path.exists():
            rng = np.random.default_rng((seed, number))
            voxels = deform(heads[number % len(heads)], draw_deformation(rng)).cpu().numpy()
            partial = path.with_suffix(".part")
            with partial.open("wb") as file:
                np.save(file, voxels)
            partial.rename(path)


def matrix_of(deformation: Deformation) -> npt.NDArray[np.float32]:
    """Canvas millimetres about the brain's centre -> the head's about its own, (3, 3), but for the bends."""
    turn = Rotation.from_euler("xyz", deformation.degrees, degrees=True).as_matrix()
    scale = np.diag(1 / np.asarray(deformation.scales))
    mirror = np.diag([-1.0 if deformation.mirrored else 1.0, 1.0, 1.0])
    matrix: npt.NDArray[np.float32] = (mirror @ scale @ turn).astype(np.float32)
    return matrix
