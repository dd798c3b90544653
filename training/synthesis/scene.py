"""A head in a scanner, before anything goes wrong: what the coil sees under one protocol, and the truth beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.physics.kspace import Corruption
from models.preprocess import Grid
from training.synthesis.anatomy import CANVAS, Anatomies
from training.synthesis.appearance import (
    Protocol,
    alter_outside,
    draw_appearance,
    draw_field_of_view,
    draw_voxel_size,
    render,
    scan,
    tissue_shares,
)
from training.synthesis.generators import Generators, Shape
from training.synthesis.labelmaps import ClassTable
from training.synthesis.scanner import draw_reconstruction

#: From a stream of draws to the voxel size of a scan in whole mm.
DrawSize = Callable[[np.random.Generator], Shape]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What heads are made of: anatomies, what is known of their classes, and the device that they are made on."""

    anatomies: Anatomies
    table: ClassTable
    device: torch.device


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """``ideal`` (i, j, k) float32 on ``grid``: the image without noise; ``shares`` (4, ...) of tissues on theirs."""

    ideal: Tensor
    grid: Grid
    protocol: Protocol
    shares: Tensor
    shares_grid: Grid

    def stored(self, corruptions: Sequence[Corruption] = ()) -> tuple[Tensor, Grid]:
        """The image that the scanner stores, and its grid."""
        return scan(self.ideal, self.grid, self.protocol, tuple(corruptions))


def draw_scene(
    origin: Origin, generators: Generators, *, draw_size: DrawSize = draw_voxel_size, as_scanned: bool | None = None
) -> Scene:
    """An anatomy, a protocol and an appearance at random; ``as_scanned``: see ``draw_appearance``."""
    rng, table, classes = generators.host, origin.table, origin.anatomies.draw(generators)
    protocol = Protocol(
        field_of_view=draw_field_of_view(CANVAS, rng),
        voxel_mm=draw_size(rng),
        reconstruction=draw_reconstruction(rng),
    )
    shares, shares_grid = tissue_shares(classes, table, protocol)
    seen, appearance = alter_outside(classes, table, rng), draw_appearance(table, rng, as_scanned=as_scanned)
    ideal, grid = render(seen, table, appearance, protocol, generators)
    return Scene(ideal=ideal, grid=grid, protocol=protocol, shares=shares, shares_grid=shares_grid)
