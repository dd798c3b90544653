"""Augmented crops of slices: position, size, turn, contrast, shading, and what goes wrong in k-space, on the batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from training.cine.stacks import STRUCTURES, Stack, heart_centre, read_stacks, signed_distances

#: Side of a crop, and of the canvas that every slice is put in the middle of, in pixels.
CROP, CANVAS = 128, 352
#: Share of the crops whose neighbours are not there: a slice that is judged before the next breath-hold has none yet.
_ALONE = 0.15


class Batch(NamedTuple):
    """``image`` (B, 3, CROP, CROP): slice below, slice, slice above; ``labels`` (B, CROP, CROP); ``distances`` of 3."""

    image: Tensor
    labels: Tensor
    distances: Tensor


@dataclass(frozen=True, slots=True)
class Slices:
    """All slices on canvases: ``image`` uint8 (N, 3, S, S), ``labels`` (N, S, S), ``distances`` int8 (N, 3, S, S).

    ``centres`` (N, 2): the heart's middle in its stack.
    """

    image: Tensor
    labels: Tensor
    distances: Tensor
    centres: Tensor

    @classmethod
    def of(cls, folder: Path, patients: tuple[str, ...]) -> "Slices":
        """The slices of some patients, about the middle of their labels."""
        parts = [_canvases(stack, _middle(stack)) for stack in read_stacks(folder, patients)]
        return cls._joined(parts)

    @classmethod
    def without_labels(cls, folder: Path, patients: tuple[str, ...]) -> "Slices":
        """The slices of some patients whose labels count as unknown: all background, about where the image moves."""
        parts = []
        for patient in patients:
            stacks = [replace(stack, labels=np.zeros_like(stack.labels)) for stack in read_stacks(folder, [patient])]
            centre = np.array(heart_centre(*(stack.image for stack in stacks)))
            parts += [_canvases(stack, centre) for stack in stacks]
        return cls._joined(parts)

    @classmethod
    def _joined(cls, parts: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]]) -> "Slices":
        image, labels, distances, centres = (torch.cat([part[i] for part in parts]) for i in range(4))
        return cls(image, labels, distances, centres)


def batches(slices: Slices, batch: int, seed: int, first: int) -> Iterator[Batch]:
    """Endless batches; the same number, the same batch."""
    number = first
    while True:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        chosen = torch.randint(len(slices.labels), (batch,), generator=generator)
        yield _augmented(slices, chosen, generator)
        number += 1


def normalised(image: Tensor) -> Tensor:
    """Each crop (B, 3, H, W) by the mean and deviation of its own middle slice."""
    middle = image[:, 1].flatten(1)
    mean, deviation = middle.mean(dim=1), middle.std(dim=1) + 1e-3
    return (image - mean[:, None, None, None]) / deviation[:, None, None, None]


def _middle(stack: Stack) -> np.ndarray:
    return np.array(ndimage.center_of_mass((stack.labels > 0).any(axis=2)))


def _canvases(stack: Stack, centre: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    last = stack.image.shape[2] - 1
    scaled = np.clip(stack.image * (255 / max(float(stack.image.max()), 1e-3)), 0, 255).astype(np.uint8)
    shift = (np.array([CANVAS, CANVAS]) - scaled.shape[:2]) // 2
    images, labels, distances = [], [], []
    for k in range(last + 1):
        three = [_placed(scaled[:, :, j], 0) for j in (max(0, k - 1), k, min(last, k + 1))]
        images.append(np.stack(three))
        labels.append(_placed(stack.labels[:, :, k], 0))
        maps = (signed_distances(stack.labels[:, :, k]) * 127).astype(np.int8)
        distances.append(np.stack([_placed(one, 127) for one in maps]))
    centres = np.repeat((centre + shift)[None], last + 1, axis=0)
    stacked = (np.stack(images), np.stack(labels), np.stack(distances), centres.astype(np.float32))
    return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in stacked)  # type: ignore[return-value]


def _placed(image: np.ndarray, fill: int) -> np.ndarray:
    canvas = np.full((CANVAS, CANVAS), fill, image.dtype)
    low = [(CANVAS - n) // 2 for n in image.shape]
    canvas[low[0] : low[0] + image.shape[0], low[1] : low[1] + image.shape[1]] = image
    return canvas


def _augmented(slices: Slices, chosen: Tensor, generator: torch.Generator) -> Batch:
    grid, size = _grid(slices.centres[chosen], generator)
    image = F.grid_sample(slices.image[chosen].float(), grid, align_corners=True)
    labels = F.grid_sample(slices.labels[chosen][:, None].float(), grid, mode="nearest", align_corners=True)
    distances = F.grid_sample(slices.distances[chosen].float() / 127, grid, align_corners=True, padding_mode="border")
    distances = (distances / size[:, None, None, None]).clamp(-1, 1)
    alone = torch.rand(len(chosen), 1, 1, 1, generator=generator) < _ALONE
    image = torch.where(alone, image[:, 1:2], image)
    image = _spoilt(_toned(image, generator), generator)
    return Batch(normalised(image), labels[:, 0].long(), distances)


def _grid(centres: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Where each pixel of a crop lies on its canvas, (B, CROP, CROP, 2) in [-1, 1]; and the pixels' size."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    count = len(centres)
    size = torch.exp(uniform(-0.25, 0.25, count))
    angle = uniform(-np.pi / 4, np.pi / 4, count)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    middle = centres + uniform(-22, 22, count, 2)
    steps = torch.arange(CROP) - (CROP - 1) / 2
    x, y = torch.meshgrid(steps, steps, indexing="ij")
    cosine, sine = (size * f(angle) for f in (torch.cos, torch.sin))
    along = middle[:, 0, None, None] + cosine[:, None, None] * x - sine[:, None, None] * y * mirror[:, None, None]
    across = middle[:, 1, None, None] + sine[:, None, None] * x + cosine[:, None, None] * y * mirror[:, None, None]
    bumps = F.interpolate(1.6 * torch.randn(count, 2, 6, 6, generator=generator), CROP, mode="bicubic")
    place = torch.stack([across + bumps[:, 1], along + bumps[:, 0]], dim=-1)  # grid_sample: last axis first
    return place * (2 / (CANVAS - 1)) - 1, size


def _toned(image: Tensor, generator: torch.Generator) -> Tensor:
    """Another contrast and a coil's shading."""
    count = len(image)
    gamma = torch.exp(torch.rand(count, 1, 1, 1, generator=generator) - 0.5)
    shading = F.interpolate(0.3 * torch.randn(count, 1, 3, 3, generator=generator), CROP, mode="bicubic")
    return 255 * (image.clamp(0, 255) / 255) ** gamma * torch.exp(shading)


def _spoilt(image: Tensor, generator: torch.Generator) -> Tensor:
    """A third of the crops with ghosts, lines out of phase or a low-pass; most with some noise."""
    spectrum = torch.fft.fft2(image)
    count = len(image)
    lines = torch.fft.fftfreq(CROP)
    kind = torch.randint(9, (count,), generator=generator)
    strength = torch.rand(count, generator=generator)
    period = torch.randint(2, 6, (count,), generator=generator)
    weights = torch.ones(count, CROP, dtype=torch.complex64)
    for n in range(count):
        if kind[n] == 0:
            weights[n] = 1 - 0.5 * strength[n] * (torch.arange(CROP) % period[n] == 0)
        elif kind[n] == 1:
            weights[n] = torch.exp(1j * strength[n] * torch.randn(CROP, generator=generator))
        elif kind[n] == 2:
            weights[n] = torch.exp(-((lines / (0.1 + 0.4 * (1 - strength[n]))) ** 2)).to(torch.complex64)
    spoilt = torch.fft.ifft2(spectrum * weights[:, None, None, :])
    deviation = 0.12 * 255 * torch.rand(count, 1, 1, 1, generator=generator) ** 3
    noise = torch.view_as_complex(torch.randn(*image.shape, 2, generator=generator))
    whole: Tensor = (spoilt + deviation * noise).abs()
    return whole


CLASSES = len(STRUCTURES)
