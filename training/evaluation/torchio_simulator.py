"""A second simulator, of other hands (torchio) and on other grids, that no training ever used.

Training's own artefacts (``models/physics/kspace.py``) are made on the grid that is stored. Here the head is
interpolated to a finer grid, the artefact happens there, the magnitude is taken and interpolated to yet another grid,
and 12 bits are kept: a network that knows the signature of one simulator rather than the artefact is found out.

Sources: Perez-Garcia et al. 2021 (torchio: noise, spike, motion after Shaw et al. 2019, blur); Gudbjartsson and
Patz 1995 (Rician noise). torchio stores the real part of the image, a scanner the magnitude: so do we.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torchio
from torchio.transforms.fourier import FourierTransform

from models.physics.artefacts import Artefact
from models.physics.kspace import Image
from models.preprocess import Affine, canonical

Triple = tuple[float, float, float]

#: Grey levels of a stored image: 12 bits.
_LEVELS = 4095


class _StoresMagnitude(FourierTransform):
    """torchio's Fourier transforms, but that the magnitude is what is kept."""

    @staticmethod
    def inv_fourier_transform(tensor: torch.Tensor) -> torch.Tensor:
        return FourierTransform.inv_fourier_transform(tensor).abs()


class _Spike(_StoresMagnitude, torchio.Spike):
    """Spikes in k-space."""


class _Motion(_StoresMagnitude, torchio.Motion):
    """Rigid movement between lines along the last axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RicianNoise:
    """Gaussian noise of standard deviation ``share`` x the head's bright signal, in the real and imaginary image."""

    share: float
    seed: int

    def apply(self, image: torchio.ScalarImage) -> torchio.ScalarImage:
        """The magnitude of image plus complex noise."""
        std = self.share * _bright(_array(image))
        real = torchio.Noise(mean=0.0, std=std, seed=self.seed)(image)
        imaginary = torchio.Noise(mean=0.0, std=std, seed=self.seed + 1)(_like(image, np.zeros_like(_array(image))))
        return _like(image, np.hypot(_array(real), _array(imaginary)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spikes:
    """k-space samples raised by ``intensity`` x the largest magnitude, at ``positions`` in [0, 1) (centre 0.5)."""

    positions: tuple[Triple, ...]
    intensity: float

    def apply(self, image: torchio.ScalarImage) -> torchio.ScalarImage:
        """Stripes all over the image."""
        spiked: torchio.ScalarImage = _Spike(np.asarray(self.positions), self.intensity)(image)
        return spiked


@dataclass(frozen=True, slots=True, kw_only=True)
class ThickVoxels:
    """Voxels thicker by ``factors`` along each axis; ``gaussian``: smoothed only, else stored so and interpolated."""

    factors: Triple
    gaussian: bool

    def apply(self, image: torchio.ScalarImage) -> torchio.ScalarImage:
        """The image of that resolution on its former grid."""
        spacing = np.asarray(image.spacing)
        if self.gaussian:  # full width at half maximum = the thick voxel
            std = np.where(np.asarray(self.factors) > 1, np.asarray(self.factors) * spacing / 2.355, 0.0)
            smoothed: torchio.ScalarImage = torchio.Blur(tuple(std.tolist()))(image)
            return smoothed
        thick = torchio.Resample(tuple((spacing * self.factors).tolist()), antialias=True)(image)
        back: torchio.ScalarImage = torchio.Resample(image)(thick)
        return back


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldOver:
    """A field of view of ``share`` of the head's extent along ``axis``; ``place`` in [0, 1]: where in the head it lies.

    What lies outside the window is added on its opposite side. ``padded``: the matrix keeps its size with zeros
    outside the window, else the window is all that is stored; both occur.
    """

    axis: int
    share: float
    place: float
    padded: bool

    def apply(self, image: torchio.ScalarImage) -> torchio.ScalarImage:
        """The folded image; its sum is that of the image."""
        voxels = np.moveaxis(_array(image), self.axis, 0)
        low, width = self._window(voxels)
        folded = np.zeros((width, *voxels.shape[1:]), np.float32)
        np.add.at(folded, (np.arange(len(voxels)) - low) % width, voxels)
        if self.padded:
            whole = np.zeros_like(voxels)
            whole[low : low + width] = folded
            return _like(image, np.moveaxis(whole, 0, self.axis))
        affine = image.affine.copy()
        affine[:3, 3] += affine[:3, self.axis] * low
        stored = np.ascontiguousarray(np.moveaxis(folded, 0, self.axis))
        return _image(stored, affine)

    def _window(self, voxels: Image) -> tuple[int, int]:
        """First slice and number of slices of the window along axis 0."""
        profile = np.flatnonzero(voxels.max(axis=(1, 2)) > 0.2 * _bright(voxels))
        first, extent = int(profile[0]), int(np.ptp(profile)) + 1
        width = max(1, round(self.share * extent))
        return first + round(self.place * (extent - width)), width


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """torchio's motion with the phase-encoding direction along ``axis``; at ``times`` (fractions of the scan)."""

    axis: int
    times: tuple[float, ...]
    degrees: tuple[Triple, ...]
    millimetres: tuple[Triple, ...]

    def apply(self, image: torchio.ScalarImage) -> torchio.ScalarImage:
        """Ghosts and smearing; the pose at the centre of k-space stays."""
        order = [a for a in range(3) if a != self.axis] + [self.axis]  # torchio encodes along the last
        turned = _image(_array(image).transpose(order), np.diag([*(image.spacing[a] for a in order), 1.0]))
        motion = _Motion(self.degrees, self.millimetres, self.times, image_interpolation="linear")  # type: ignore[arg-type]
        return _like(image, _array(motion(turned)).transpose(np.argsort(order)))


Corruption = RicianNoise | Spikes | ThickVoxels | FoldOver | Movement


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondScan:
    """One scan: voxel sizes in mm on which the artefact happens and on which the image is stored, and the artefact."""

    acquired_mm: float
    stored_mm: Triple
    corruption: Corruption | None = None

    def apply(self, voxels: Image, affine: Affine) -> tuple[Image, Affine]:
        """The stored image, float32 whole numbers from 0 to 4095, of a head (i, j, k), and its affine (4, 4).

        Interpolation is by cubic splines; what they leave below zero is zero.
        """
        turned, turned_affine = canonical(voxels, affine)
        acquired = _spline(_image(turned, turned_affine), (self.acquired_mm,) * 3)
        stored = _spline(self.corruption.apply(acquired) if self.corruption else acquired, self.stored_mm)
        array = _array(stored)
        scaled: Image = np.rint(array * (_LEVELS / max(float(array.max()), 1e-6))).astype(np.float32)
        return scaled, np.asarray(stored.affine, float)


def draw_scan(artefact: Artefact | None, severity: float, rng: np.random.Generator) -> SecondScan:
    """Random grids, and random parameters of one artefact at ``severity``; 0.1 is barely seen, 1 is awful."""
    stored = rng.uniform(1.0, 2.0, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(1.0, 2.0))
    acquired = float(rng.uniform(1.3, 1.7))
    corruption = _DRAWERS[artefact](severity, rng) if artefact and severity > 0 else None
    return SecondScan(acquired_mm=acquired, stored_mm=_triple(stored), corruption=corruption)


def _draw_noise(severity: float, rng: np.random.Generator) -> RicianNoise:
    """2 % of the bright signal at severity 0.1, 60 % at 1."""
    return RicianNoise(share=0.015 * 40**severity, seed=int(rng.integers(2**31 - 1)))


def _draw_spikes(severity: float, rng: np.random.Generator) -> Spikes:
    """One to three spikes, 0.27 times the largest sample of k-space at severity 0.1, 4 times at 1, in all."""
    count = int(rng.integers(1, 4))
    offsets = rng.uniform(0.03, 0.45, (count, 3)) * rng.choice((-1, 1), (count, 3))
    positions = tuple(_triple(0.5 + offset) for offset in offsets)
    return Spikes(positions=positions, intensity=0.2 * 20**severity / np.sqrt(count))


def _draw_thick(severity: float, rng: np.random.Generator) -> ThickVoxels:
    """Voxels 1.4 times as thick at severity 0.1, 7 times at 1, along one to three axes."""
    axes = rng.permutation(3)[: rng.integers(1, 4)]
    factors = np.where(np.isin(np.arange(3), axes), 1.15 * 6**severity, 1.0)
    return ThickVoxels(factors=_triple(factors), gaussian=bool(rng.integers(2)))


def _draw_fold(severity: float, rng: np.random.Generator) -> FoldOver:
    """4 % of the head lies outside at severity 0.1, 40 % at 1, on both sides."""
    place = float(rng.uniform(0.25, 0.75))
    axis, padded = int(rng.integers(3)), bool(rng.integers(2))
    return FoldOver(axis=axis, share=1 - 0.4 * severity, place=place, padded=padded)


def _draw_movement(severity: float, rng: np.random.Generator) -> Movement:
    """One to four movements of up to 10 degrees and 8 mm an axis at severity 1."""
    count = int(rng.integers(1, 5))
    step = 1 / (count + 1)
    times = step * np.arange(1, count + 1) + rng.uniform(-0.3, 0.3, count) * step
    return Movement(
        axis=int(rng.integers(3)),
        times=tuple(times.tolist()),
        degrees=tuple(_triple(d) for d in rng.uniform(-10, 10, (count, 3)) * severity),
        millimetres=tuple(_triple(t) for t in rng.uniform(-8, 8, (count, 3)) * severity),
    )


_DRAWERS: dict[Artefact, Callable[[float, np.random.Generator], Corruption]] = {
    Artefact.NOISE: _draw_noise,
    Artefact.SPIKE: _draw_spikes,
    Artefact.BLUR: _draw_thick,
    Artefact.WRAP: _draw_fold,
    Artefact.MOTION: _draw_movement,
}


def _spline(image: torchio.ScalarImage, spacing_mm: Triple) -> torchio.ScalarImage:
    resampled = torchio.Resample(spacing_mm, image_interpolation="bspline", antialias=True)(image)
    return _like(resampled, np.clip(_array(resampled), 0, None))


def _like(image: torchio.ScalarImage, voxels: npt.NDArray[np.floating]) -> torchio.ScalarImage:
    return _image(voxels, image.affine)


def _image(voxels: npt.NDArray[np.floating], affine: Affine) -> torchio.ScalarImage:
    tensor = torch.from_numpy(np.ascontiguousarray(voxels, np.float32))[None]
    return torchio.ScalarImage(tensor=tensor, affine=affine)  # type: ignore[no-untyped-call]


def _array(image: torchio.ScalarImage) -> Image:
    return np.asarray(image.data[0].numpy(), np.float32)


def _bright(voxels: Image) -> float:
    """The head's bright signal: the 95th percentile of what is above a tenth of the 99th."""
    above = voxels[voxels > 0.1 * np.percentile(voxels, 99)]
    return float(np.percentile(above, 95)) if above.size else 1.0


def _triple(values: npt.NDArray[np.floating]) -> Triple:
    first, second, third = values.tolist()
    return first, second, third
