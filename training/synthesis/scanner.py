"""What a scanner does to k-space after the artefact has happened: it filters, zero-fills and stores magnitudes.

An artefact simulated on the very grid that is analysed leaves a perfect signature; one that has been through a
reconstruction does not. Training draws a reconstruction at random so that the networks cannot rely on perfection.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.physics.kspace import Corruption, Noise
from training.synthesis.physics import acquire, magnitude, weigh, zero_fill


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
    image: Tensor, corruptions: tuple[Corruption, ...], reconstruction: Reconstruction, spacing: npt.ArrayLike
) -> Tensor:
    """The stored image of ``image`` (float32, spacing in mm) after artefacts and reconstruction.

    Its shape is the acquired one times ``zero_fill``; it covers the same field of view.
    """
    noise = () if reconstruction.noise is None else (reconstruction.noise,)
    spectrum = acquire(image, (*corruptions, *noise), spacing)
    if reconstruction.partial_fourier:
        axis, fraction = reconstruction.partial_fourier
        spectrum = weigh(spectrum, {axis: np.fft.fftfreq(spectrum.shape[axis]) < fraction - 0.5})
    if reconstruction.window:
        spectrum = spectrum * _hann(spectrum, reconstruction.window)
    shape = tuple(max(n, round(n * f)) for n, f in zip(spectrum.shape, reconstruction.zero_fill, strict=True))
    stored = magnitude(zero_fill(spectrum, shape))
    return _quantise(stored, reconstruction.levels) if reconstruction.levels else stored


def _hann(spectrum: Tensor, strength: float) -> Tensor:
    axes = [torch.fft.fftfreq(n, device=spectrum.device).square() for n in spectrum.shape]
    radius = 2 * (axes[0][:, None, None] + axes[1][:, None] + axes[2]).sqrt()
    return 1 - strength / 2 + strength / 2 * torch.cos(torch.pi * radius.clamp(0, 1))


def _quantise(image: Tensor, levels: int) -> Tensor:
    step = image[::2, ::2, ::2].flatten().quantile(0.999).clamp(min=1e-6) / levels
    return (image / step).round() * step
