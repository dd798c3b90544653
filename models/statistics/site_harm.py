"""Harm learnt where images are made: accepted series, spoilt by families of artefacts and judged again; no labels.

What the labels of a spoilt image lose against those of the same image as it came is its harm (``harm.py``). A series is
tried clean and under families drawn at random, the same for the same series and bundle, however often it is begun.
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
from models.statistics.harm import CLEAN, Harm, families_of, fit_harm

#: Fewer series tell nothing of the next one.
FEWEST = 3
#: An image as it came counts as so many, for most of a scanner's images are without an artefact.
_CLEAN_WEIGHT = 2.0
_MILDEST = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One image made of a series: by which model of which artefact, at a severity; ``number`` 0 is as it came."""

    number: int
    family: str
    artefact: Artefact | None = None
    severity: float = 0.0
    seed: int = 0

    def applied_to(self, image: npt.NDArray[np.float32], spacing: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """The image (i, j, k), ``spacing`` in mm, spoilt."""
        if self.artefact is None:
            return image
        name = self.family.removeprefix(f"{self.artefact} ")
        effects = FAMILIES[self.artefact][name](self.severity, np.random.default_rng(self.seed))
        return spoil(image, effects, spacing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a trial gave: its ``harm``, 0 to 1, and the ``numbers`` of the image that may tell it."""

    series: str
    number: int
    family: str
    harm: float
    numbers: Mapping[str, float]


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


def harm_between(clean: npt.NDArray[np.bool_], spoilt: npt.NDArray[np.bool_]) -> float:
    """1 - Dice of what is judged in two images of one grid; 0 where both have none of it."""
    total = int(clean.sum()) + int(spoilt.sum())
    return 1 - 2 * int((clean & spoilt).sum()) / total if total else 0.0


def fit_site(tried: Sequence[Tried]) -> Harm | None:
    """The harm of one scanner and protocol, with its interval over series and families that were left out.

    None where there are fewer series than ``FEWEST``, or no spoilt image.
    """
    series, families = ({getattr(one, name) for one in tried} for name in ("series", "family"))
    if len(series) < FEWEST or families <= {CLEAN}:
        return None
    names = tuple(sorted(set.intersection(*(set(one.numbers) for one in tried))))
    people = [one.series for one in tried]
    return fit_harm(
        names,
        [[one.numbers[name] for name in names] for one in tried],
        [one.harm for one in tried],
        [people, families_of([one.family for one in tried], people)],
        [_CLEAN_WEIGHT if one.family == CLEAN else 1.0 for one in tried],
    )
