"""From a severity to an artefact's parameters, at random in the paper's ranges (Shaw et al. 2021, section 3.3)."""

from collections.abc import Callable

import numpy as np

from models.physics.artefacts import Artefact
from models.physics.kspace import Blur, Corruption, Fold, Motion, Noise, Pose, Spike, Wrap


def draw(artefact: Artefact, severity: float, rng: np.random.Generator) -> Corruption:
    """Random parameters of one artefact at ``severity`` in (0, 1]; 1 is the far end of the paper's range.

    Noise 20 to -10 dB; spike 0.5 to 10 times the k-space maximum; blur up to a factor 12 on one to three axes, every
    third one soft; wrap 10 to 75 % of the lines, or, every third time, up to half of the head outside the field of
    view; motion up to twice the published spread (10.8 degrees, 6 mm).
    """
    return _DRAWERS[artefact](severity, rng)


def _draw_noise(severity: float, rng: np.random.Generator) -> Noise:
    return Noise(snr_db=20 - 30 * severity, seed=int(rng.integers(2**31)))


#: Cycles per voxel below which a spike is shading rather than a stripe.
_SHADING = 0.02


def _draw_spike(severity: float, rng: np.random.Generator) -> Spike:
    position = rng.uniform(-0.5, 0.5, 3)
    while np.abs(position).max() < _SHADING:
        position = rng.uniform(-0.5, 0.5, 3)
    amplitude = 0.5 * 20**severity
    return Spike(amplitude=amplitude, position=tuple(position.tolist()), phase=float(rng.uniform(0, 2 * np.pi)))


def _draw_blur(severity: float, rng: np.random.Generator) -> Blur:
    axes = rng.permutation(3)[: rng.integers(1, 4)]
    factor = 1.25 * 9.6**severity
    soft = bool(rng.random() < 1 / 3)
    return Blur(factors=tuple(factor if axis in axes else 1.0 for axis in range(3)), soft=soft)  # type: ignore[arg-type]


def _draw_wrap(severity: float, rng: np.random.Generator) -> Wrap | Fold:
    axis, dropped = int(rng.integers(3)), 0.1 + 0.65 * severity
    if rng.random() < 1 / 3:
        return Fold(axis=axis, share=1 - 0.5 * severity, place=float(rng.uniform(0.2, 0.8)))
    if rng.integers(2):
        return Wrap(axis=axis, dropped=dropped, seed=int(rng.integers(2**31)))
    period = round(1 / (1 - dropped)) if 2 * dropped >= 1 else -round(1 / dropped)
    return Wrap(axis=axis, period=period)


def _draw_motion(severity: float, rng: np.random.Generator) -> Motion:
    large, small = 1 + rng.poisson(1), rng.poisson(3)
    spread = np.concatenate([np.full(large, 2 * severity), np.full(small, 0.2 * severity)])
    rng.shuffle(spread)
    starts = np.sort(rng.uniform(0.05, 0.95, spread.size))
    poses = tuple(
        Pose(
            start=float(start),
            degrees=tuple(rng.normal(0, 5.4 * s, 3).tolist()),
            millimetres=tuple(rng.normal(0, 3 * s, 3).tolist()),
        )
        for start, s in zip(starts, spread, strict=True)
    )
    return Motion(axis=int(rng.integers(3)), poses=poses)


_DRAWERS: dict[Artefact, Callable[[float, np.random.Generator], Corruption]] = {
    Artefact.NOISE: _draw_noise,
    Artefact.SPIKE: _draw_spike,
    Artefact.BLUR: _draw_blur,
    Artefact.WRAP: _draw_wrap,
    Artefact.MOTION: _draw_motion,
}
