"""One deformed head as lesion images are drawn from it: class shares on 2 mm voxels, and where lesions may lie."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from training.lesions.atlas import Atlas
from training.synthesis.anatomy import deform, draw_deformation
from training.synthesis.appearance import block_mean
from training.synthesis.generators import Generators, Shape
from training.synthesis.labelmaps import WHITE

#: The part of a head about its brain's centre that is kept, in mm: the network's box and some room to move it.
WINDOW: Shape = (176, 208, 176)
#: Voxels of 2 mm.
GRID: Shape = (88, 104, 88)
SPACING_MM = 2.0
#: Classes that lesions lie in beside white matter: thalamus, putamen, pallidum, brain stem.
_DEEP = (6, 7, 8, 13)
_WHITE_CLASS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """All on voxels of 2 mm, (88, 104, 88).

    ``shares`` (C, ...) of each class; ``tissues`` (4, ...) of background, CSF, grey and white matter; ``home``: how
    much of a voxel can be lesion; ``white``: cerebral white matter; ``from_ventricles`` and ``from_cortex``: distance
    in mm; ``voxels`` int32 (176, 208, 176), 1 mm: as the atlas packs them.
    """

    shares: Tensor
    tissues: Tensor
    home: Tensor
    white: Tensor
    from_ventricles: Tensor
    from_cortex: Tensor
    voxels: Tensor
    atlas: Atlas

    def earlier_lesions(self, number: int) -> Tensor:
        """The share of one person's lesions in each voxel, inside of where lesions may lie."""
        shares = block_mean(self.atlas.mask(self.voxels, number).float(), (2, 2, 2))
        return torch.minimum(shares, self.home)


@torch.no_grad()
def draw_anatomy(atlas: Atlas, generators: Generators) -> Anatomy:
    """A new head of a random label map."""
    head = atlas.heads[int(generators.host.integers(len(atlas.heads)))]
    centre: Shape = tuple(side // 2 for side in WINDOW)  # type: ignore[assignment]
    voxels = deform(head, draw_deformation(generators.host), WINDOW, centre)
    shares = _class_shares(atlas.classes(voxels), len(atlas.table.tissue))
    tissues = torch.stack([shares[atlas.table.tissue == n].sum(dim=0) for n in range(WHITE + 1)])
    white = shares[_WHITE_CLASS]
    return Anatomy(
        shares=shares,
        tissues=tissues,
        home=white + shares[list(_DEEP)].sum(dim=0),
        white=white,
        from_ventricles=_distance(shares[atlas.ventricles] > 0.5),
        from_cortex=_distance(shares[3] > 0.5),
        voxels=voxels,
        atlas=atlas,
    )


def _class_shares(classes: Tensor, count: int) -> Tensor:
    """How much of each voxel of 2 mm is of each class, float32 (C, ...)."""
    blocks = torch.arange(int(np.prod(GRID)), dtype=torch.int32).view(GRID)
    voxel = blocks.repeat_interleave(2, 0).repeat_interleave(2, 1).repeat_interleave(2, 2)
    counts = torch.bincount((voxel * count + classes).flatten(), minlength=int(np.prod(GRID)) * count)
    return (counts.view(-1, count).t().float() / 8).reshape(count, *GRID).contiguous()


def _distance(mask: Tensor) -> Tensor:
    if not mask.any():
        return torch.full(GRID, 100.0)
    distance = ndimage.distance_transform_edt(~mask.numpy()).astype(np.float32)
    return torch.from_numpy(distance * np.float32(SPACING_MM))
