"""Which part of each voxel is lesion: bands about the ventricles, single lesions in the white matter, people's own.

The load is drawn first, log-uniform from 0.3 to 60 mL, one head of ten without any; a load that only large masks fill
teaches a network to call too much.
"""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from training.lesions.anatomy import GRID, SPACING_MM, Anatomy
from training.synthesis.generators import Generators
from training.synthesis.random_fields import smooth_field

_VOXEL_ML = SPACING_MM**3 / 1000
_LOADS_ML = (0.3, 60.0)
_NONE = 0.1
#: Least share of a voxel that belongs to a lesion when lesions are told apart.
_PIECE = 0.2


def draw_load_ml(rng: np.random.Generator) -> float:
    """The volume that a head's lesions are to have, 0 in one of ten."""
    return 0.0 if rng.random() < _NONE else float(np.exp(rng.uniform(*np.log(_LOADS_ML))))


@torch.no_grad()
def draw_lesions(anatomy: Anatomy, load_ml: float, generators: Generators) -> Tensor:
    """The share of lesion in each voxel, float32, of about ``load_ml`` in all."""
    lesions = torch.zeros(GRID)
    if load_ml == 0:
        return lesions
    rng = generators.host
    parts = rng.dirichlet((1.2, 0.9, 0.8))
    if load_ml < 2.0 and rng.random() < 0.5:  # a small load is often a few spots and nothing else
        parts = np.array([0.0, 1.0, 0.0])
    for part, draw in zip(parts, (_bands, _spots, _pasted), strict=True):
        if part * load_ml > 0.05:
            lesions = torch.maximum(lesions, draw(anatomy, part * load_ml, generators))
    if (rest := load_ml - volume_ml(lesions)) > 0.1:
        lesions = torch.maximum(lesions, _spots(anatomy, rest, generators))
    return lesions


def volume_ml(shares: Tensor) -> float:
    """The volume of a map of shares."""
    return float(shares.sum()) * _VOXEL_ML


def _bands(anatomy: Anatomy, volume: float, generators: Generators) -> Tensor:
    """White matter near the ventricles, nearer or farther by smooth fields: caps, rims, and what grows out of them."""
    wide, narrow = generators.host.uniform(8, 16), generators.host.uniform(2.5, 5)
    field = 0.6 * smooth_field(GRID, wide, generators) + 0.4 * smooth_field(GRID, narrow, generators)
    return _grown(anatomy.from_ventricles / (1 + field).clamp(min=0.15), anatomy.home, volume)


def _grown(cost: Tensor, home: Tensor, volume: float) -> Tensor:
    """The voxels of least cost (in mm) that make up the volume, with a border of a voxel's width."""
    near = (cost < 30) & (home > 0.05)
    order, index = cost[near].sort()
    filled = home[near][index].cumsum(0) * _VOXEL_ML
    place = int((filled < volume).sum())
    if not len(order) or place == 0:
        return torch.zeros_like(home)
    reach = order[min(place, len(order) - 1)]
    return ((reach - cost) / SPACING_MM + 0.5).clamp(0, 1) * home


def _spots(anatomy: Anatomy, volume: float, generators: Generators) -> Tensor:
    """Ellipsoids with uneven borders, from 1 mm of radius on, deep or beneath the cortex."""
    rng, lesions = generators.host, torch.zeros(GRID)
    deep = anatomy.from_cortex.clamp(0, 8) / 8 + 0.1
    weight = (anatomy.home > 0.6) * (deep if rng.random() < 0.7 else 1.1 - deep)
    places = weight.flatten().nonzero()[:, 0]
    if not len(places):
        return lesions
    chances = weight.flatten()[places].double().numpy()
    uneven = smooth_field(GRID, rng.uniform(2, 4), generators)
    largest = min(7.0, 1.2 + (80 * volume) ** (1 / 3))
    made, spread = 0.0, np.log(largest / 1.1)
    for place in rng.choice(places.numpy(), min(200, len(places)), p=chances / chances.sum()):
        if made >= volume:
            break
        radius = float(1.1 * np.exp(rng.uniform(0, spread)))
        part, spot = _spot(uneven, np.unravel_index(place, GRID), radius, rng)
        before = float(lesions[part].sum())
        lesions[part] = torch.maximum(lesions[part], spot * anatomy.home[part])
        made += (float(lesions[part].sum()) - before) * _VOXEL_ML
    return lesions


def _spot(
    uneven: Tensor, place: tuple[np.intp, ...], radius: float, rng: np.random.Generator
) -> tuple[tuple[slice, ...], Tensor]:
    """One ellipsoid of a mean ``radius`` in mm about a voxel: a part of the grid, and its share of each voxel there."""
    reach = int(np.ceil(2 * radius / SPACING_MM)) + 1
    part = tuple(slice(max(0, int(p) - reach), min(n, int(p) + reach + 1)) for p, n in zip(place, GRID, strict=True))
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    shape = turn @ np.diag(np.exp(-2 * rng.normal(0, 0.3, 3))) @ turn.T
    offset = rng.uniform(-0.5, 0.5, 3)
    axes = [(np.arange(s.start, s.stop) - int(p) + o) * SPACING_MM for s, p, o in zip(part, place, offset, strict=True)]
    x = np.stack(np.meshgrid(*axes, indexing="ij"))
    squared = np.einsum("aijk,ab,bijk->ijk", x, shape, x).astype(np.float32)
    distance = torch.from_numpy(np.sqrt(squared)) * (1 + 0.2 * uneven[part])
    return part, ((radius - distance) / SPACING_MM + 0.5).clamp(0, 1)


def _pasted(anatomy: Anatomy, volume: float, generators: Generators) -> Tensor:
    """The lesions of one or two people, as many of them as make up the volume."""
    rng = generators.host
    count = min(int(rng.integers(1, 3)), anatomy.atlas.masks)
    people = rng.choice(anatomy.atlas.masks, count, replace=False)
    shares = torch.stack([anatomy.earlier_lesions(int(person)) for person in people]).amax(dim=0)
    if volume_ml(shares) <= volume:
        return shares
    pieces, count = ndimage.label(shares.numpy() > _PIECE, np.ones((3, 3, 3)))
    sizes = ndimage.sum_labels(shares.numpy(), pieces, np.arange(1, count + 1)) * _VOXEL_ML
    kept, total = np.zeros(count + 1, np.float32), 0.0
    for piece in rng.permutation(count):
        if total + sizes[piece] <= 1.2 * volume:
            kept[piece + 1], total = 1.0, total + sizes[piece]
    return shares * torch.from_numpy(kept[pieces])
