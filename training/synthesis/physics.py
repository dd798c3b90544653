"""The artefacts of models/physics in torch, on whatever device a head is made: the same parameters, the same image.

models/physics/kspace.py stays without torch, for a scanner host has none;
``tests/unit/physics/test_physics.py`` holds both together.
"""

from collections.abc import Iterable
from functools import singledispatch
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from models.physics.kspace import Blur, Corruption, Fold, LineWeights, Motion, Movement, Noise, Spike, Wrap, in_order
from training.synthesis.generators import seeded_noise


def acquire(image: Tensor, corruptions: Iterable[Corruption], spacing: npt.ArrayLike) -> Tensor:
    """k-space (complex64) of a float32 image (i, j, k), spacing in mm, after the artefacts in their order."""
    spectrum: Tensor | None = None
    for corruption in in_order(corruptions):
        if isinstance(corruption, Motion):
            spectrum = _move(image, corruption, spacing)
        else:
            spectrum = _apply(corruption, _transform(image) if spectrum is None else spectrum)
    return _transform(image) if spectrum is None else spectrum


def magnitude(spectrum: Tensor) -> Tensor:
    """The magnitude image of a k-space, float32."""
    return _back(spectrum).abs()


def weigh(spectrum: Tensor, weights: LineWeights) -> Tensor:
    """A k-space whose lines are weighted along some axes."""
    for axis, along in weights.items():
        lines = torch.from_numpy(along.astype(np.float32)).to(spectrum.device)
        spectrum = spectrum * lines.reshape([-1 if a == axis else 1 for a in range(3)])
    return spectrum


def zero_fill(spectrum: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A k-space with zeros around it up to ``shape``; its image keeps its intensities.

    Zero frequency is the first sample of each axis: the halves of an axis go to its two ends.
    """
    if spectrum.shape == shape:
        return spectrum
    filled = torch.zeros(shape, dtype=spectrum.dtype, device=spectrum.device)
    scaled = spectrum * (filled.numel() / spectrum.numel())
    halves = [(slice(0, (n + 1) // 2), slice((n + 1) // 2, n)) for n in spectrum.shape]
    ends = [(slice(0, (n + 1) // 2), slice(m - n // 2, m)) for n, m in zip(spectrum.shape, shape, strict=True)]
    for there, here in zip(product(*ends), product(*halves), strict=True):
        filled[there] = scaled[here]
    return filled


def _transform(image: Tensor) -> Tensor:
    spectrum: Tensor = torch.fft.fftn(image)
    return spectrum


def _back(spectrum: Tensor) -> Tensor:
    image: Tensor = torch.fft.ifftn(spectrum)
    return image


@singledispatch
def _apply(corruption: Corruption, _: Tensor) -> Tensor:
    raise TypeError(f"no physics for {type(corruption).__name__}: add it to training/synthesis/physics.py")


@_apply.register
def _(corruption: Noise, spectrum: Tensor) -> Tensor:
    power = spectrum.abs().square().mean() * 10 ** (-corruption.snr_db / 10)
    noise = seeded_noise(tuple(spectrum.shape), corruption.seed, spectrum.device, torch.complex64)
    return spectrum + power.sqrt() * noise


@_apply.register
def _(corruption: Spike, spectrum: Tensor) -> Tensor:
    spiked = spectrum.clone()
    phase = complex(np.exp(1j * corruption.phase))
    spiked[corruption.index(spectrum.shape)] += corruption.amplitude * phase * spectrum.abs().max()
    return spiked


@_apply.register
def _(corruption: Blur, spectrum: Tensor) -> Tensor:
    return weigh(spectrum, corruption.line_weights(spectrum.shape))


@_apply.register
def _(corruption: Wrap, spectrum: Tensor) -> Tensor:
    return weigh(spectrum, corruption.line_weights(spectrum.shape))


@_apply.register
def _(corruption: Fold, spectrum: Tensor) -> Tensor:
    image = _back(spectrum).movedim(corruption.axis, 0)
    low, width = corruption.window(image.abs().amax(dim=(1, 2)).cpu().numpy())
    slices = low + (torch.arange(len(image)) - low) % width
    folded = torch.zeros_like(image).index_add(0, slices.to(image.device), image)
    return _transform(folded.movedim(0, corruption.axis))


def _move(image: Tensor, motion: Motion, spacing: npt.ArrayLike) -> Tensor:
    """k-space of which each segment of lines saw its own pose.

    Between the voxels of an image that was zero-filled to twice its size, linear interpolation is as good as the cubic
    splines of models/physics/kspace.py between those of the image itself, and one call on any device.
    """
    moved = _transform(image)
    twice = _back(zero_fill(moved, tuple(2 * n for n in image.shape))).real[None, None]
    for movement, lines in motion.segments(image.shape, spacing):
        sampling = _sampling(movement, image.shape).to(image.device)
        points = F.affine_grid(sampling, [1, 1, *image.shape], align_corners=True)
        seen = F.grid_sample(twice, points, align_corners=True)[0, 0]
        weights = torch.from_numpy(lines).to(image.device).reshape([-1 if a == motion.axis else 1 for a in range(3)])
        moved = torch.where(weights, _transform(seen), moved)
    return moved


def _sampling(movement: Movement, shape: tuple[int, ...]) -> Tensor:
    """A movement as ``F.affine_grid`` wants it, (1, 3, 4): from -1..1 across the image to -1..1 across the doubled."""
    half = (np.asarray(shape) - 1) / 2  # voxels in one unit
    doubled = (2 * np.asarray(shape) - 1) / 2
    matrix = 2 * movement.matrix * half / doubled[:, None]
    offset = (2 * (movement.matrix @ half + movement.offset) - doubled) / doubled
    theta = np.concatenate([matrix[::-1, ::-1], offset[::-1, None]], axis=1)  # its axes are x, y, z
    return torch.from_numpy(theta.astype(np.float32))[None]
