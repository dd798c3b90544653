"""Images drawn from anatomies: class intensities from the T1 priors, mixed tissue, coil shading, voxel size.

The generative model is SynthSeg's (Billot et al. 2023) with the contrast held near T1, because the shipped bundle
judges T1 series: the truth is exact, and no person's image is needed.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from models.kspace import Corruption, Image
from models.preprocess import Grid
from training.anatomy import BRAIN_CENTRE
from training.fields import smooth_field
from training.labelmaps import GREY, WHITE, Classes, ClassTable
from training.scanner import Reconstruction, reconstruct

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """How one head looks: intensity ``mean`` and ``spread`` of each class (C,), and its fields.

    ``mixing``: log-amplitude of the patchy tissue outside the brain; ``shading``: log-amplitude of the coil's field;
    ``gamma``: exponent of the display curve; ``seed`` draws the fields.
    """

    mean: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    mixing: float
    shading: float
    gamma: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Field of view (start, stop in mm on the canvas, an axis each), voxel size in whole mm, reconstruction."""

    field_of_view: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    voxel_mm: tuple[int, int, int]
    reconstruction: Reconstruction


#: Class -> how far its T1 intensity lies from cortex (0) to white matter (1), from the prior means.
_WHITE_SHARE = {4: 0.62, 6: 0.53, 7: 0.44, 8: 0.88, 9: 0.74, 10: 0.32, 13: 0.53}


def draw_appearance(table: ClassTable, rng: np.random.Generator) -> Appearance:
    """A T1 appearance: the priors widened by half, tissues in T1 order."""
    mean = rng.normal(table.mean[0], 1.5 * table.mean[1])
    spread = np.abs(rng.normal(table.spread[0], table.spread[1])) * rng.uniform(0.1, 0.6)
    grey, white, csf = _tissue_contrast(mean, rng)
    mean[[3, 5]] = grey, grey * rng.uniform(0.85, 1.1)
    for deep, share in _WHITE_SHARE.items():  # nuclei and fibre tracts lie between cortex and white matter
        mean[deep] = grey + (share + rng.normal(0, 0.15)) * (white - grey)
    mean[1] = csf
    mean[0] = rng.uniform(0, 6)
    return Appearance(
        mean=np.clip(mean, 0, None).astype(np.float32),
        spread=spread.astype(np.float32),
        mixing=float(rng.uniform(0.05, 0.5)),
        shading=float(rng.uniform(0.02, 0.3)),
        gamma=float(np.exp(rng.normal(0, 0.12))),
        seed=int(rng.integers(2**31)),
    )


def _tissue_contrast(mean: npt.NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float, float]:
    """Grey matter, white matter and CSF in the order that T1 sequences and ages give."""
    grey, white = float(mean[3]), float(mean[2])
    if not 0.4 < grey / white < 0.9:
        grey = white * rng.uniform(0.5, 0.85)
    return grey, white, grey * rng.uniform(0.15, 0.7)


def alter_outside(classes: Classes, table: ClassTable, rng: np.random.Generator) -> Classes:
    """Now and then a head without its face, or without all that is not brain, as archives share them."""
    kind = rng.random()
    if kind > 0.2:
        return classes
    brain = table.tissue[classes] >= (1 if rng.random() < 0.5 else GREY)
    if kind < 0.06:
        return np.where(brain, classes, 0).astype(np.uint8)
    angle, distance = rng.uniform(0.3, 1.2), rng.uniform(55, 85)  # a plane before and below the brain
    ahead = np.cos(angle) * (np.arange(classes.shape[1]) - BRAIN_CENTRE[1])
    below = np.sin(angle) * (BRAIN_CENTRE[2] - np.arange(classes.shape[2]))
    removed = (ahead[:, None] + below) > distance
    return np.where(removed & ~brain, 0, classes).astype(np.uint8)


def draw_field_of_view(
    canvas: tuple[int, int, int], rng: np.random.Generator
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Mostly the whole canvas cut at the neck; sometimes a slab that cuts the head on any side."""
    cut = np.zeros((3, 2))
    cut[2, 0] = rng.uniform(0, 90)
    cut += rng.uniform(0, 16, (3, 2))
    if rng.random() < 0.15:
        axis, side = rng.integers(3), rng.integers(2)
        cut[axis, side] += rng.uniform(10, 60)
    return tuple((int(low) // 4 * 4, (n - int(high)) // 4 * 4) for n, (low, high) in zip(canvas, cut, strict=True))  # type: ignore[return-value]


def draw_voxel_size(rng: np.random.Generator) -> tuple[int, int, int]:
    """2 mm mostly (fast), 1 mm, or thick slices along any axis."""
    kind = rng.random()
    if kind < 0.62:
        return (2, 2, 2)
    if kind < 0.75:
        return (1, 1, 1)
    size = [2, 2, 2] if rng.random() < 0.7 else [1, 1, 1]
    size[rng.integers(3)] = int(rng.integers(2, 6))
    return tuple(size)  # type: ignore[return-value]


def render(classes: Classes, table: ClassTable, appearance: Appearance, protocol: Protocol) -> tuple[Image, Grid]:
    """The ideal image of an anatomy (uint8, 1 mm): what the coil would see without noise, on the protocol's grid."""
    cropped = classes[tuple(slice(*span) for span in protocol.field_of_view)]
    voxel = protocol.voxel_mm
    rng = np.random.default_rng(appearance.seed)
    image = block_mean(appearance.mean[cropped], voxel)
    texture = block_mean(appearance.spread[cropped], voxel)
    outside = block_mean(table.outside.astype(np.float32)[cropped], voxel)
    image += texture * rng.standard_normal(image.shape, np.float32)
    patches = smooth_field(image.shape, rng.uniform(4, 16), rng)
    image *= 1 + outside * (np.exp(appearance.mixing * patches) - 1)
    image *= np.exp(appearance.shading * smooth_field(image.shape, 90 / max(voxel), rng))
    curved: Image = (np.clip(image / 160, 0, None) ** appearance.gamma).astype(np.float32)
    return curved, _grid(curved.shape, protocol)


def scan(ideal: Image, grid: Grid, protocol: Protocol, corruptions: tuple[Corruption, ...]) -> tuple[Image, Grid]:
    """The stored image of an ideal one after artefacts and reconstruction, and its grid (same field of view)."""
    stored = reconstruct(ideal, corruptions, protocol.reconstruction, grid.spacing)
    step = grid.spacing * np.asarray(grid.shape) / np.asarray(stored.shape)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = grid.affine[:3, 3] - grid.spacing / 2 + step / 2
    return stored, Grid(stored.shape, affine)


def tissue_labels(classes: Classes, table: ClassTable, protocol: Protocol, spacing_mm: int = 2) -> tuple[Labels, Grid]:
    """The tissue with the largest share of each voxel of ``spacing_mm``, on the protocol's field of view."""
    tissues = table.tissue[classes[tuple(slice(*span) for span in protocol.field_of_view)]]
    voxel = (spacing_mm,) * 3
    shares = np.stack([block_mean((tissues == t).astype(np.uint8), voxel) for t in range(WHITE + 1)])
    labels = shares.argmax(axis=0).astype(np.uint8)
    affine = np.diag([float(spacing_mm)] * 3 + [1.0])
    affine[:3, 3] = [s[0] + (spacing_mm - 1) / 2 - c for s, c in zip(protocol.field_of_view, BRAIN_CENTRE, strict=True)]
    return labels, Grid(labels.shape, affine)


def block_mean(voxels: npt.NDArray[np.generic], factors: tuple[int, int, int]) -> Image:
    """Mean over blocks of ``factors`` voxels; a remainder at the far end is dropped."""
    shape = tuple(n // f for n, f in zip(voxels.shape, factors, strict=True))
    total = np.zeros(shape, np.float32)
    for offset in product(*(range(f) for f in factors)):
        total += voxels[tuple(slice(o, o + n * f, f) for o, n, f in zip(offset, shape, factors, strict=True))]
    total /= np.float32(np.prod(factors))
    return total


def brain_mask(labels: Labels) -> npt.NDArray[np.bool_]:
    """Grey and white matter: what locates the head."""
    return labels >= GREY


def _grid(shape: tuple[int, ...], protocol: Protocol) -> Grid:
    affine = np.diag([*(float(v) for v in protocol.voxel_mm), 1.0])
    affine[:3, 3] = [
        span[0] + (v - 1) / 2 - c
        for span, v, c in zip(protocol.field_of_view, protocol.voxel_mm, BRAIN_CENTRE, strict=True)
    ]
    return Grid(shape, affine)  # type: ignore[arg-type]
