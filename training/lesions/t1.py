"""How T1 shows a head whose FLAIR is drawn, as it lies on it after a rigid registration: white matter is about 1.

In twelve people lesions have 0.81 to 0.88 of white matter in T1; grey matter has 0.6 to 0.9, fluid less than half.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation
from torch import Tensor

from training.lesions.anatomy import GRID, SPACING_MM, Anatomy
from training.lesions.scans import draw_corruptions, draw_scanner
from training.synthesis.generators import Generators
from training.synthesis.heads import CorruptionModel
from training.synthesis.labelmaps import CSF, GREY, WHITE

_AIR, _THALAMUS, _PALLIDUM, _VESSEL = 0, 6, 8, 11
#: Standard deviation of what a registration leaves, in mm and degrees.
_LEFT_MM, _LEFT_DEGREES = 0.7, 0.7
#: How many are taken in slices: most T1 are 3-D.
_SLICED = 0.3


@torch.no_grad()
def draw_t1(anatomy: Anatomy, lesions: Tensor, corruption_model: CorruptionModel, generators: Generators) -> Tensor:
    """The stored T1 on the anatomy's grid, float32 (i, j, k); ``lesions``: share of each voxel."""
    rng = generators.host
    seen = torch.tensordot(torch.from_numpy(_means(anatomy, rng)), anatomy.shares, dims=1)
    seen = seen * (1 + float(rng.uniform(0, 0.06)) * generators.noise(GRID))
    seen = seen + lesions * (float(rng.uniform(0.45, 0.95)) - seen)
    scanner = draw_scanner(rng)
    if rng.random() >= _SLICED:
        scanner = replace(scanner, axis=None)
    return moved(scanner.take(seen, draw_corruptions(corruption_model, rng), generators), rng)


def _means(anatomy: Anatomy, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """The intensity of each class (C,)."""
    tissue, outside = anatomy.atlas.table.tissue, anatomy.atlas.table.outside
    mean = np.zeros(len(tissue))
    grey, fluid = rng.uniform(0.6, 0.9), rng.uniform(0.1, 0.45)
    mean[tissue == CSF] = fluid
    mean[tissue == WHITE] = 1 + rng.normal(0, 0.04, (tissue == WHITE).sum())
    mean[tissue == GREY] = grey * rng.uniform(0.93, 1.07, (tissue == GREY).sum())
    mean[_THALAMUS], mean[_PALLIDUM] = rng.uniform(grey, 1, 2)
    mean[_VESSEL] = rng.uniform(0, 1.5)
    mean[anatomy.atlas.ventricles] = fluid * rng.uniform(0.7, 1.05)
    dark = rng.random(len(tissue)) < 0.3
    mean[outside] = np.where(dark, rng.uniform(0, 0.4, len(tissue)), rng.uniform(0.2, 2.5, len(tissue)))[outside]
    mean[_AIR] = rng.uniform(0, 0.04)
    return mean.astype(np.float32)


def moved(image: Tensor, rng: np.random.Generator) -> Tensor:
    """The image turned and shifted about its centre by what a registration leaves."""
    turn = Rotation.from_rotvec(rng.normal(0, _LEFT_DEGREES, 3), degrees=True).as_matrix()
    centre = (np.asarray(image.shape) - 1) / 2
    offset = centre - turn @ centre + rng.normal(0, _LEFT_MM / SPACING_MM, 3)
    return torch.from_numpy(ndimage.affine_transform(image.numpy(), turn, offset, order=1))
