"""How well the artefact is named by a regression on numbers of one image, of people and families it never saw."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.physics.artefacts import ARTEFACTS
from models.statistics.harm import CLEAN
from models.statistics.presence import Presence, fit_presence, tell
from training.harm.images import Images, joined

Numbers = npt.NDArray[np.float64]
NAMES = tuple(artefact.value for artefact in ARTEFACTS)
#: A loss from which on the cause must be right; a cause above so much is suspected.
LOST, SUSPECTED = 0.05, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseFit:
    """How causes are fitted: from a harm of ``fully`` on an artefact shows wholly, below in part.

    ``penalty`` of the regression; a clean image counts as ``clean`` spoilt ones.
    """

    fully: float
    penalty: float
    clean: float = 2.0


def fit_causes(images: Images, fit: CauseFit) -> Presence:
    """The presence of each artefact in such images: those of little harm hold it in part."""
    part = np.clip(images.harm / fit.fully, 0, 1)
    shown = {name: np.where(images.artefact == name, part, 0.0) for name in NAMES}
    weights = np.where(images.artefact == CLEAN, fit.clean, 1.0)
    return fit_presence(images.names, images.numbers, shown, weights, fit.penalty)


def presence_of(
    images: Images, fit: CauseFit, *, beside: Sequence[Images] = (), unseen_families: bool = False
) -> Numbers:
    """What regressions on other people (and other families) say of each image, (N, artefacts).

    ``beside``: of further people, with the same numbers, who are learnt from and not asked.
    """
    known = joined([images, *beside])
    told = np.empty((len(images.harm), len(NAMES)))
    for person in np.unique(images.person):
        own = images.person == person
        for family in np.unique(images.family[own]) if unseen_families else ("",):
            kept = (known.person != person) & ((known.family != family) | (family == CLEAN))
            asked = own & ((images.family == family) | (not family))
            told[asked] = tell(fit_causes(known.of(kept), fit), images.numbers[asked])
    return told


def graph_says(images: Images) -> Numbers:
    """The presence of each artefact that a bundle's graph told, (N, artefacts)."""
    return np.column_stack([images.column(f"presence of {name}") for name in NAMES])


def cause_lines(images: Images, ways: Mapping[str, Numbers], losses: Numbers) -> Iterator[str]:
    """A line for each way of telling causes, (N, artefacts) of the images; ``losses`` (N,) of each."""
    yield f"| cause first, lost > {LOST} | right | {' | '.join(NAMES)} | clean above {SUSPECTED} |"
    yield "| --- |" + " ---: |" * (len(NAMES) + 2)
    for name, told in ways.items():
        yield f"| {name} | {_cells(images, told, losses)} |"


def is_right(images: Images, told: Numbers) -> npt.NDArray[np.bool_]:
    """Whether the cause that shows most is the artefact, (N,)."""
    return np.asarray(np.asarray(NAMES)[told.argmax(axis=1)] == images.artefact)


def _cells(images: Images, told: Numbers, losses: Numbers) -> str:
    clean = images.artefact == CLEAN
    hurt = ~clean & (losses > LOST)
    right = is_right(images, told)
    groups = (hurt, *(hurt & (images.artefact == name) for name in NAMES))
    cells = [f"{right[inside].sum()} of {inside.sum()}" for inside in groups]
    return " | ".join([*cells, f"{(told[clean].max(axis=1) > SUSPECTED).sum()} of {clean.sum()}"])
