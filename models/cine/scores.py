"""What is told of a stack: every score of every slice, and the numbers of the heart by their names."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.cine.alignment import ends, shifts_mm
from models.cine.coherence import incoherence
from models.cine.masks import MaskLimits, mask_scores
from models.cine.numbers import DENSITY, FRACTIONS, LEAST_BORDER_PX, Number, entropy, perimeter, stack_doubt
from models.cine.plausibility import likelihood, pseudo_scores
from models.cine.quality import CAUSES, MISTRIGGERING, CauseModel, still_scores
from models.cine.reading import Phase, Reading
from models.cine.rules import rule_scores

Values = npt.NDArray[np.float64]

#: Slices with less than this share of the largest one's heart are beyond its ends: nothing is asked of their images.
_LEAST_AREA = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class CineSettings:
    """What a bundle says to this method.

    ``classes``: the order of the graphs' axis; ``channels``: the width of the dropout masks; ``temperature``: what
    logits are divided by; ``interval_margins``: number -> how far below and above it its interval reaches;
    ``volume_scales``: volume -> what its count is multiplied by. Limits: the end of what good stacks show, of each rule
    about masks, of each cause and of the stack's doubt.
    """

    classes: tuple[str, ...]
    channels: int
    temperature: float
    interval_margins: Mapping[str, tuple[float, float]]
    mask_limits: MaskLimits
    cause_limits: Mapping[str, float]
    doubt_limit: float
    causes: CauseModel
    volume_scales: Mapping[str, float] = field(default_factory=dict)


def slice_scores(reading: Reading, settings: CineSettings) -> dict[str, Values]:
    """Every number of each slice by name, (slice,); of what is tested 1 is the limit, but for doubt and shift."""
    cine, phases = reading.cine, (reading.ed, reading.es)
    areas = (reading.ed.labels > 0).sum(axis=(0, 1))
    outside = areas < _LEAST_AREA * areas.max(initial=1)
    heart = np.nonzero(~outside)[0].tolist()
    still = still_scores(cine.frames[reading.ed.number], heart, settings.causes)
    lines = incoherence(cine.frames)
    scores = {cause: values / settings.cause_limits[cause] for cause, values in {**still, MISTRIGGERING: lines}.items()}
    for values in scores.values():
        values[outside] = np.nan
    masks = [mask_scores(phase.labels, found_in(phase), settings.mask_limits) for phase in phases]
    shifts = np.fmax(*(shifts_mm(phase.labels) for phase in phases))
    shifts[outside] = np.nan
    total = sum(entropy(phase.probabilities).sum(axis=(0, 1, 2)) for phase in phases)
    border = sum(perimeter(phase.labels > 0) for phase in phases)
    doubt = np.where(border >= LEAST_BORDER_PX, total / np.maximum(border, 1), np.nan)
    return {
        **scores,
        "spoiling": _spoiling(scores, np.asarray(doubt / settings.doubt_limit)),
        "doubt": _once(len(doubt), *stack_doubt(phases)),
        "mask": np.max([np.max([*one.values()], axis=0) for one in masks], axis=0),
        "shift": shifts,
        "slice doubt": np.asarray(doubt),
        "slice shift": shifts,
        "slice incoherence": lines,
    }


def _spoiling(scores: Mapping[str, Values], doubt: Values) -> Values:
    """A cause counts as far as the slice's doubt says that it matters; a beat out of time counts by itself."""
    harmful = [np.minimum(scores[cause], doubt) for cause in CAUSES if cause != MISTRIGGERING]
    return np.asarray(np.fmax.reduce([scores[MISTRIGGERING], *harmful]))


def found_in(phase: Phase) -> Mapping[str, Values]:
    """What rules say of each slice of a phase's mask, and the autoencoder where there is one, (slice,)."""
    rules = rule_scores(phase.labels)
    return rules if phase.again is None else {**rules, "likelihood": likelihood(phase.labels, phase.again)}


def _pseudo(reading: Reading) -> tuple[float, float]:
    """The least pseudo Dice and the largest pseudo Hausdorff distance of any structure in both phases."""
    said = [
        pair
        for phase in (reading.ed, reading.es)
        if phase.again is not None
        for pair in pseudo_scores(phase.labels, phase.again, reading.cine.gap_mm).values()
    ]
    return min((dice for dice, _ in said), default=0.0), max((apart for _, apart in said), default=0.0)


def _once(count: int, value: float, at: int) -> Values:
    """A number of the whole stack, at one slice."""
    values = np.full(count, np.nan)
    values[at] = value
    return values


def told_numbers(numbers: Mapping[str, Number], reading: Reading) -> dict[str, float]:
    """The numbers of a heart by their names; fractions of 1, mL, g."""
    values: dict[str, float] = {}
    for name in FRACTIONS:
        low, high = numbers[name].interval
        values |= {name: numbers[name].value, f"{name}, lower end": low, f"{name}, upper end": min(high, 1.0)}
    base, apex = ends(reading.ed.labels)
    dice, apart = _pseudo(reading)
    full, empty = (numbers[name].value for name in FRACTIONS["LV ejection fraction"])
    return values | {
        "LV stroke volume": full - empty,
        "LV myocardial mass": DENSITY * numbers["LV myocardium"].value,
        "end-systolic phases apart": float(reading.phases_apart),
        "pseudo Dice": dice,
        "pseudo Hausdorff distance": apart,
        "base": base,
        "apex": apex,
    }
