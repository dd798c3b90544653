"""What an artefact of ``models/kspace.py`` does to a scan, in units that do not depend on how it was drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.physics.artefacts import Artefact
from models.physics.kspace import Blur, Corruption, Fold, LineWeights, Motion, Movement, Noise, Spike, Wrap

#: A sphere of this radius stands for a head where a displacement is one number (Jenkinson 1999).
_HEAD_MM = 80.0
#: A line that keeps less of its amplitude is no more the head's own.
_HALF = 0.5
_SEVERITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
#: Mean loss of grey-matter Dice at these severities: the ladder of docs/evaluation.md, eight people, brain-t1 0.5.0.
_LOSSES: Mapping[Artefact, tuple[float, ...]] = {
    Artefact.NOISE: (0.0, 0.01, 0.03, 0.08, 0.18, 0.33),
    Artefact.SPIKE: (0.0, 0.03, 0.08, 0.15, 0.22, 0.29),
    Artefact.BLUR: (0.0, 0.03, 0.08, 0.17, 0.25, 0.34),
    Artefact.WRAP: (0.0, 0.06, 0.10, 0.14, 0.28, 0.42),
    Artefact.MOTION: (0.0, 0.04, 0.06, 0.08, 0.09, 0.10),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """``kspace``: share of the samples of k-space that are not those of the undisturbed head.

    ``displacement_mm``: the farthest pose, as the root mean square over a sphere of 80 mm; ``snr_db``: power of the
    signal over that of what was added; ``outside``: share of the head outside the field of view. None: does not apply.
    """

    kspace: float
    displacement_mm: float | None = None
    snr_db: float | None = None
    outside: float | None = None


def damage_of(corruption: Corruption, image: npt.NDArray[np.float32], spacing: npt.ArrayLike) -> Damage:
    """What a corruption does to an image (i, j, k) of ``spacing`` in mm."""
    shape = image.shape
    match corruption:
        case Noise(snr_db=snr):
            return Damage(kspace=1.0, snr_db=snr)
        case Spike(amplitude=amplitude):
            return Damage(kspace=1 / image.size, snr_db=_of_spike(image, amplitude))
        case Blur() | Wrap():
            return Damage(kspace=1 - _kept(corruption.line_weights(shape), shape))
        case Fold(share=share):
            return Damage(kspace=1.0, outside=1 - share)
        case Motion():
            return _of_motion(corruption, shape, np.asarray(spacing, float))


def expected_loss(artefact: Artefact, severity: float) -> float:
    """Mean loss of grey-matter Dice of heads of the paper's artefacts at a severity, between measured ones linear."""
    return float(np.interp(severity, _SEVERITIES, _LOSSES[artefact]))


def _of_spike(image: npt.NDArray[np.float32], amplitude: float) -> float:
    """The largest sample of a non-negative image's k-space is its sum; energy by Parseval's theorem."""
    energy = float(np.square(image, dtype=np.float64).sum()) * image.size
    added = (amplitude * float(np.abs(image.sum(dtype=np.float64)))) ** 2
    return 10 * float(np.log10(energy / added)) if energy and added else float("inf")


def _kept(weights: LineWeights, shape: tuple[int, ...]) -> float:
    """The share of k-space that keeps at least half of its amplitude."""
    return float(np.prod([(np.asarray(along, float) >= _HALF).sum() / shape[axis] for axis, along in weights.items()]))


def _of_motion(motion: Motion, shape: tuple[int, ...], spacing: npt.NDArray[np.float64]) -> Damage:
    segments = list(motion.segments(shape, spacing))
    lines = sum(int(segment.sum()) for _, segment in segments)
    farthest = max((_displacement(movement, shape, spacing) for movement, _ in segments), default=0.0)
    return Damage(kspace=lines / shape[motion.axis], displacement_mm=farthest)


def _displacement(movement: Movement, shape: tuple[int, ...], spacing: npt.NDArray[np.float64]) -> float:
    """Root mean square over a sphere about the middle: sqrt(R^2 / 5 tr(M'M) + t't), M the matrix less identity."""
    scale, middle = np.diag(spacing), (np.asarray(shape) - 1) / 2
    turned = scale @ movement.matrix @ np.linalg.inv(scale) - np.eye(3)
    moved = spacing * (movement.matrix @ middle + movement.offset - middle)
    return float(np.sqrt(_HEAD_MM**2 / 5 * np.trace(turned.T @ turned) + moved @ moved))
