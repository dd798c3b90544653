"""What the radiographer is told follows from which signals are above their limits, and from nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from builders import assessment, manifest, prediction
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.assessment import assess
from daemon.core.errors import Reason
from daemon.core.reference import of_manifest
from daemon.core.values import Measure, State
from daemon.core.verdict import ACTIONS, decide, decline
from models.artefacts import ARTEFACTS, Artefact
from models.bundle import Reference, Thresholds
from models.familiarity import FEATURES, HISTOGRAM

THRESHOLDS = Thresholds(alpha=0.05, impaired=1.0, dice_loss=0.1, unfamiliar=0.02)


def assessed(found, facts, distances=None):
    """Compared with the bundle's own reference."""
    return assess(found, facts, of_manifest(facts, 1.0), distances)


def test_nothing_above_its_limit_is_accepted():
    verdict = decide(assessment(), THRESHOLDS)

    assert (verdict.state, verdict.cause, verdict.reasons) == (State.ACCEPT, None, ())


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_an_artefact_that_impairs_the_task_asks_for_a_rescan_with_its_action(artefact):
    verdict = decide(assessment({artefact: 2.0}), THRESHOLDS)

    assert (State.RESCAN, artefact, ACTIONS[artefact]) == (verdict.state, verdict.cause, verdict.action)
    assert any(artefact in reason for reason in verdict.reasons)


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_an_artefact_that_leaves_the_task_alone_asks_for_a_look(artefact):
    verdict = decide(assessment({artefact: 0.5}), THRESHOLDS)

    assert (State.REVIEW, artefact) == (verdict.state, verdict.cause)


def test_the_cause_is_the_artefact_furthest_above_its_limit():
    both = assessment({Artefact.NOISE: 2.0, Artefact.MOTION: 3.0})

    assert Artefact.MOTION is decide(both, THRESHOLDS).cause


def test_a_segmentation_signal_alone_never_asks_for_a_rescan():
    odd = assessment(entropy=9.0)
    verdict = decide(odd, THRESHOLDS)

    assert (verdict.state, verdict.cause) == (State.REVIEW, None)


def test_without_an_artefact_in_the_image_uncertainty_never_asks_for_a_rescan():
    """sub-21, the one clean person with a false alarm: uncertain labels, and a spectrum like everybody's."""
    unexplained = replace(assessment({Artefact.MOTION: 2.0}), causes=dict.fromkeys(ARTEFACTS, 0.1))
    verdict = decide(unexplained, THRESHOLDS)

    assert (State.REVIEW, None) == (verdict.state, verdict.cause)
    assert "no artefact" in verdict.action


@given(st.lists(st.floats(0, 50), min_size=5, max_size=5))
def test_more_of_an_artefact_never_makes_a_milder_verdict(levels):
    order = [State.ACCEPT, State.REVIEW, State.RESCAN]
    worst = 0
    for factor in (0.1, 0.5, 1, 2, 10):
        found = decide(assessment(dict(zip(ARTEFACTS, [factor * v for v in levels], strict=True))), THRESHOLDS)
        assert order.index(found.state) >= worst
        worst = order.index(found.state)


def test_the_rating_falls_with_the_uncertainty():
    ratings = [decide(assessment({Artefact.BLUR: value}), THRESHOLDS).rating for value in (0, 0.5, 1, 5, 500)]

    assert sorted(ratings, reverse=True) == ratings
    assert 0 <= ratings[-1] <= ratings[0] <= 100


@pytest.mark.parametrize("reason", Reason)
def test_declining_says_why(reason):
    verdict = decline(reason)

    assert (State.NOT_ASSESSED, reason) == (verdict.state, verdict.not_assessed)
    assert reason.value in verdict.action


def test_every_signal_gets_its_share_of_the_false_alarms():
    """Bonferroni: with k signals of n references each, the limit is the score that alpha / k of them exceed."""
    reference = {name: tuple(float(i) for i in range(199)) for name in ("noise", "uncertainty")}
    facts = replace(manifest(), references=(Reference(source="test", scores=reference),))

    assert {"noise": 194.0, "uncertainty": 194.0} == {name: of_manifest(facts, 1.0).limit(name) for name in reference}


def test_an_artefacts_part_has_the_limit_of_the_total():
    reference = {"uncertainty": tuple(float(i) for i in range(199)), "entropy": (0.0,) * 199}
    found = assessed(prediction(), replace(manifest(), references=(Reference(source="test", scores=reference),)))

    assert {194.0} == {measure.limit for measure in (found.uncertainty, *found.artefacts.values())}
    assert {1.0} == {measure.p_value for measure in (found.uncertainty, *found.artefacts.values())}
    assert (None, None) == (found.measures["task"].limit, found.measures["task"].p_value)


def test_variances_count_within_the_judged_tissue_and_its_rim_only():
    inside, outside = prediction(), prediction()
    inside.variances[Artefact.NOISE][4, 4, 4] = 7.0
    outside.variances[Artefact.NOISE][0, 0, 0] = 7.0

    assert assessed(inside, manifest()).artefacts[Artefact.NOISE].value == pytest.approx(1.0)
    assert assessed(outside, manifest()).artefacts[Artefact.NOISE].value == 0.0


def test_volumes_are_sums_of_probability_in_millilitres():
    found = assessed(prediction(), manifest()).volumes_ml

    assert found["grey matter"] == pytest.approx(1 * 8 / 1000)
    assert set(found) == {"CSF", "grey matter", "white matter"}
    assert np.isnan(assessed(prediction(), manifest()).measures["snr"].value)


def far_from_every_head(presence):
    """An assessment with a feature distance above its limit, and the probability of a spike."""
    found = assessment({Artefact.SPIKE: 2.0})
    distance = {FEATURES: Measure(value=5.0, unit="1", limit=3.0)}
    return replace(found, measures=found.measures | distance, causes=found.causes | {Artefact.SPIKE: presence})


def test_what_is_unlike_every_head_is_a_review_with_that_reason_and_no_cause():
    verdict = decide(far_from_every_head(0.5), THRESHOLDS)

    assert (State.REVIEW, None) == (verdict.state, verdict.cause)
    assert "body part" in verdict.action
    assert any(FEATURES in reason for reason in verdict.reasons)


def test_an_artefact_that_is_plain_in_the_spectrum_explains_a_strange_head():
    verdict = decide(far_from_every_head(0.99), THRESHOLDS)

    assert (State.RESCAN, Artefact.SPIKE) == (verdict.state, verdict.cause)


def test_distances_are_compared_with_the_known_heads_of_the_bundle():
    known = Reference(source="heads", scores={FEATURES: tuple(float(i) for i in range(99)), HISTOGRAM: (1.0,) * 99})
    facts = replace(manifest(), known=known)
    found = assessed(prediction(), facts, distances={FEATURES: 98.0, HISTOGRAM: 1.5}).measures

    assert (98.0, 1.0) == (found[FEATURES].limit, found[HISTOGRAM].limit)
    assert not found[FEATURES].abnormal
    assert found[HISTOGRAM].abnormal


def test_volumes_come_with_the_interval_of_their_samples_widened_by_the_bundles_margin():
    samples = np.tile(np.linspace(500, 600, 21, dtype=np.float32)[:, None], (1, 4))
    drawn = replace(prediction(), volume_samples_ml=samples)
    narrow = assessed(drawn, manifest()).intervals_ml["grey matter"]
    wide = assessed(drawn, replace(manifest(), interval_margins={"grey matter": 0.5})).intervals_ml["grey matter"]

    assert (505.0, 595.0) == pytest.approx(narrow)
    assert (505 - 0.5 * 95.5, 595 + 0.5 * 95.5) == pytest.approx(wide)
