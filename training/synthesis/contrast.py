"""How bright grey matter and fluid are beside white matter, as T1-weighted sequences make them.

Intensities of single tissues, each drawn by itself, give contrasts that no scan has. Here a field strength, a sequence
and its times are drawn, and the signal equations give all tissues together.

Relaxation times: Stanisz et al. 2005, Wansapura et al. 1999, Rooney et al. 2007; water contents: Rooney et al. 2007.
Signals: spoiled gradient echo (Ernst and Anderson 1966); magnetisation-prepared gradient echo (Mugler and Brookeman
1990; steady state as in Deichmann et al. 2000); spin echo.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Tissue:
    """T1 and T2 in ms and the water content, 1 for fluid."""

    t1: float
    t2: float
    water: float


@dataclass(frozen=True, slots=True)
class Contrast:
    """Signals of grey matter and CSF over that of white matter."""

    grey: float
    csf: float


#: m -> slope m + offset, of the longitudinal magnetisation.
Affine = tuple[float, float]
_INVERT: Affine = (-1.0, 0.0)
#: Field strength in T -> T1 in ms of white and of grey matter, the least and the most that are reported.
_T1 = {1.5: ((600, 900), (950, 1200)), 3.0: ((800, 1100), (1250, 1820))}
#: What is still called T1-weighted.
_GREY, _CSF_OF_GREY = (0.4, 0.92), 0.75


def draw_contrast(rng: np.random.Generator) -> Contrast:
    """The contrast of a random T1-weighted scan of a random person."""
    while True:
        signal = _draw_sequence(rng)
        white, grey, csf = (signal(tissue) for tissue in _draw_tissues(rng))
        if white > 0 and _GREY[0] < grey / white < _GREY[1] and csf < _CSF_OF_GREY * grey:
            return Contrast(grey=grey / white, csf=csf / white)


def spoiled(tissue: Tissue, *, repetition: float, flip: float, echo: float) -> float:
    """Signal of a spoiled gradient echo; times in ms, flip angle in degrees."""
    angle, recovery = np.deg2rad(flip), np.exp(-repetition / tissue.t1)
    steady = np.sin(angle) * (1 - recovery) / (1 - np.cos(angle) * recovery)
    return float(tissue.water * steady * np.exp(-echo / tissue.t2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Times in ms of a train of ``echoes`` after each inversion, flip angle in degrees.

    ``inversion``: from the pulse to the centre of k-space, half-way through the train; ``repetition``: from one
    inversion to the next.
    """

    inversion: float
    repetition: float
    spacing: float
    echoes: int
    flip: float

    def signal(self, tissue: Tissue) -> float:
        """Magnitude at the centre of k-space in the steady state.

        The longitudinal magnetisation goes through affine maps m -> a m + b: recovery for a time, and a pulse that
        leaves its cosine. Once round the cycle it must come out as it went in.
        """
        before = self.inversion - self.spacing * self.echoes / 2
        after = self.repetition - before - self.spacing * self.echoes
        to_centre = (_INVERT, _recover(tissue, before), self._train(tissue, self.echoes // 2))
        back = (self._train(tissue, self.echoes - self.echoes // 2), _recover(tissue, after))
        slope, offset = _joined(*to_centre, *back)
        start = offset / (1 - slope)
        slope, offset = _joined(*to_centre)
        return float(tissue.water * abs(slope * start + offset) * np.sin(np.deg2rad(self.flip)))

    def _train(self, tissue: Tissue, echoes: int) -> Affine:
        pulse = (float(np.cos(np.deg2rad(self.flip))), 0.0)
        slope, offset = _joined(pulse, _recover(tissue, self.spacing))
        total = slope**echoes
        return total, offset * (1 - total) / (1 - slope)


def spin_echo(tissue: Tissue, *, repetition: float, echo: float) -> float:
    """Signal of a spin echo; times in ms."""
    return float(tissue.water * (1 - np.exp(-repetition / tissue.t1)) * np.exp(-echo / tissue.t2))


def _recover(tissue: Tissue, duration: float) -> Affine:
    left = float(np.exp(-duration / tissue.t1))
    return left, 1 - left


def _joined(*maps: Affine) -> Affine:
    slope, offset = 1.0, 0.0
    for a, b in maps:
        slope, offset = a * slope, a * offset + b
    return slope, offset


def _draw_tissues(rng: np.random.Generator) -> tuple[Tissue, Tissue, Tissue]:
    """White matter, grey matter and CSF of one person in one scanner; where one T1 is long, so is the other."""
    field = rng.choice(list(_T1))
    place = rng.uniform(0, 1, 1) + rng.normal(0, 0.15, 2)
    white, grey = (low + (high - low) * at for (low, high), at in zip(_T1[field], np.clip(place, 0, 1), strict=True))
    return (
        Tissue(t1=float(white), t2=70.0, water=float(rng.uniform(0.69, 0.73))),
        Tissue(t1=float(grey), t2=95.0, water=float(rng.uniform(0.81, 0.86))),
        Tissue(t1=float(rng.uniform(3800, 4500)), t2=1500.0, water=1.0),
    )


def _draw_sequence(rng: np.random.Generator) -> Callable[[Tissue], float]:
    """A sequence as heads are scanned with: prepared by an inversion (8 of 10), spoiled gradient or spin echo."""
    kind = rng.random()
    if kind < 0.8:
        return _draw_prepared(rng, slow=bool(kind < 0.6)).signal
    if kind < 0.95:
        repetition, flip, echo = rng.uniform(12, 35), rng.uniform(18, 40), rng.uniform(3, 8)
        return lambda tissue: spoiled(tissue, repetition=repetition, flip=flip, echo=echo)
    repetition, echo = rng.uniform(400, 700), rng.uniform(8, 18)
    return lambda tissue: spin_echo(tissue, repetition=repetition, echo=echo)


def _draw_prepared(rng: np.random.Generator, *, slow: bool) -> Prepared:
    """``slow``: with a long inversion time and a rest after each train, else one train straight after another."""
    spacing, echoes = float(rng.uniform(6, 9)), int(rng.integers(*((120, 180) if slow else (90, 120))))
    inversion, rest = (
        (rng.uniform(750, 1100), rng.uniform(300, 1000))
        if slow
        else (
            rng.uniform(400, 600),
            rng.uniform(0, 300),
        )
    )
    half = spacing * echoes / 2
    inversion = max(float(inversion), half + 10)
    flip = float(rng.uniform(7, 12) if slow else rng.uniform(10, 13))
    return Prepared(
        inversion=inversion, repetition=inversion + half + float(rest), spacing=spacing, echoes=echoes, flip=flip
    )
