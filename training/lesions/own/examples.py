"""Windows of people as a network is trained on them: moved, mirrored, in other contrasts, now and then spoilt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.physics.kspace import Noise
from training.lesions.anatomy import SPACING_MM
from training.lesions.examples import BRIGHTEST, Example, scaled
from training.lesions.own.windows import Window, read_window
from training.lesions.scans import draw_corruptions
from training.synthesis.anatomy import Deformation, matrix_of
from training.synthesis.generators import Generators, Shape, generators_of
from training.synthesis.heads import CorruptionModel
from training.synthesis.labelmaps import GREY
from training.synthesis.random_fields import smooth_field
from training.synthesis.scanner import Reconstruction, reconstruct

#: How often noise is added to an image that has its own.
_NOISY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnStream:
    """Examples by number: the same number, the same example; every window comes once before one comes again.

    ``windows``: files; ``box``: the sides of what is cut; ``corruption_model``: what goes wrong.
    """

    windows: Sequence[Path]
    seed: int
    box: Shape
    corruption_model: CorruptionModel

    def examples(self, first: int) -> Iterator[Example]:
        """The examples of step ``first``, ``first + 1`` ..."""
        number = first
        while True:
            yield self.example(number)
            number += 1

    def example(self, number: int) -> Example:
        """Example ``number``."""
        lap, place = divmod(number, len(self.windows))
        order = np.random.default_rng((self.seed, 6, lap)).permutation(len(self.windows))
        generators = generators_of(self.seed, 7, number)
        window = read_window(self.windows[int(order[place])])
        return draw_example(window, draw_movement(generators.host), self.corruption_model, self.box, generators)


def draw_movement(rng: np.random.Generator) -> Deformation:
    """Turned by some degrees, 0.88 to 1.12 of its size, bent by up to 2 mm, every second one mirrored."""
    overall = rng.uniform(0.92, 1.08)
    return Deformation(
        degrees=tuple(rng.normal(0, 4, 3).tolist()),
        scales=tuple((overall * rng.uniform(0.96, 1.04, 3)).tolist()),
        bend_mm=float(rng.uniform(0, 2)),
        mirrored=bool(rng.random() < 0.5),
        seed=int(rng.integers(2**31)),
    )


@torch.no_grad()
def draw_example(
    window: Window, movement: Deformation, corruption_model: CorruptionModel, box: Shape, generators: Generators
) -> Example:
    """One image of a person, with what is lesion and what is tissue in it."""
    layers = torch.from_numpy(np.concatenate([window.image[None], window.lesions[None], window.tissues]))
    image, lesions, *tissues = moved(layers, movement, box)
    none = (1 - sum(tissues, torch.zeros(box))).clamp(min=0)
    shares = torch.stack([none, *tissues])
    shown = _taken(_toned(image, generators), corruption_model, generators)
    shown = scaled(shown, shares[GREY:].sum(dim=0) > 0.5) * float(generators.host.uniform(0.9, 1.1))
    return Example(
        images=shown.clamp(0, BRIGHTEST)[None, None].contiguous(),
        lesions=lesions.clamp(0, 1)[None, None].contiguous(),
        tissues=shares[None].contiguous(),
    )


def moved(layers: Tensor, movement: Deformation, box: Shape) -> Tensor:
    """All ``layers`` (C, D, H, W) by one movement about their middle, cut to ``box``: linear, zero from outside."""
    generators = generators_of(movement.seed)
    matrix = torch.from_numpy(matrix_of(movement))
    axes = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in box]
    shift = generators.host.uniform(-4, 4, 3)
    places = torch.einsum("ab,bijk->aijk", matrix, torch.stack(torch.meshgrid(*axes, indexing="ij")))
    for axis in range(3):
        bend = smooth_field(box, 16, generators) + smooth_field(box, 32, generators)
        places[axis] += movement.bend_mm / SPACING_MM * bend + float(shift[axis])
    halves = torch.tensor([(n - 1) / 2 for n in layers.shape[1:]]).view(3, 1, 1, 1)
    sampled = (places / halves).flip(0).movedim(0, -1)  # from -1 to 1; its axes are x, y, z
    return F.grid_sample(layers[None], sampled[None], align_corners=True)[0]


def _toned(image: Tensor, generators: Generators) -> Tensor:
    """Another contrast about white matter's 1, and another coil."""
    rng, shape = generators.host, tuple(image.shape)
    toned = image.clamp(min=0) ** float(np.exp(rng.uniform(-0.25, 0.25)))
    return toned * torch.exp(float(rng.uniform(0, 0.2)) * smooth_field(shape, 45, generators))  # type: ignore[arg-type]


def _taken(image: Tensor, corruption_model: CorruptionModel, generators: Generators) -> Tensor:
    """With what goes wrong, and noise."""
    rng = generators.host
    corruptions = draw_corruptions(corruption_model, rng)
    noise = Noise(snr_db=float(rng.uniform(18, 36)), seed=int(rng.integers(2**31))) if rng.random() < _NOISY else None
    if noise is None and not corruptions:
        return image
    return reconstruct(image, corruptions, Reconstruction(noise=noise), [SPACING_MM] * 3)
