"""What a lesion bundle says beside its map: the threshold, the predicted Dice, the interval of the volume.

Threshold and regression learn on heads that the segmenter never saw, of label maps and masks that were held back; a
shift of the regression, its interval and the volume's margin come from people.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.statistics.harm import Harm, fit_harm
from models.statistics.uncertainty import conformal_limit
from training.lesions.judged import THRESHOLDS, Row

#: Loads from here on set the threshold, in mL: below, one voxel decides.
_LEAST_LOAD_ML = 0.5
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


def best_threshold(rows: Sequence[Row]) -> float:
    """The threshold of the largest mean Dice."""
    used = [row.by_threshold for row in rows if row.load_ml >= _LEAST_LOAD_ML]
    if not used:
        raise ValueError(f"no head with a load of {_LEAST_LOAD_ML} mL or more: judge more heads")
    return float(THRESHOLDS[int(np.mean(used, axis=0).argmax())])


def fit_loss(rows: Sequence[Row], group: int) -> Harm:
    """1 - Dice from the numbers of one pass; so many rows in turn are of one anatomy (``group``)."""
    values = [[row.numbers[name] for name in NAMES] for row in rows]
    anatomies = [str(number // group) for number in range(len(rows))]
    return fit_harm(NAMES, values, [1 - row.dice for row in rows], [anatomies])


def recalibrated(harm: Harm, rows: Sequence[Row]) -> Harm:
    """The regression shifted to people's mean, with the interval that their misses ask for, each person left out.

    All in square roots of the loss, as the regression is.
    """
    if not rows:
        return harm
    names = np.array([row.name for row in rows])
    told = np.sqrt([harm.expect(row.numbers) for row in rows])
    misses = np.sqrt([1 - row.dice for row in rows]) - told
    left = np.array([misses[names != name].mean() if (names != name).any() else misses.mean() for name in names])
    beyond = misses - left
    return replace(
        harm,
        offset=harm.offset + float(misses.mean()),
        below=max(0.0, conformal_limit(-beyond, _SIDE)),
        above=max(0.0, conformal_limit(beyond, _SIDE)),
        images=len(rows),
        people=len(set(names)),
    )


def fit_margin(rows: Sequence[Row]) -> float:
    """The margin that holds nine of ten volumes."""
    return conformal_limit([abs(row.volume_ml - row.load_ml) / row.doubt_ml for row in rows], _OUTSIDE)
