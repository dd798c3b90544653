"""Endless synthetic heads for training: an anatomy, an appearance, a protocol, and what went wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import IterableDataset, get_worker_info

from models.physics.artefacts import ARTEFACTS, Artefact
from models.physics.kspace import Corruption
from models.physics.severity import draw
from models.preprocess import Grid, resampling_weights
from training.synthesis.generators import Generators, Shape, generators_of
from training.synthesis.labelmaps import GREY
from training.synthesis.random_fields import along_axes
from training.synthesis.scene import Origin, draw_scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One synthetic head on the 2 mm grid of its field of view.

    ``clean`` and ``corrupted`` are the same head under the same protocol, float32 (i, j, k); they are one tensor when
    nothing went wrong. ``shares`` (4, i, j, k) holds how much of each voxel is of each tissue; ``severity`` (5,)
    float32 each artefact's severity, 0 where absent; ``alone`` the head with only that artefact, of the same
    parameters, for each that is present.
    """

    clean: Tensor
    corrupted: Tensor
    shares: Tensor
    grid: Grid
    severity: npt.NDArray[np.float32]
    alone: Mapping[Artefact, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptionModel:
    """How often and how much goes wrong: probability of any artefact, of a second one, and the severity range.

    ``kinds``: the artefacts that occur.
    """

    probability: float
    second: float = 0.15
    severity: tuple[float, float] = (0.05, 1.0)
    kinds: tuple[Artefact, ...] = ARTEFACTS


class SyntheticHeads(IterableDataset[Head]):
    """Heads number ``first``, ``first + 1``, ... of the stream that ``seed`` names; the same number, the same head.

    With ``stride`` only each stride-th of them: several devices share one stream.
    """

    def __init__(
        self,
        origin: Origin,
        seed: int,
        *,
        first: int = 0,
        stride: int = 1,
        corruption_model: CorruptionModel | None = None,
    ) -> None:
        self._origin = origin
        self._seed, self._first, self._stride = seed, first, stride
        self._corruption_model = corruption_model

    def __iter__(self) -> Iterator[Head]:
        worker = get_worker_info()
        number = self._first + self._stride * (worker.id if worker else 0)
        stride = self._stride * (worker.num_workers if worker else 1)
        while True:
            yield self.head(number)
            number += stride

    def head(self, number: int) -> Head:
        """Head ``number`` of the stream."""
        generators = generators_of(self._seed, number, device=self._origin.device)
        return draw_head(self._origin, self._corruption_model, generators)


@torch.no_grad()
def draw_head(origin: Origin, corruption_model: CorruptionModel | None, generators: Generators) -> Head:
    """One head of a random anatomy."""
    scene = draw_scene(origin, generators)
    corruptions, severity = draw_corruptions(corruption_model, generators.host)

    def scanned(*present: Corruption) -> Tensor:
        stored, grid = scene.stored(present)
        return along_axes(stored, resampling_weights(grid, scene.shares_grid))

    clean = scanned()
    corrupted = scanned(*corruptions.values()) if corruptions else clean
    alone = {kind: corrupted if len(corruptions) == 1 else scanned(c) for kind, c in corruptions.items()}
    return Head(
        clean=clean,
        corrupted=corrupted,
        shares=scene.shares,
        grid=scene.shares_grid,
        severity=severity,
        alone=alone,
    )


def draw_corruptions(
    corruption_model: CorruptionModel | None, rng: np.random.Generator
) -> tuple[dict[Artefact, Corruption], npt.NDArray[np.float32]]:
    """None, one or two artefacts and the severity of each (5,)."""
    severity = np.zeros(len(ARTEFACTS), np.float32)
    if corruption_model is None or rng.random() >= corruption_model.probability:
        return {}, severity
    count = 2 if rng.random() < corruption_model.second else 1
    kinds = [ARTEFACTS.index(kind) for kind in corruption_model.kinds]
    chosen = rng.choice(kinds, min(count, len(kinds)), replace=False)
    severity[chosen] = rng.uniform(*corruption_model.severity, len(chosen))
    return {ARTEFACTS[i]: draw(ARTEFACTS[i], float(severity[i]), rng) for i in chosen}, severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A head cut to a box about its brain, intensities divided by the brain's 95th percentile."""

    clean: Tensor
    corrupted: Tensor
    shares: Tensor
    severity: npt.NDArray[np.float32]
    alone: Mapping[Artefact, Tensor]


#: Voxels of 2 mm: 16 mL.
_LEAST_BRAIN = 2000


@torch.no_grad()
def cut_box(head: Head, shape: Shape, rng: np.random.Generator) -> Box | None:
    """The box as the locator would place it, give or take 12 mm; None where the field of view shows no brain."""
    brain = brain_mask(head.shares).nonzero()
    if len(brain) < _LEAST_BRAIN:
        return None
    centre = brain.float().mean(dim=0).cpu().numpy() + rng.uniform(-6, 6, 3)
    start = np.rint(centre - (np.asarray(shape) - 1) / 2).astype(int).tolist()
    shares = _cropped(head.shares, start, shape)
    shares[0] = 1 - shares[1:].sum(dim=0)  # outside the field of view is background
    inside = brain_mask(shares)
    jitter = rng.uniform(0.85, 1.15)

    def scaled(image: Tensor) -> Tensor:
        voxels = _cropped(image, start, shape)
        return voxels * (jitter / brain_scale(voxels, inside))

    return Box(
        clean=scaled(head.clean),
        corrupted=scaled(head.corrupted),
        shares=shares,
        severity=head.severity,
        alone={artefact: scaled(image) for artefact, image in head.alone.items()},
    )


def brain_mask(shares: Tensor) -> Tensor:
    """Where grey or white matter has the largest share: what locates the head."""
    return shares[GREY:].amax(dim=0) > shares[:GREY].amax(dim=0)


def brain_scale(image: Tensor, brain: Tensor) -> Tensor:
    """The 95th percentile of the intensity inside the brain; 1 where that is nothing."""
    bright = image[brain].quantile(0.95)
    return torch.where(bright > 0, bright, 1.0)


def _cropped(voxels: Tensor, start: list[int], shape: Shape) -> Tensor:
    """The part (..., *shape) from ``start`` on, zero where it reaches outside."""
    sides = zip(start, shape, voxels.shape[-3:], strict=True)
    pads = [(-first, first + size - n) for first, size, n in sides]
    return F.pad(voxels, [pad for pair in reversed(pads) for pad in pair])
