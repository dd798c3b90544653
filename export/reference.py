"""What a series is compared with: scores of clean heads, and the uncertainty from which the task is impaired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.brain.familiarity import COMPONENTS, Space, fit_space
from models.brain.scores import JUDGED
from models.manifest import Reference, Thresholds
from models.statistics.uncertainty import COVERAGE, FloatArray, conformal_limit, miss, sampled_interval
from training.evaluation.measure import Row
from training.synthesis.labelmaps import TISSUES

#: The scores that are tested; each more of them widens the limits of all. An artefact's part needs no test of its own:
#: its limit is that of the total.
SIGNALS = ("uncertainty", "task", "entropy")
#: Share of accepted heads that may be looked at again: what it costs is a glance, and a rescan asks for more (verdict).
ALPHA = 0.10
DICE_LOSS = 0.10
#: Longest sides of the voxels that are compared with one another: of three-dimensional scans, of what is stored at the
#: network's own resolution, and of thick slices. The coarser they are, the more the labels are in doubt where nothing
#: is wrong, and a limit that allows for it lets a finer scan lose too much.
SIZES_MM = (1.5, 2.5, None)
#: Share of heads that may be called unlike every head: one in a hundred by each of the two distances.
UNFAMILIAR = 0.02
#: Below this presence of every artefact the image itself shows none: half of what motion, the faintest, has on average.
EVIDENT = 0.2
#: From this presence on, the spectrum explains why a head is unlike every known one.
CERTAIN = 0.9
#: So many heads are held out of the spaces that distances are measured in: the least that a p-value of 0.01 needs.
_HELD_OUT = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A judged head beside its truth.

    ``coarsest_mm``: longest side of its voxels; ``volume_samples_ml`` (M, C); ``description``: what its distances are
    measured from.
    """

    row: Row
    coarsest_mm: float
    volume_samples_ml: FloatArray
    description: Mapping[str, np.ndarray]


def references_of(clean: Sequence[Judged], source: str) -> tuple[Reference, ...]:
    """The ascending scores of accepted heads, of each size of voxels by itself, the finest first."""
    finer = (0.0, *(size for size in SIZES_MM if size is not None))
    return tuple(
        _reference([head for head in clean if low < head.coarsest_mm <= (size or float("inf"))], source, size)
        for low, size in zip(finer, SIZES_MM, strict=True)
    )


def _reference(heads: Sequence[Judged], source: str, coarsest_mm: float | None) -> Reference:
    size = "of any size" if coarsest_mm is None else f"up to {coarsest_mm:g} mm"
    return Reference(
        source=f"{source}, voxels {size}",
        scores={signal: tuple(sorted(head.row.scores[signal] for head in heads)) for signal in SIGNALS},
        coarsest_mm=coarsest_mm,
    )


def thresholds_of(clean: Sequence[Judged], corrupted: Sequence[Judged]) -> Thresholds:
    """The uncertainty that best tells heads that lost more than ``DICE_LOSS`` from the others (Youden's index).

    The loss is counted from the median clean Dice: a served head has no clean twin. Where no head lost so much, or
    every one did, there is nothing to tell apart: the threshold is then the highest score seen.
    """
    usual = float(np.median([head.row.dice[JUDGED] for head in clean]))
    judged = [head.row for head in (*clean, *corrupted)]
    scores = np.array([row.scores["uncertainty"] for row in judged])
    lost = np.array([usual - row.dice[JUDGED] > DICE_LOSS for row in judged])
    impaired = float(scores.max())
    if lost.any() and not lost.all():
        candidates = np.sort(scores)
        youden = [(scores[lost] > c).mean() - (scores[~lost] > c).mean() for c in candidates]
        impaired = float(candidates[int(np.argmax(youden))])
    return Thresholds(
        alpha=ALPHA,
        unfamiliar=UNFAMILIAR,
        tolerated_loss=DICE_LOSS,
        impaired=impaired,
        evident=EVIDENT,
        certain=CERTAIN,
    )


def margins_of(heads: Sequence[Judged]) -> dict[str, float]:
    """By tissue, how far the sampled intervals must be widened to hold 90 % of the true volumes of ``heads``."""
    margins = {}
    for number, tissue in enumerate(TISSUES):
        if number:
            drawn = [sampled_interval(head.volume_samples_ml[:, number]) for head in heads]
            misses = [miss(ends, h.row.true_volumes_ml[tissue]) for ends, h in zip(drawn, heads, strict=True)]
            limit = conformal_limit(misses, 1 - COVERAGE)
            margins[tissue] = limit if np.isfinite(limit) else max(misses)  # of fewer than nine heads none is left out
    return margins


def familiarity_of(clean: Sequence[Judged], source: str) -> tuple[dict[str, Space], Reference]:
    """The spaces of some clean heads, and how far others lie from them."""
    fitted = clean[: max(len(clean) // 2, len(clean) - _HELD_OUT)]
    others = clean[len(fitted) :]
    spaces = {name: fit_space([head.description[name] for head in fitted], COMPONENTS[name]) for name in COMPONENTS}
    distances = {
        name: tuple(sorted(space.distance(head.description[name]) for head in others)) for name, space in spaces.items()
    }
    return spaces, Reference(source=f"{len(others)} of {source}, held out of {len(fitted)}", scores=distances)
