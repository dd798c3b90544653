"""Images drawn from anatomies: class intensities from the T1 priors, mixed tissue, coil shading, voxel size.

The generative model is SynthSeg's (Billot et al. 2023) with the contrast held near T1, because the shipped bundle
judges T1 series: the truth is exact, and no person's image is needed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from models.physics.kspace import Corruption
from models.preprocess import Grid
from training.synthesis.anatomy import BRAIN_CENTRE
from training.synthesis.contrast import Contrast, draw_contrast
from training.synthesis.generators import Generators, Shape
from training.synthesis.labelmaps import GREY, WHITE, ClassTable
from training.synthesis.random_fields import smooth_field
from training.synthesis.scanner import Reconstruction, reconstruct


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """How one head looks: intensity ``mean`` and ``spread`` of each class (C,), and its fields.

    ``mixing``: log-amplitude of the patchy tissue outside the brain; ``shading``: log-amplitude of the coil's field;
    ``gamma``: exponent of the display curve.
    """

    mean: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    mixing: float
    shading: float
    gamma: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Field of view (start, stop in mm on the canvas, an axis each), voxel size in whole mm, reconstruction."""

    field_of_view: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    voxel_mm: tuple[int, int, int]
    reconstruction: Reconstruction


#: Class -> how far its T1 intensity lies from cortex (0) to white matter (1), from the prior means.
_WHITE_SHARE = {4: 0.62, 6: 0.53, 7: 0.44, 8: 0.88, 9: 0.74, 10: 0.32, 13: 0.53}


#: Share of training's heads whose brain has the contrast of a sequence; the others have whatever contrast.
_AS_SCANNED = 0.5


def draw_appearance(table: ClassTable, rng: np.random.Generator, *, as_scanned: bool | None = None) -> Appearance:
    """A T1 appearance: the priors widened by half, tissues in T1 order.

    ``as_scanned``: the contrast of the brain is that of a T1-weighted sequence (training/synthesis/contrast.py), and no
    display curve bends it; half of the time, if it is not said.
    """
    if as_scanned is None:
        as_scanned = bool(rng.random() < _AS_SCANNED)
    mean = rng.normal(table.mean[0], 1.5 * table.mean[1])
    spread = np.abs(rng.normal(table.spread[0], table.spread[1])) * rng.uniform(0.1, 0.6)
    contrast = draw_contrast(rng) if as_scanned else _any_contrast(mean, rng)
    white, grey, csf = mean[2], mean[2] * contrast.grey, mean[2] * contrast.csf
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
        gamma=1.0 if as_scanned else float(np.exp(rng.normal(0, 0.12))),
    )


def _any_contrast(mean: npt.NDArray[np.float64], rng: np.random.Generator) -> Contrast:
    """Grey matter, white matter and CSF in the order that T1 sequences and ages give, but wider than they are."""
    grey = float(mean[3] / mean[2])
    if not 0.4 < grey < 0.9:
        grey = rng.uniform(0.5, 0.85)
    return Contrast(grey=grey, csf=grey * rng.uniform(0.15, 0.7))


def alter_outside(classes: Tensor, table: ClassTable, rng: np.random.Generator) -> Tensor:
    """Now and then a head without its face, or without all that is not brain, as archives share them."""
    kind = rng.random()
    if kind > 0.2:
        return classes
    brain = looked_up(table.tissue, classes) >= (1 if rng.random() < 0.5 else GREY)
    if kind < 0.06:
        return classes * brain
    angle, distance = rng.uniform(0.3, 1.2), rng.uniform(55, 85)  # a plane before and below the brain
    ahead = np.cos(angle) * (torch.arange(classes.shape[1], device=classes.device) - BRAIN_CENTRE[1])
    below = np.sin(angle) * (BRAIN_CENTRE[2] - torch.arange(classes.shape[2], device=classes.device))
    kept = (ahead[:, None] + below) <= distance
    shown: Tensor = classes * (kept | brain)
    return shown


def draw_field_of_view(
    canvas: Shape, rng: np.random.Generator
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Mostly the whole canvas cut at the neck; sometimes a slab that cuts the head on any side."""
    cut = np.zeros((3, 2))
    cut[2, 0] = rng.uniform(0, 90)
    cut += rng.uniform(0, 16, (3, 2))
    if rng.random() < 0.15:
        axis, side = rng.integers(3), rng.integers(2)
        cut[axis, side] += rng.uniform(10, 60)
    return tuple((int(low) // 4 * 4, (n - int(high)) // 4 * 4) for n, (low, high) in zip(canvas, cut, strict=True))  # type: ignore[return-value]


def draw_voxel_size(rng: np.random.Generator) -> Shape:
    """2 mm mostly (fast), 1 mm, or thick slices along any axis."""
    kind = rng.random()
    if kind < 0.62:
        return (2, 2, 2)
    return (1, 1, 1) if kind < 0.75 else draw_thick_slices(rng)


def draw_thick_slices(rng: np.random.Generator, *, thinnest_mm: int = 2) -> Shape:
    """Slices of up to 5 mm along any axis, with 1 or 2 mm in the others."""
    size = [2, 2, 2] if rng.random() < 0.7 else [1, 1, 1]
    size[rng.integers(3)] = int(rng.integers(thinnest_mm, 6))
    return tuple(size)  # type: ignore[return-value]


def render(
    classes: Tensor, table: ClassTable, appearance: Appearance, protocol: Protocol, generators: Generators
) -> tuple[Tensor, Grid]:
    """The ideal image of an anatomy (uint8, 1 mm): what the coil would see without noise, on the protocol's grid."""
    cropped = cut(classes, protocol)
    voxel = protocol.voxel_mm
    image, texture, outside = (
        block_mean(looked_up(values, cropped), voxel)
        for values in (appearance.mean, appearance.spread, table.outside.astype(np.float32))
    )
    shape: Shape = tuple(image.shape)  # type: ignore[assignment]
    image = image + texture * generators.noise(shape)
    patches = smooth_field(shape, generators.host.uniform(4, 16), generators)
    image = image * (1 + outside * (torch.exp(appearance.mixing * patches) - 1))
    image = image * torch.exp(appearance.shading * smooth_field(shape, 90 / max(voxel), generators))
    return (image / 160).clamp(min=0) ** appearance.gamma, _grid(shape, protocol)


def scan(ideal: Tensor, grid: Grid, protocol: Protocol, corruptions: tuple[Corruption, ...]) -> tuple[Tensor, Grid]:
    """The stored image of an ideal one after artefacts and reconstruction, and its grid (same field of view)."""
    stored = reconstruct(ideal, corruptions, protocol.reconstruction, grid.spacing)
    step = grid.spacing * np.asarray(grid.shape) / np.asarray(stored.shape)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = grid.affine[:3, 3] - grid.spacing / 2 + step / 2
    return stored, Grid(tuple(stored.shape), affine)  # type: ignore[arg-type]


def tissue_shares(classes: Tensor, table: ClassTable, protocol: Protocol, spacing_mm: int = 2) -> tuple[Tensor, Grid]:
    """The share of each tissue in voxels of ``spacing_mm`` on the protocol's field of view: float32 (4, i, j, k)."""
    tissues = looked_up(table.tissue, cut(classes, protocol))
    voxel = (spacing_mm,) * 3
    shares = torch.stack([block_mean((tissues == tissue).float(), voxel) for tissue in range(1, WHITE + 1)])
    return torch.cat([1 - shares.sum(dim=0, keepdim=True), shares]), _grid(tuple(shares.shape[1:]), protocol, voxel)  # type: ignore[arg-type]


def cut(classes: Tensor, protocol: Protocol) -> Tensor:
    """The part of an anatomy in the protocol's field of view."""
    return classes[tuple(slice(*span) for span in protocol.field_of_view)]


def looked_up(values: npt.NDArray[np.generic], classes: Tensor) -> Tensor:
    """The value (C,) of each voxel's class."""
    table = torch.from_numpy(values).to(classes.device)
    return table.index_select(0, classes.flatten().int()).view(classes.shape)


def block_mean(voxels: Tensor, factors: Shape) -> Tensor:
    """Mean over blocks of ``factors`` voxels; a remainder at the far end is dropped."""
    return voxels if factors == (1, 1, 1) else F.avg_pool3d(voxels[None, None], factors)[0, 0]


def _grid(shape: Shape, protocol: Protocol, voxel_mm: Shape | None = None) -> Grid:
    voxel = voxel_mm or protocol.voxel_mm
    affine = np.diag([*(float(v) for v in voxel), 1.0])
    affine[:3, 3] = [
        span[0] + (v - 1) / 2 - c for span, v, c in zip(protocol.field_of_view, voxel, BRAIN_CENTRE, strict=True)
    ]
    return Grid(shape, affine)
