"""Accepted series, spoilt by families of artefacts: which images are made of them, and what each gave.

A series is tried as it came and under families drawn at random, the same for the same series and bundle, however often
it is begun.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as count_from
from itertools import islice

import numpy as np
import numpy.typing as npt

from models.physics.artefacts import ARTEFACTS, Artefact
from models.physics.effects import spoil
from models.physics.families import FAMILIES
from models.statistics.harm import CLEAN

Volume = npt.NDArray[np.float32]

_MILDEST = 0.02
#: Smaller ones, as a share of the largest value, are rounding: a scanner stores 16 bits.
_LEAST_STEP = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One image made of a series: by which model of which artefact, at a severity; ``number`` 0 is as it came."""

    number: int
    family: str
    artefact: Artefact | None = None
    severity: float = 0.0
    seed: int = 0

    def applied_to(self, image: Volume, spacing: npt.ArrayLike) -> Volume:
        """The image (i, j, k), ``spacing`` in mm, spoilt, in the steps of value that it came in."""
        if self.artefact is None:
            return image
        name = self.family.removeprefix(f"{self.artefact} ")
        effects = FAMILIES[self.artefact][name](self.severity, np.random.default_rng(self.seed))
        return _in_steps_of(image, spoil(image, effects, spacing))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a trial gave: its ``harm``, 0 to 1, and the ``numbers`` of the image that may tell it.

    An image in which nothing is found any more tells no numbers.
    """

    series: str
    number: int
    family: str
    harm: float
    numbers: Mapping[str, float]

    @property
    def artefact(self) -> str:
        """The first word of its family: an artefact, or ``CLEAN``."""
        return self.family.partition(" ")[0]


def numbers_of(tried: Sequence[Tried]) -> tuple[tuple[str, ...], list[list[float]]]:
    """The names of the numbers (F,) that all of them told, in order, and each one's (N, F)."""
    names = tuple(sorted(set.intersection(*(set(one.numbers) for one in tried))))
    return names, [[one.numbers[name] for name in names] for one in tried]


def trials_of(series: str, bundle: str, count: int) -> tuple[Trial, ...]:
    """The image as it came, and ``count`` spoilt ones: families in turn, severities mostly mild.

    ``series`` and ``bundle``: names that decide what is drawn.
    """
    seed = int.from_bytes(hashlib.sha256(f"{bundle} {series}".encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    spoilt = islice(_drawn(rng), count)
    return (Trial(number=0, family=CLEAN), *spoilt)


def _drawn(rng: np.random.Generator) -> Iterator[Trial]:
    """Endless: the first few are the same however many are asked for."""
    families = [(artefact, name) for artefact in ARTEFACTS for name in FAMILIES[artefact]]
    numbers = count_from(1)
    while True:
        for i in rng.permutation(len(families)):
            artefact, name = families[i]
            yield Trial(
                number=next(numbers),
                family=f"{artefact} {name}",
                artefact=artefact,
                severity=float(_MILDEST + (1 - _MILDEST) * rng.random() ** 2),
                seed=int(rng.integers(2**31)),
            )


def _in_steps_of(image: Volume, spoilt: Volume) -> Volume:
    """``spoilt`` as a scanner stores it that stored ``image``: rounded to the least step between its values."""
    values = np.unique(image[:, :, image.shape[2] // 2])
    step = float(np.diff(values).min()) if values.size > 1 else 0.0
    if step <= _LEAST_STEP * float(np.abs(values).max()):
        return spoilt
    return np.asarray(np.rint(spoilt / step) * step, np.float32)
