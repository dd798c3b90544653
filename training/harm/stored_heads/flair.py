"""Whole synthetic heads as FLAIR is stored: of 1 mm label maps, in slices or 3-D, through a reconstruction.

The boxes that the network trains on (``lesions/examples``) lie on its grid. What tells an artefact is the stored image
on its own, so here the field of view, the voxels and the reconstruction are a scanner's.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.preprocess import nearest
from training.lesions.atlas import Atlas
from training.lesions.contrast import draw_means
from training.synthesis.anatomy import CANVAS, deform, draw_deformation
from training.synthesis.appearance import (
    Appearance,
    Protocol,
    draw_field_of_view,
    draw_thick_slices,
    render,
    scan,
    tissue_shares,
)
from training.synthesis.generators import Shape, generators_of
from training.synthesis.labelmaps import WHITE, ClassTable
from training.synthesis.scanner import draw_reconstruction
from training.truth import Truth

#: How many heads are stored in slices, of the others in voxels of 2 mm, the rest in 1 mm; and without any lesion.
_SLICED, _COARSE, _WITHOUT = 0.6, 0.7, 0.1
_THINNEST_MM = 3


@torch.no_grad()
def draw_stored_head(atlas: Atlas, seed: int, number: int) -> Truth:
    """Head ``number`` of a seed, clean; its name is that of its label map, its labels the tissues on its own grid."""
    generators = generators_of(seed, number)
    rng, head = generators.host, atlas.heads[number % len(atlas.heads)]
    voxels = deform(head, draw_deformation(rng))
    table = _with_lesions(atlas.table)
    protocol = Protocol(
        field_of_view=draw_field_of_view(CANVAS, rng),
        voxel_mm=_draw_voxel_size(rng),
        reconstruction=draw_reconstruction(rng),
    )
    classes = _with_lesion_class(atlas, voxels, rng)
    ideal, grid = render(classes, table, _appearance(atlas, rng), protocol, generators)
    stored, grid = scan(ideal, grid, protocol, ())
    shares, shares_grid = tissue_shares(classes, table, protocol)
    labels = shares.argmax(dim=0).numpy().astype(np.uint8)
    return Truth(name=head.name, voxels=stored.numpy(), labels=nearest(labels, shares_grid, grid), affine=grid.affine)


def _with_lesions(table: ClassTable) -> ClassTable:
    """One class more, of white matter."""
    return ClassTable(
        np.append(table.tissue, np.uint8(WHITE)),
        np.append(table.mean, table.mean[:, :1], axis=1),
        np.append(table.spread, table.spread[:, :1], axis=1),
    )


def _with_lesion_class(atlas: Atlas, voxels: Tensor, rng: np.random.Generator) -> Tensor:
    """The classes of a head (uint8), where the lesions of one or two people lie in its white matter the last of all."""
    classes = atlas.classes(voxels).to(torch.uint8)
    if rng.random() < _WITHOUT:
        return classes
    white = torch.from_numpy(atlas.table.tissue == WHITE)[classes.long()]
    for person in rng.choice(atlas.masks, min(int(rng.integers(1, 3)), atlas.masks), replace=False):
        classes[atlas.mask(voxels, int(person)) & white] = len(atlas.table.tissue)
    return classes


def _appearance(atlas: Atlas, rng: np.random.Generator) -> Appearance:
    """The intensities of FLAIR, lesions last; ``render`` takes white matter as 160."""
    mean, lesion = draw_means(atlas, rng)
    levels = 160 * np.append(mean, np.float32(lesion))
    texture: npt.NDArray[np.float32] = (levels * rng.uniform(0, 0.06)).astype(np.float32)
    return Appearance(
        mean=levels.astype(np.float32),
        spread=texture,
        mixing=float(rng.uniform(0.1, 0.6)),
        shading=float(rng.uniform(0, 0.25)),
        gamma=1.0,
    )


def _draw_voxel_size(rng: np.random.Generator) -> Shape:
    if rng.random() < _SLICED:
        size = list(draw_thick_slices(rng, thinnest_mm=_THINNEST_MM))
        if rng.random() < 2 / 3:  # mostly axial
            size.sort()
        return tuple(size)  # type: ignore[return-value]
    return (2, 2, 2) if rng.random() < _COARSE else (1, 1, 1)
