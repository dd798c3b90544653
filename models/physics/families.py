"""Each artefact from several independent physical models, with random parameters at a severity.

Whoever fits anything to simulated artefacts can hold a whole family out: the loss under it is what predicts a scanner.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from models.physics.artefacts import Artefact
from models.physics.effects import (
    ColouredNoise,
    Decay,
    Effect,
    GFactorNoise,
    Interpolated,
    LinePhase,
    LineSpike,
    MissingLines,
    PeriodicPhase,
)
from models.physics.kspace import Fold, Motion, Pose, Spike
from models.physics.severity import draw

Draw = Callable[[float, np.random.Generator], tuple[Effect | Motion, ...]]


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _axis(rng: np.random.Generator) -> int:
    return int(rng.integers(3))


def _coloured(severity: float, rng: np.random.Generator) -> tuple[Effect, ...]:
    """20 to -8 dB, power from |k|^-1 to |k|^1.5."""
    return (ColouredNoise(snr_db=20 - 28 * severity, exponent=float(rng.uniform(-1, 1.5)), seed=_seed(rng)),)


def _g_factor(severity: float, rng: np.random.Generator) -> tuple[Effect, ...]:
    """20 to -8 dB, two to five times as much in the middle."""
    gain = float(rng.uniform(2, 5))
    return (GFactorNoise(snr_db=20 - 28 * severity, axis=_axis(rng), gain=gain, seed=_seed(rng)),)


def _spikes(severity: float, rng: np.random.Generator) -> tuple[Effect, ...]:
    """Two to thirty spikes that together are as strong as one of ``models/physics/severity.py``."""
    count = int(np.exp(rng.uniform(np.log(2), np.log(31))))
    spikes = [draw(Artefact.SPIKE, severity, rng) for _ in range(count)]
    return tuple(
        Spike(amplitude=spike.amplitude / np.sqrt(count), position=spike.position, phase=spike.phase)
        for spike in spikes
        if isinstance(spike, Spike)
    )


def _line_spike(severity: float, rng: np.random.Generator) -> tuple[Effect, ...]:
    first, second = rng.uniform(0.03, 0.97, 2).tolist()
    amplitude = 0.5 * 20**severity
    return (LineSpike(axis=_axis(rng), positions=(first, second), amplitude=amplitude, seed=_seed(rng)),)


def _decay(severity: float, rng: np.random.Generator) -> tuple[Effect, ...]:
    """The outermost line keeps exp(-1) to exp(-16) when it is read last."""
    return (Decay(axis=_axis(rng), strength=1 + 15 * severity**1.5, centric=True),)


def _interpolated(severity: float, rng: np.random.Generator) -> tuple[Effect, ...]:
    """Voxels 1.25 to 7 times as thick along one to three axes."""
    axes = rng.permutation(3)[: rng.integers(1, 4)]
    factor = 1.25 * 5.6**severity
    first, second, third = (factor if axis in axes else 1.0 for axis in range(3))
    return (Interpolated(factors=(first, second, third)),)


def _fold_twice(severity: float, rng: np.random.Generator) -> tuple[Effect, ...]:
    """A field of view too small along two axes, up to 35 % each."""
    axes = rng.permutation(3)[:2].tolist()
    place = float(rng.uniform(0.2, 0.8))
    return tuple(Fold(axis=axis, share=1 - 0.35 * severity, place=place) for axis in axes)


def _missing(severity: float, rng: np.random.Generator) -> tuple[Effect, ...]:
    """Up to 90 % of the outermost lines."""
    return (MissingLines(axis=_axis(rng), dropped=0.15 + 0.75 * severity, seed=_seed(rng)),)


def _drift(severity: float, rng: np.random.Generator) -> tuple[Effect | Motion, ...]:
    """A slow slide of up to 12 degrees and 8 mm over the scan, in sixteen steps."""
    turn, shift = 6 * severity * rng.standard_normal(3), 4 * severity * rng.standard_normal(3)
    steps = np.arange(1, 17) / 17
    poses = tuple(
        Pose(start=float(t), degrees=_triple(turn * t), millimetres=_triple(shift * t)) for t in steps.tolist()
    )
    return (Motion(axis=_axis(rng), poses=poses),)


def _breathing(severity: float, rng: np.random.Generator) -> tuple[Effect, ...]:
    """Three to forty cycles, up to 1.6 radians and 60 % of the size."""
    cycles = float(np.exp(rng.uniform(np.log(3), np.log(40))))
    return (PeriodicPhase(axis=_axis(rng), cycles=cycles, phase=1.6 * severity, size=0.6 * severity),)


def _line_phase(severity: float, rng: np.random.Generator) -> tuple[Effect, ...]:
    """Up to 1.3 radians from line to line."""
    return (LinePhase(axis=_axis(rng), phase=1.3 * severity, seed=_seed(rng)),)


def _triple(values: npt.NDArray[np.floating]) -> tuple[float, float, float]:
    first, second, third = values.tolist()
    return first, second, third


def _published(artefact: Artefact) -> Draw:
    return lambda severity, rng: (draw(artefact, severity, rng),)


#: Artefact -> physical model -> how its parameters are drawn at a severity in (0, 1]. "published" is the paper's.
FAMILIES: Mapping[Artefact, Mapping[str, Draw]] = {
    Artefact.NOISE: {"published": _published(Artefact.NOISE), "coloured": _coloured, "g-factor": _g_factor},
    Artefact.SPIKE: {"published": _published(Artefact.SPIKE), "several": _spikes, "line": _line_spike},
    Artefact.BLUR: {"published": _published(Artefact.BLUR), "decay": _decay, "interpolated": _interpolated},
    Artefact.WRAP: {"published": _published(Artefact.WRAP), "two axes": _fold_twice, "missing lines": _missing},
    Artefact.MOTION: {
        "published": _published(Artefact.MOTION),
        "drift": _drift,
        "breathing": _breathing,
        "line phase": _line_phase,
    },
}
