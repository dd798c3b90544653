"""Whether a probability is what it says: one temperature (Guo et al. 2017), and how far off before and after."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from training.cine.judge import Judged

FloatArray = npt.NDArray[np.float64]

_BINS = 15
#: Pixels about the heart that calibration is asked of: 9 mm at 1.5 mm.
_AROUND_PX = 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pixels:
    """Logits (n, 4) beside true classes (n,) of the hearts and what lies around them."""

    logits: FloatArray
    truth: npt.NDArray[np.int64]

    @classmethod
    def of(cls, judged: Sequence[Judged]) -> "Pixels":
        """Those of some phases."""
        logits, truth = [], []
        for one in judged:
            near = around(one.truth > 0)
            logits.append(np.moveaxis(one.phase.detail.logits, 0, -1)[:, near].T)
            truth.append(one.truth[near])
        return cls(logits=np.concatenate(logits).astype(np.float64), truth=np.concatenate(truth).astype(np.int64))

    @classmethod
    def joined(cls, parts: "Sequence[Pixels]") -> "Pixels":
        """Several together."""
        return cls(
            logits=np.concatenate([part.logits for part in parts]), truth=np.concatenate([part.truth for part in parts])
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Expected calibration error, Brier score, negative log-likelihood; ``bins``: confidence, right, share of each."""

    ece: float
    brier: float
    nll: float
    bins: tuple[tuple[float, float, float], ...]


def around(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """A heart (x, y, slice) grown by 9 mm within each slice."""
    cross = np.zeros((3, 3, 3), bool)
    cross[1, :, 1] = cross[:, 1, 1] = True
    return np.asarray(binary_dilation(mask, cross, iterations=_AROUND_PX))


def fitted_temperature(pixels: Pixels) -> float:
    """The temperature of the least negative log-likelihood."""
    found = minimize_scalar(lambda t: _nll(pixels, t), bounds=(0.5, 5.0), method="bounded", options={"xatol": 0.01})
    return float(found.x)


def calibration(pixels: Pixels, temperature: float) -> Calibration:
    """How far confidence is from being right."""
    p = np.exp(log_softmax(pixels.logits / temperature, axis=1))
    sure, right = p.max(axis=1), p.argmax(axis=1) == pixels.truth
    number = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    bins = tuple(
        (float(sure[number == n].mean()), float(right[number == n].mean()), float((number == n).mean()))
        for n in range(_BINS)
        if (number == n).any()
    )
    return Calibration(
        ece=sum(share * abs(confidence - correct) for confidence, correct, share in bins),
        brier=float(((p - np.eye(p.shape[1])[pixels.truth]) ** 2).sum(axis=1).mean()),
        nll=_nll(pixels, temperature),
        bins=bins,
    )


def _nll(pixels: Pixels, temperature: float) -> float:
    found = log_softmax(pixels.logits / temperature, axis=1)
    return float(-found[np.arange(len(pixels.truth)), pixels.truth].mean())
