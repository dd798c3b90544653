"""What a series is compared with: scores of clean heads, and the uncertainty from which the task is impaired."""

from collections.abc import Sequence

import numpy as np

from models.bundle import Reference, Thresholds
from training.measure import Row

#: The scores that are tested; each more of them widens the limits of all. An artefact's part needs no test of its own:
#: its limit is that of the total.
SIGNALS = ("uncertainty", "task", "entropy")
#: Share of accepted heads that may be looked at again: what it costs is a glance, and a rescan asks for more (verdict).
ALPHA = 0.10
DICE_LOSS = 0.10
_JUDGED = "grey matter"


def reference_of(clean: Sequence[Row], source: str) -> Reference:
    """The ascending scores of accepted heads."""
    found = [row for row in clean if row.scores]
    return Reference(source=source, scores={s: tuple(sorted(row.scores[s] for row in found)) for s in SIGNALS})


def thresholds_of(clean: Sequence[Row], corrupted: Sequence[Row]) -> Thresholds:
    """The uncertainty that best tells heads that lost more than ``DICE_LOSS`` from the others (Youden's index).

    The loss is counted from the median clean Dice: a served head has no clean twin. Where no head lost so much, or
    every one did, there is nothing to tell apart: the threshold is then the highest score seen.
    """
    usual = float(np.median([row.dice[_JUDGED] for row in clean if row.scores]))
    judged = [row for row in (*clean, *corrupted) if row.scores]
    scores = np.array([row.scores["uncertainty"] for row in judged])
    lost = np.array([usual - row.dice[_JUDGED] > DICE_LOSS for row in judged])
    if lost.all() or not lost.any():
        return Thresholds(alpha=ALPHA, impaired=float(scores.max()), dice_loss=DICE_LOSS)
    candidates = np.sort(scores)
    youden = [(scores[lost] > c).mean() - (scores[~lost] > c).mean() for c in candidates]
    return Thresholds(alpha=ALPHA, impaired=float(candidates[int(np.argmax(youden))]), dice_loss=DICE_LOSS)
