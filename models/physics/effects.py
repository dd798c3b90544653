"""Further physical models of the artefacts of ``kspace.py``: what happens to k-space, one effect a class.

An artefact that is known from one simulator is known by that simulator's signature; each effect here makes one of the
five by another mechanism. k-space is the unshifted 3D FFT, as in ``models/physics/kspace.py``; images are magnitudes.

Sources: Zhou et al. 1993 and Qin 2012 (T2 decay as a filter of k-space); Wood and Henkelman 1985 (ghosts of periodic
motion); Pruessmann et al. 1999 (g-factor noise); Graves and Mitchell 2013 (spikes, fold-over).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import zoom

from models.physics.kspace import Blur, Image, Motion, Noise, Spectrum, magnitude


class Effect(Protocol):
    """What happens to k-space."""

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """The complex64 (i, j, k) k-space after it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ColouredNoise:
    """Complex Gaussian noise whose power falls or rises with frequency as |k| ** ``exponent``, at ``snr_db``."""

    snr_db: float
    exponent: float
    seed: int

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Add it."""
        white = Noise(snr_db=self.snr_db, seed=self.seed).apply(spectrum) - spectrum
        weight = np.maximum(_radius(spectrum.shape), 0.02) ** (self.exponent / 2)
        weight /= np.sqrt(np.mean(weight**2))
        return spectrum + white * weight.astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class GFactorNoise:
    """Noise of parallel imaging: its deviation grows towards the middle along ``axis``, up to ``gain`` times."""

    snr_db: float
    axis: int
    gain: float
    seed: int

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Add it in the image, where its deviation is known."""
        white = Noise(snr_db=self.snr_db, seed=self.seed).apply(spectrum) - spectrum
        place = np.linspace(-1, 1, spectrum.shape[self.axis])
        deviation = 1 + (self.gain - 1) * np.exp(-((place / 0.4) ** 2))
        deviation /= np.sqrt(np.mean(deviation**2))
        noise = fft.ifftn(white, workers=1) * _along(deviation, self.axis)
        added: Spectrum = fft.fftn(noise.astype(np.complex64), workers=1)
        return spectrum + added


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSpike:
    """A readout line raised as a whole: a spark that lasts. ``positions``: the line's place on the two other axes."""

    axis: int
    positions: tuple[float, float]
    amplitude: float
    seed: int

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Add random samples of magnitude ``amplitude`` x the largest, spread over the line."""
        spiked = np.moveaxis(spectrum.copy(), self.axis, 0)
        i, j = (round(p * n) % n for p, n in zip(self.positions, spiked.shape[1:], strict=True))
        phases = np.random.default_rng(self.seed).uniform(0, 2 * np.pi, len(spiked))
        height = self.amplitude * float(np.abs(spectrum).max()) / np.sqrt(len(spiked))
        spiked[:, i, j] += (height * np.exp(1j * phases)).astype(np.complex64)
        return np.moveaxis(spiked, 0, self.axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decay:
    """Signal that decays while lines are read: a weight exp(-``strength`` t) along ``axis``, t from 0 to 1.

    ``centric``: the centre of k-space is read first and the edges last, else from one edge to the other.
    """

    axis: int
    strength: float
    centric: bool

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Weigh the lines; the centre keeps its weight."""
        frequency = fft.fftfreq(spectrum.shape[self.axis])
        time = np.abs(frequency) * 2 if self.centric else frequency
        return spectrum * _along(np.exp(-self.strength * time), self.axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpolated:
    """Larger voxels by averaging, then interpolated back to the grid by a straight line, as a viewer does."""

    factors: tuple[float, float, float]

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """k-space of the interpolated magnitude image."""
        image = magnitude(Blur(factors=self.factors).apply(spectrum))
        small = zoom(image, [1 / f for f in self.factors], order=1, grid_mode=True, mode="nearest")
        back = zoom(small, [n / m for n, m in zip(image.shape, small.shape, strict=True)], order=1)
        return fft.fftn(back.astype(np.complex64), workers=1)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingLines:
    """Lines along ``axis`` missing at random, the more the farther out: what a compressed reconstruction left.

    ``dropped``: the share that is missing at the edge of k-space.
    """

    axis: int
    dropped: float
    seed: int

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Zero the missing lines; the centre stays."""
        frequency = np.abs(fft.fftfreq(spectrum.shape[self.axis])) * 2
        kept = np.random.default_rng(self.seed).random(frequency.size) >= self.dropped * np.sqrt(frequency)
        return spectrum * _along(kept, self.axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodicPhase:
    """Breathing or pulsation: lines along ``axis`` change in phase and size with a period of the scan.

    ``cycles`` of it in the whole scan; ``phase`` in radians and ``size`` as a share, each its amplitude.
    """

    axis: int
    cycles: float
    phase: float
    size: float

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Ghosts at a distance of ``cycles`` voxels along the axis."""
        time = fft.fftfreq(spectrum.shape[self.axis]) + 0.5
        wave = np.sin(2 * np.pi * self.cycles * time)
        return spectrum * _along((1 + self.size * wave) * np.exp(1j * self.phase * wave), self.axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePhase:
    """A random phase of each line along ``axis``, of deviation ``phase`` in radians; the centre keeps its own."""

    axis: int
    phase: float
    seed: int

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Turn each line; smearing along the axis."""
        lines = spectrum.shape[self.axis]
        turned = self.phase * np.random.default_rng(self.seed).standard_normal((lines,))
        turned[0] = 0.0
        return spectrum * _along(np.exp(1j * turned), self.axis)


def spoil(image: Image, effects: tuple[Effect | Motion, ...], spacing: npt.ArrayLike) -> Image:
    """The magnitude image of float32 ``image`` (i, j, k), ``spacing`` in mm, after the effects in their order.

    A motion comes first: it needs the image itself.
    """
    spectrum: Spectrum | None = None
    for effect in effects:
        if isinstance(effect, Motion):
            spectrum = effect.apply(image, spacing)
        else:
            spectrum = effect.apply(fft.fftn(image.astype(np.complex64), workers=1) if spectrum is None else spectrum)
    return image if spectrum is None else magnitude(spectrum)


def _radius(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """|k| in cycles per voxel of every sample."""
    axes = [fft.fftfreq(n).reshape([-1 if a == axis else 1 for a in range(3)]) for axis, n in enumerate(shape)]
    return np.asarray(np.sqrt(sum(f**2 for f in axes)))


def _along(weights: npt.ArrayLike, axis: int) -> npt.NDArray[np.complex64]:
    """The weights (lines,) of the lines along ``axis``, to multiply a k-space with."""
    return np.asarray(weights).astype(np.complex64).reshape([-1 if a == axis else 1 for a in range(3)])
