"""How scanners take FLAIR: mostly 2-D slices of 3 to 6 mm, some 3-D; with what goes wrong, now and then."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.physics.kspace import Corruption, Noise
from training.lesions.anatomy import GRID, SPACING_MM
from training.lesions.contrast import blurred
from training.synthesis.generators import Generators
from training.synthesis.heads import CorruptionModel
from training.synthesis.heads import draw_corruptions as _draw
from training.synthesis.random_fields import smooth_field
from training.synthesis.scanner import Reconstruction, reconstruct

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """One way of taking an image.

    ``axis`` across the slices with ``thickness_mm`` and ``step_mm`` between their centres, None for 3-D; ``first_mm``
    of the first centre; ``blur`` of the point spread, in voxels; ``kept``: first and last voxel of each axis inside
    the field of view.
    """

    axis: int | None
    thickness_mm: float
    step_mm: float
    first_mm: float
    blur: float
    shading: float
    kept: tuple[tuple[int, int], ...]
    reconstruction: Reconstruction

    @torch.no_grad()
    def take(self, ideal: Tensor, corruptions: tuple[Corruption, ...], generators: Generators) -> Tensor:
        """The stored image on voxels of 2 mm, as it is resampled for the network."""
        shaded = torch.exp(self.shading * smooth_field(GRID, 45, generators))
        image = self._sliced(blurred(ideal, self.blur) * shaded)
        spacing = [SPACING_MM] * 3
        if self.axis is not None:
            spacing[self.axis] = self.step_mm
        image = reconstruct(image, corruptions, self.reconstruction, spacing)
        return self.cut(self._resampled(image))

    @torch.no_grad()
    def share(self, shares: Tensor) -> Tensor:
        """What the slices show of a map of shares, on voxels of 2 mm."""
        return self.cut(self._resampled(self._sliced(shares)))

    def cut(self, image: Tensor) -> Tensor:
        """Nothing outside the field of view."""
        shown = torch.zeros_like(image)
        part = tuple(slice(*ends) for ends in self.kept)
        shown[part] = image[part]
        return shown

    def _sliced(self, image: Tensor) -> Tensor:
        return image if self.axis is None else _along(image, self.axis, _profile(self, GRID[self.axis]))

    def _resampled(self, image: Tensor) -> Tensor:
        return image if self.axis is None else _along(image, self.axis, _between(self, GRID[self.axis]))


def draw_scanner(rng: np.random.Generator) -> Scanner:
    """Six of ten in slices, mostly axial; a quarter with a part of the head outside the field of view."""
    thick = rng.random() < 0.6
    thickness = float(rng.uniform(2.5, 6.0))
    step = thickness * float(rng.choice([1.0, 1.0, 1.1, 1.2]))
    kept = [[0, n] for n in GRID]
    if rng.random() < 0.25:
        axis, end = (2, int(rng.integers(2))) if rng.random() < 0.7 else (int(rng.integers(3)), int(rng.integers(2)))
        kept[axis][end] += (1 - 2 * end) * int(rng.integers(4, 22))
    return Scanner(
        axis=int(rng.choice([2, 2, 2, 2, 1, 0])) if thick else None,
        thickness_mm=thickness,
        step_mm=step,
        first_mm=float(rng.uniform(0, step)),
        blur=float(rng.uniform(0.2, 0.9)),
        shading=float(rng.uniform(0, 0.25)),
        kept=tuple((first, last) for first, last in kept),
        reconstruction=Reconstruction(noise=Noise(snr_db=float(rng.uniform(17, 36)), seed=int(rng.integers(2**31)))),
    )


def corruptions_in(share: float) -> CorruptionModel:
    """What goes wrong in a ``share`` of the images: from hardly seen to beyond use."""
    return CorruptionModel(probability=share, severity=(0.05, 0.8))


def draw_corruptions(corruption_model: CorruptionModel, rng: np.random.Generator) -> tuple[Corruption, ...]:
    """What goes wrong in one image."""
    return tuple(_draw(corruption_model, rng)[0].values())


def _along(image: Tensor, axis: int, matrix: Matrix) -> Tensor:
    """A matrix (m, n) applied along one axis."""
    result: Tensor = torch.tensordot(torch.from_numpy(matrix), image, dims=([1], [axis])).movedim(0, axis).contiguous()
    return result


def _profile(scanner: Scanner, n: int) -> Matrix:
    """(slices, n): what each slice sees of each voxel; its profile is smooth at the edges."""
    places = (np.arange(n) + 0.5) * SPACING_MM
    centres = np.arange(scanner.first_mm, n * SPACING_MM, scanner.step_mm)
    offsets = (places[None] - centres[:, None]) / np.hypot(scanner.thickness_mm, SPACING_MM)
    profile = np.exp(-((2 * np.abs(offsets)) ** 4) * np.log(2))
    return np.asarray(profile / profile.sum(axis=1, keepdims=True), np.float32)


def _between(scanner: Scanner, n: int) -> Matrix:
    """(n, slices): linear interpolation between slices; a border slice holds on for half of its step."""
    places = (np.arange(n) + 0.5) * SPACING_MM
    centres = np.arange(scanner.first_mm, n * SPACING_MM, scanner.step_mm)
    index = (places - centres[0]) / scanner.step_mm
    inside = (index > -0.5) & (index < len(centres) - 0.5)
    weights = np.clip(1 - np.abs(index.clip(0, len(centres) - 1)[:, None] - np.arange(len(centres))), 0, None)
    return np.asarray(weights * inside[:, None], np.float32)
