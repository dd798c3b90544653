"""Faults of a cine, planted: beats triggered at the wrong time, breath between beats, ghosts, noise."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
#: Which lines one beat fills: every n-th, or a block.
Order = Literal["interleaved", "sequential"]

BEATS = 10


def mistriggered(
    frames: FloatArray, bad: int, chance: np.random.Generator, axis: int = 2, order: Order = "interleaved"
) -> FloatArray:
    """Frames (T, x, y) of which ``bad`` of ten beats began two to six phases early or late.

    ``axis``: 1 or 2, the phase encoding.
    """
    spectrum = np.fft.fft(frames, axis=axis)
    beat = _beats(frames.shape[axis], order)
    for number in chance.choice(BEATS, bad, replace=False):
        shift = int(chance.integers(2, 7)) * int(chance.choice((-1, 1)))
        lines = (slice(None), beat == number, slice(None)) if axis == 1 else (slice(None), slice(None), beat == number)
        spectrum[lines] = np.roll(spectrum, shift, axis=0)[lines]
    return np.abs(np.fft.ifft(spectrum, axis=axis)).astype(np.float32)


def breathed(image: FloatArray, most_px: float, chance: np.random.Generator, axis: int = 1) -> FloatArray:
    """A slice (x, y) whose beats were taken at other places of the breath, moved along ``axis`` up to ``most_px``."""
    spectrum = np.fft.fft2(image)
    beat = _beats(image.shape[axis], "interleaved" if chance.random() < 0.5 else "sequential")
    along = np.fft.fftfreq(image.shape[1 - axis])
    for number in range(BEATS):
        moved = np.exp(-2j * np.pi * along * most_px * chance.uniform(-0.5, 0.5))
        if axis == 1:
            spectrum[:, beat == number] *= moved[:, None]
        else:
            spectrum[beat == number] *= moved[None]
    return np.abs(np.fft.ifft2(spectrum)).astype(np.float32)


def ghosted(image: FloatArray, strength: float, chance: np.random.Generator, axis: int = 1) -> FloatArray:
    """A slice (x, y) whose every m-th line is weaker or out of phase."""
    spectrum = np.fft.fft2(image)
    period = int(chance.integers(2, 6))
    lines = np.arange(image.shape[axis]) % period == 0
    weight = 1 - strength * np.exp(1j * chance.uniform(-0.5, 0.5))
    if axis == 1:
        spectrum[:, lines] *= weight
    else:
        spectrum[lines] *= weight
    return np.abs(np.fft.ifft2(spectrum)).astype(np.float32)


def noisy(image: FloatArray, deviation: float, chance: np.random.Generator) -> FloatArray:
    """A slice (x, y) with Rician noise; ``deviation`` as a share of its 99th percentile."""
    scale = deviation * float(np.percentile(image, 99))
    first, second = (chance.standard_normal(image.shape) for _ in range(2))
    return np.hypot(image + scale * first, scale * second).astype(np.float32)


#: Name -> plants it at a strength from 0 to 1.
Plant = Callable[[FloatArray, float, np.random.Generator], FloatArray]
FAULTS: dict[str, Plant] = {
    "breathing": lambda image, s, chance: breathed(image, 8 * s, chance, int(chance.integers(2))),
    "noise": lambda image, s, chance: noisy(image, 0.12 * s, chance),
    "ghosting": lambda image, s, chance: ghosted(image, 0.6 * s, chance, int(chance.integers(2))),
}


def _beats(lines: int, order: Order) -> npt.NDArray[np.int64]:
    """The beat that filled each line, in the order of the transform's frequencies."""
    number = np.argsort(np.argsort(np.fft.fftfreq(lines)))
    return number % BEATS if order == "interleaved" else number * BEATS // lines
