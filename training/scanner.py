"""What a scanner does to k-space after the artefact has happened: it filters, zero-fills and stores magnitudes.

An artefact simulated on the very grid that is analysed leaves a perfect signature; one that has been through a
reconstruction does not. Training draws a reconstruction at random so that the networks cannot rely on perfection.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from models.kspace import Corruption, Image, Noise, Spectrum, acquire, magnitude


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstruction:
    """Parameters of one image reconstruction.

    ``zero_fill``: stored matrix over acquired matrix, an axis each. ``partial_fourier``: axis and the fraction of
    lines acquired. ``window``: strength of a Hann window over the radius of k-space, 0 none, 1 full. ``noise``: the
    thermal noise that every scan has. ``levels``: grey levels between zero and the 99.9th percentile.
    """

    zero_fill: tuple[float, float, float] = (1.0, 1.0, 1.0)
    partial_fourier: tuple[int, float] | None = None
    window: float = 0.0
    noise: Noise | None = None
    levels: int | None = None


def draw_reconstruction(rng: np.random.Generator) -> Reconstruction:
    """A plausible clinical reconstruction; a third of them do nothing but add thermal noise."""
    noise = Noise(snr_db=float(rng.uniform(19, 38)), seed=int(rng.integers(2**31)))
    if rng.random() < 0.34:
        return Reconstruction(noise=noise, levels=4000)
    fill = 1 + (rng.random(3) < 0.4) * rng.uniform(0, 1.0, 3)
    partial = (int(rng.integers(3)), float(rng.uniform(0.7, 1))) if rng.random() < 0.3 else None
    return Reconstruction(
        zero_fill=tuple(fill.tolist()),
        partial_fourier=partial,
        window=float(rng.uniform(0, 0.8)) if rng.random() < 0.5 else 0.0,
        noise=noise,
        levels=int(2 ** rng.uniform(8, 12)),
    )


def reconstruct(
    image: Image, corruptions: tuple[Corruption, ...], reconstruction: Reconstruction, spacing: npt.ArrayLike
) -> Image:
    """The stored image of ``image`` (float32, spacing in mm) after artefacts and reconstruction.

    Its shape is the acquired one times ``zero_fill``; it covers the same field of view.
    """
    noise = () if reconstruction.noise is None else (reconstruction.noise,)
    spectrum = acquire(image, (*corruptions, *noise), spacing)
    if reconstruction.partial_fourier:
        spectrum = _drop_edge(spectrum, *reconstruction.partial_fourier)
    if reconstruction.window:
        spectrum = spectrum * _hann(spectrum.shape, reconstruction.window)
    stored = magnitude(_zero_fill(spectrum, reconstruction.zero_fill))
    return _quantise(stored, reconstruction.levels) if reconstruction.levels else stored


def _drop_edge(spectrum: Spectrum, axis: int, fraction: float) -> Spectrum:
    kept = np.fft.fftfreq(spectrum.shape[axis]) < fraction - 0.5
    return spectrum * kept.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])


def _hann(shape: tuple[int, ...], strength: float) -> npt.NDArray[np.float32]:
    frequency = np.meshgrid(*(np.fft.fftfreq(n) for n in shape), indexing="ij", sparse=True)
    radius = 2 * np.sqrt(sum(f**2 for f in frequency))
    hann = 0.5 + 0.5 * np.cos(np.pi * np.clip(radius, 0, 1))
    window: Image = (1 - strength + strength * hann).astype(np.float32)
    return window


def _zero_fill(spectrum: Spectrum, factors: tuple[float, float, float]) -> Spectrum:
    shape = tuple(max(n, round(n * f)) for n, f in zip(spectrum.shape, factors, strict=True))
    if shape == spectrum.shape:
        return spectrum
    filled = np.zeros(shape, np.complex64)
    starts = [m // 2 - n // 2 for m, n in zip(shape, spectrum.shape, strict=True)]
    inner = tuple(slice(s, s + n) for s, n in zip(starts, spectrum.shape, strict=True))
    filled[inner] = fft.fftshift(spectrum)
    gain = np.float32(np.prod(shape) / spectrum.size)
    return fft.ifftshift(filled) * gain  # type: ignore[no-any-return]


def _quantise(image: Image, levels: int) -> Image:
    step = max(float(np.percentile(image[::2, ::2, ::2], 99.9)), 1e-6) / levels
    stored: Image = (np.rint(image / step) * step).astype(np.float32)
    return stored
