"""What a lesion bundle says beside its map: the threshold, the predicted Dice, the interval of the volume.

Threshold and regression learn on heads that the segmenter never saw, of label maps and masks that were held back; a
scale and a shift of the regression, its interval and the volume's margin come from people.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.statistics.harm import Harm, fit_harm
from models.statistics.uncertainty import conformal_limit
from training.lesions.judged import THRESHOLDS, Row
from training.lesions.ranking import Numbers

#: Loads from here on set the threshold, in mL: small loads of thick slices ask for twice as much, and large ones lose
#: their volume by it.
_LEAST_LOAD_ML = 5.0
#: Share of the truths beyond each end of the predicted Dice, and of those outside the volume's interval.
_SIDE, _OUTSIDE = 0.05, 0.10
#: The numbers of a plain pass that predict its Dice. Volumes are there beside what tells their doubt: the direction in
#: which they rank alone depends on whether small loads or artefacts fail.
NAMES = (
    "entropy",
    "confidence",
    "doubt at the border",
    "log volume",
    "log soft volume",
    "log total entropy",
    "entropy over volume",
    "log count",
    "surface",
    "contrast",
    "noise of white matter",
    "grey over white",
    "fluid over white",
    "doubt of tissues",
    "steps across",
    "air",
)


def best_threshold(rows: Sequence[Row], least_load_ml: float = _LEAST_LOAD_ML) -> float:
    """The threshold of the largest mean Dice, over loads of so much and more."""
    used = [row.by_threshold for row in rows if row.load_ml >= least_load_ml]
    if not used:
        raise ValueError(f"no head with a load of {least_load_ml} mL or more: judge more heads")
    return float(THRESHOLDS[int(np.mean(used, axis=0).argmax())])


def fit_loss(rows: Sequence[Row], group: int) -> Harm:
    """1 - Dice from the numbers of one pass; so many rows in turn are of one anatomy (``group``)."""
    return _fitted(rows, [str(number // group) for number in range(len(rows))])


def fit_loss_of_people(rows: Sequence[Row]) -> Harm:
    """The same of people, each left out whole; of few people the interval ends at a root of 1, the largest there is."""
    harm = _fitted(rows, [row.name for row in rows])
    return replace(harm, below=min(1.0, harm.below), above=min(1.0, harm.above))


def _fitted(rows: Sequence[Row], anatomies: Sequence[str]) -> Harm:
    values = [[row.numbers[name] for name in NAMES] for row in rows]
    return fit_harm(NAMES, values, [1 - row.dice for row in rows], [anatomies])


def recalibrated(harm: Harm, rows: Sequence[Row]) -> Harm:
    """The regression scaled and shifted to people, with the interval that their misses ask for, each person left out.

    All in square roots of the loss, as the regression is: heads of so many kinds shrink it, people of one kind stretch
    it again. Where people speak against its order, it is shifted only.
    """
    if not rows:
        return harm
    names = np.array([row.name for row in rows])
    told = np.sqrt([harm.expect(row.numbers) for row in rows])
    true = np.sqrt([1 - row.dice for row in rows])
    slope, shift = line(told, true)
    misses = np.zeros(len(rows))
    for name in names:
        others = names != name if (names != name).any() else names == name
        own, moved = line(told[others], true[others])
        misses[names == name] = (true - moved - own * told)[names == name]
    return replace(
        harm,
        weights=tuple(slope * weight for weight in harm.weights),
        offset=shift + slope * harm.offset,
        below=max(0.0, conformal_limit(-misses, _SIDE)),
        above=max(0.0, conformal_limit(misses, _SIDE)),
        images=len(rows),
        people=len(set(names)),
    )


def line(told: Numbers, true: Numbers) -> tuple[float, float]:
    """Slope and shift of least squares; a slope of one where the fit would turn the order round."""
    slope = float(np.polyfit(told, true, 1)[0]) if np.ptp(told) > 0 else 1.0
    slope = slope if slope > 0 else 1.0
    return slope, float((true - slope * told).mean())


def fit_margin(rows: Sequence[Row]) -> float:
    """The margin that holds nine of ten volumes; of fewer than nine series all of them."""
    misses = [abs(row.volume_ml - row.load_ml) / row.doubt_ml for row in rows]
    limit = conformal_limit(misses, _OUTSIDE)
    return limit if np.isfinite(limit) else max(misses)
