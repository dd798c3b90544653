"""What a bundle compares with: scores of clean heads, the uncertainty of the impaired, the margins of volumes."""

import numpy as np

from export.reference import SIGNALS, Judged, margins_of, references_of, thresholds_of
from models.brain.scores import JUDGED
from training.evaluation.measure import Row
from training.synthesis.labelmaps import TISSUES


def judged(dice, score, truth=100.0, coarsest_mm=1.0):
    """A head of one Dice and one score, whose sampled volumes lie between 90 and 110 mL."""
    row = Row(
        name="head",
        severity={},
        dice={JUDGED: dice},
        scores=dict.fromkeys(SIGNALS, score),
        causes={},
        true_volumes_ml=dict.fromkeys(TISSUES[1:], truth),
    )
    samples = np.tile(np.linspace(90, 110, 41, dtype=np.float32)[:, None], (1, len(TISSUES)))
    return Judged(row=row, coarsest_mm=coarsest_mm, volume_samples_ml=samples, description={})


def test_the_references_hold_every_clean_score_in_order_with_their_like():
    sides = {0.3: 1.0, 0.1: 0.7, 0.2: 1.5, 0.5: 1.51, 0.6: 2.5, 0.7: 2.6, 0.4: 6.0}
    heads = [judged(0.6, score, coarsest_mm=side) for score, side in sides.items()]
    fine, usual, thick = references_of(heads, "seven heads")

    assert dict.fromkeys(SIGNALS, (0.1, 0.2, 0.3)) == fine.scores
    assert dict.fromkeys(SIGNALS, (0.5, 0.6)) == usual.scores
    assert dict.fromkeys(SIGNALS, (0.4, 0.7)) == thick.scores
    assert (1.5, 2.5, None) == (fine.coarsest_mm, usual.coarsest_mm, thick.coarsest_mm)


def test_the_threshold_is_the_score_that_tells_the_impaired_from_the_others():
    clean = [judged(0.85, score) for score in (0.1, 0.2, 0.3)]
    spoilt = [judged(0.80, 0.4), judged(0.70, 0.5), judged(0.50, 0.9)]

    assert thresholds_of(clean, spoilt).impaired == 0.4


def test_where_nothing_is_impaired_the_threshold_is_the_highest_score():
    assert thresholds_of([judged(0.85, 0.2)], [judged(0.84, 0.7)]).impaired == 0.7


def test_margins_just_hold_nine_of_ten_truths():
    heads = [judged(0.85, 0.1, truth=100.0 + 2 * n) for n in range(21)]
    margin = margins_of(heads)["grey matter"]
    width = 18.0 + 1.0  # the sampled interval from 91 to 109, and one per cent of its middle

    assert set(margins_of(heads)) == set(TISSUES[1:])
    assert 1 == sum(head.row.true_volumes_ml["grey matter"] > 109.0 + (margin + 1e-6) * width for head in heads)
