"""How FLAIR shows a head with lesions, before a scanner adds anything: white matter is 1.

Measured in twelve people: lesions at 1.3 to 1.9 times white matter, grey matter 0.9 to 1 with its fluid, fluid 0.24
to 0.50. What is bright and no lesion is drawn too: halos, pale patches, rims of the
ventricles, fluid in motion, scalp and fat.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from training.lesions.anatomy import GRID, SPACING_MM, Anatomy
from training.lesions.atlas import Atlas
from training.synthesis.generators import Generators
from training.synthesis.labelmaps import CSF, GREY, WHITE
from training.synthesis.random_fields import smooth_field

_AIR, _CORTEX, _CEREBELLAR, _THALAMUS, _PALLIDUM, _VESSEL = 0, 3, 5, 6, 8, 11
#: The largest step of a spoilt border, in voxels.
_KERNEL = 3


@torch.no_grad()
def draw_flair(anatomy: Anatomy, lesions: Tensor, generators: Generators) -> Tensor:
    """What a coil would see, float32 (i, j, k) on the anatomy's grid; ``lesions``: share of each voxel."""
    means, lesion = draw_means(anatomy.atlas, generators.host)
    seen = _seen(anatomy, means, generators)
    seen = _confounded(seen, anatomy, lesions, lesion, generators)
    flair: Tensor = seen + lesions * (_lesion_map(lesions, lesion, generators) - seen)
    return flair


def draw_means(atlas: Atlas, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], float]:
    """The intensity of each class (C,), and of lesions; white matter is 1."""
    tissue = atlas.table.tissue
    mean = np.zeros(len(tissue))
    grey, fluid = rng.uniform(0.92, 1.4), rng.uniform(0.03, 0.5)
    mean[tissue == CSF] = fluid
    mean[tissue == WHITE] = 1 + rng.normal(0, 0.05, (tissue == WHITE).sum())
    mean[tissue == GREY] = grey * rng.uniform(0.85, 1.08, (tissue == GREY).sum())
    mean[2], mean[_CORTEX] = 1, grey
    mean[_THALAMUS] = 1 + rng.uniform(0, 1) * (grey - 1)
    mean[_PALLIDUM] = rng.uniform(0.7, 1.05)
    mean[_VESSEL] = rng.uniform(0, 1)
    mean[atlas.ventricles] = fluid * rng.uniform(0.6, 1.1)
    outside = atlas.table.outside
    dark = rng.random(len(tissue)) < 0.3
    scalp = np.where(dark, rng.uniform(0, 0.4, len(tissue)), rng.uniform(0.1, 3.5, len(tissue)))
    mean[outside] = (scalp * rng.uniform(0.25, 1))[outside]
    mean[_AIR] = rng.uniform(0, 0.04)
    return mean.astype(np.float32), float(max(rng.uniform(1.25, 2.2), grey + rng.uniform(0.08, 0.3)))


def _seen(anatomy: Anatomy, mean: npt.NDArray[np.float32], generators: Generators) -> Tensor:
    """Each class at its intensity, with some texture; outside of the brain as patchy as skin, fat and muscle are."""
    rng, outside = generators.host, torch.from_numpy(anatomy.atlas.table.outside)
    texture = rng.uniform(0, 0.06)
    image = torch.tensordot(torch.from_numpy(mean), anatomy.shares, dims=1)
    image = image * (1 + texture * generators.noise(GRID))
    patches = torch.exp(rng.uniform(0.1, 0.6) * smooth_field(GRID, rng.uniform(2, 9), generators))
    elsewhere = anatomy.shares[outside].sum(dim=0)
    seen: Tensor = image * (1 + elsewhere * (patches - 1))
    return seen


def _confounded(seen: Tensor, anatomy: Anatomy, lesions: Tensor, lesion: float, generators: Generators) -> Tensor:
    """What is bright in FLAIR and is no lesion, each in some of the heads."""
    rng, extra = generators.host, torch.zeros(GRID)
    excess = lesion - 1
    if rng.random() < 0.6:  # penumbra
        extra += rng.uniform(0.1, 0.4) * excess * blurred(lesions, rng.uniform(0.8, 2.0)) * anatomy.white
    if rng.random() < 0.6:  # pale white matter, paler towards the ventricles
        patches = torch.sigmoid(2 * smooth_field(GRID, rng.uniform(4, 14), generators) - 1)
        near = torch.exp(-anatomy.from_ventricles / rng.uniform(3, 12))
        extra += rng.uniform(0, 0.3) * excess * (patches + near).clamp(max=1) * anatomy.home
    if rng.random() < 0.5:  # the thin rim of the ventricles
        rim = (1.5 - anatomy.from_ventricles / SPACING_MM).clamp(0, 1) * (1 - anatomy.shares[anatomy.atlas.ventricles])
        extra += rng.uniform(0, 0.35) * excess * rim * (anatomy.tissues[GREY] + anatomy.tissues[WHITE])
    if rng.random() < 0.4:  # flow in the ventricles and between the gyri
        flow = torch.sigmoid(3 * (smooth_field(GRID, rng.uniform(3, 10), generators) - rng.uniform(0.8, 2)))
        extra += rng.uniform(0.2, 1.5) * flow * anatomy.tissues[CSF]
    if rng.random() < 0.4:  # cortex brighter in some regions: insula, cingulum
        region = torch.sigmoid(3 * (smooth_field(GRID, rng.uniform(8, 20), generators) - 0.8))
        extra += rng.uniform(0, 0.4) * region * anatomy.tissues[GREY]
    return seen + extra


def _lesion_map(lesions: Tensor, lesion: float, generators: Generators) -> Tensor:
    """The intensity of lesions, uneven from one to the next; some large ones with a dark core."""
    rng = generators.host
    uneven = torch.exp(rng.uniform(0, 0.15) * smooth_field(GRID, rng.uniform(2, 8), generators))
    bright = 1 + (lesion - 1) * uneven
    if rng.random() < 0.2:
        core = ((blurred(lesions, 1.2) - 0.9) / 0.1).clamp(0, 1)
        core = core * torch.sigmoid(4 * smooth_field(GRID, 6, generators))
        bright = bright + core * (rng.uniform(0.2, 0.9) - bright)
    return bright


def blurred(image: Tensor, deviation: float) -> Tensor:
    """Gaussian blur by ``deviation`` voxels along each axis."""
    reach = max(1, round(_KERNEL * deviation))
    x = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-(x**2) / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    result = image[None, None]
    for axis in range(3):
        shape, padding = [1, 1, 1], [0, 0, 0]
        shape[axis], padding[axis] = len(kernel), reach
        result = F.conv3d(result, kernel.view(1, 1, *shape), padding=tuple(padding))
    return result[0, 0]
