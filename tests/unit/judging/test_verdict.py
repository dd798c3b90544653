"""What the radiographer is told follows from the kinds of evidence above their limits, and from nothing else."""

import math
from dataclasses import replace

import pytest
from builders.judging.values import assessment, manifest, measure
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import Reason
from daemon.core.judging.reference import of_manifest
from daemon.core.judging.verdict import decide, decline
from daemon.core.measures import Assessment, Measure
from daemon.core.values import State
from models.findings import Evidence, Findings, Loss, Structure
from models.manifest import Reference
from models.physics.artefacts import ARTEFACTS, Artefact


def decided(found, **thresholds):
    facts = manifest()
    return decide(found, replace(facts, thresholds=replace(facts.thresholds, **thresholds)))


def test_nothing_above_its_limit_is_accepted():
    verdict = decided(assessment())

    assert (verdict.state, verdict.cause, verdict.reasons) == (State.ACCEPT, None, ())


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_an_artefact_that_impairs_the_task_asks_for_a_rescan_with_its_action(artefact):
    verdict = decided(assessment({artefact: 2.0}))

    entry = manifest().causes[artefact]

    assert (State.RESCAN, artefact.value) == (verdict.state, verdict.cause)
    assert (entry.word, entry.action) == (verdict.cause_word, verdict.action)
    assert any(entry.word in reason for reason in verdict.reasons)


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_an_artefact_that_leaves_the_task_alone_asks_for_a_look(artefact):
    verdict = decided(assessment({artefact: 0.5}))

    assert (State.REVIEW, artefact.value) == (verdict.state, verdict.cause)


def test_the_cause_is_the_artefact_furthest_above_its_limit():
    both = assessment({Artefact.NOISE: 2.0, Artefact.MOTION: 3.0})

    assert ("motion", "Motion") == (decided(both).cause, decided(both).cause_word)


def test_a_segmentation_signal_alone_never_asks_for_a_rescan():
    odd = assessment(entropy=9.0)
    verdict = decided(odd)

    assert (verdict.state, verdict.cause) == (State.REVIEW, None)


def test_without_an_artefact_in_the_image_uncertainty_never_asks_for_a_rescan():
    """sub-21, the one clean person with a false alarm: uncertain labels, and a spectrum like everybody's."""
    unexplained = assessment({Artefact.MOTION: 2.0}, presence=dict.fromkeys(ARTEFACTS, 0.1))
    verdict = decided(unexplained)

    assert (State.REVIEW, None) == (verdict.state, verdict.cause)
    assert "no artefact" in verdict.action


@given(st.lists(st.floats(0, 50), min_size=5, max_size=5))
def test_more_of_an_artefact_never_makes_a_milder_verdict(levels):
    order = [State.ACCEPT, State.REVIEW, State.RESCAN]
    worst = 0
    for factor in (0.1, 0.5, 1, 2, 10):
        found = decided(assessment(dict(zip(ARTEFACTS, [factor * v for v in levels], strict=True))))
        assert order.index(found.state) >= worst
        worst = order.index(found.state)


def test_the_rating_falls_with_the_uncertainty():
    ratings = [decided(assessment({Artefact.BLUR: value})).rating for value in (0, 0.5, 1, 5, 500)]

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


def far_from_every_head(presence):
    """An assessment with a feature distance above its limit, and the probability of a spike."""
    return assessment({Artefact.SPIKE: 2.0}, presence={"spike": presence}, distance=5.0)


def test_what_is_unlike_every_head_is_a_review_with_that_reason_and_no_cause():
    verdict = decided(far_from_every_head(0.5))

    assert (State.REVIEW, None) == (verdict.state, verdict.cause)
    assert "unlike every head" in verdict.action
    assert any("feature distance" in reason for reason in verdict.reasons)


def test_an_artefact_that_is_plain_in_the_spectrum_explains_a_strange_head():
    verdict = decided(far_from_every_head(0.99))

    assert (State.RESCAN, "spike") == (verdict.state, verdict.cause)


def test_causes_that_share_one_probability_explain_a_strange_head_together():
    """Lost lines look like motion: which it is the variances say; that one of both shows is plain."""
    torn = replace(far_from_every_head(0.5), presence={"wrap": 0.45, "motion": 0.47})

    assert (State.REVIEW, None) == (decided(torn).state, decided(torn).cause)
    explained = decided(replace(torn, any_cause=0.92))
    assert (State.RESCAN, "spike") == (explained.state, explained.cause)


def answer(*measures, **changes):
    """An assessment of some measures alone."""
    return Assessment(primary=measures[0].name, measures=measures, **changes)


def test_a_distance_alone_with_nothing_that_could_explain_it_is_a_review():
    far = answer(measure("feature distance", 5.0, limit=3.0))

    assert (State.REVIEW, None) == (decided(far).state, decided(far).cause)
    assert "unlike every head" in decided(far).action


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Evidence.IMAGE, State.REVIEW),
        (Evidence.SEGMENTATION, State.REVIEW),
        (Evidence.FAMILIARITY, State.REVIEW),
        (Evidence.DESCRIPTIVE, State.ACCEPT),
    ],
)
def test_an_answer_without_any_cause_gets_a_verdict_by_the_kind_of_its_evidence(kind, expected):
    """However far above its limit, however impaired the task: who knows no cause cannot ask for a rescan."""
    odd = answer(Measure(name="odd", value=9.0, evidence=kind, limit=1.0))

    assert (expected, None) == (decided(odd).state, decided(odd).cause)


@pytest.mark.parametrize("kind", Evidence)
@given(st.floats(0, 100), st.floats(0, 1))
def test_only_evidence_of_the_image_asks_for_a_rescan(kind, value, presence):
    told = Measure(name="x", value=value, evidence=kind, limit=1.0, cause="motion")
    state = decided(answer(told, presence={"motion": presence})).state

    assert (state is State.RESCAN) <= (kind is Evidence.IMAGE)


def lossy(expected, low, high, *measures, presence=0.9):
    calm = measure("uncertainty", 0.1, limit=0.3)
    loss = Loss(expected=expected, interval=(low, high))
    return answer(calm, measure("motion", 0.1, limit=0.3), *measures, presence={"motion": presence}, loss=loss)


def test_the_verdict_is_asked_of_the_expected_loss_where_the_method_tells_it():
    """Tolerated is 0.1: certain loss is a rescan, expected loss a look, none a pass, whatever the total says."""
    assert State.ACCEPT is decided(lossy(0.02, 0.0, 0.08)).state
    assert State.REVIEW is decided(lossy(0.12, 0.05, 0.2)).state
    assert State.RESCAN is decided(lossy(0.2, 0.15, 0.3)).state
    assert "expected loss 0.2 (0.15 to 0.3) above 0.1" in decided(lossy(0.2, 0.15, 0.3)).reasons
    assert "no artefact" in decided(lossy(0.2, 0.15, 0.3, presence=0.1)).action


def test_what_is_unusual_but_harmless_is_a_review():
    unusual = lossy(0.01, 0.0, 0.03, measure("noise", 9.0, limit=0.3))

    assert (State.REVIEW, "noise") == (decided(unusual).state, decided(unusual).cause)


def test_unusual_evidence_of_the_image_without_a_cause_of_its_own_is_put_down_to_what_shows_most():
    spoilt = Measure(name="artefact", value=0.97, evidence=Evidence.IMAGE, limit=0.5)
    shown = {"noise": 0.05, "motion": 0.92}

    assert "motion" == decided(answer(spoilt, presence=shown)).cause
    assert decided(answer(spoilt, presence={"noise": 0.05, "motion": 0.1})).cause is None


def test_a_rank_that_is_no_number_is_never_accepted():
    verdict = decided(answer(measure("uncertainty", math.nan, limit=0.3)))

    assert (State.REVIEW, None, ("uncertainty is no number",)) == (verdict.state, verdict.rating, verdict.reasons)


def test_a_number_cannot_be_told_twice():
    """Two truths of one name, and a verdict that takes its reasons from one and its state from the other."""
    with pytest.raises(ValueError, match="told twice: uncertainty"):
        answer(measure("uncertainty", 0.1, limit=0.3), measure("uncertainty", 9.0, limit=0.3))
    with pytest.raises(ValueError, match="told twice: grey matter"):
        Findings(signals=(), structures=(Structure(name="grey matter", volume_ml=1.0),) * 2)
    with pytest.raises(ValueError, match="no measure is called rank"):
        Assessment(primary="rank", measures=())


@pytest.mark.parametrize(("count", "more"), [(1, ""), (3, ", and at 2 places more")])
def test_numbers_of_single_volumes_are_told_by_the_worst_place_and_how_many_there_are(count, more):
    places = [measure("entropy", 9.0 if n == 16 else 1.0, limit=0.3, at=(n,)) for n in range(17 - count, 17)]
    verdict = decided(answer(measure("uncertainty", 0.1), *places))

    assert (f"entropy at volume 17 9 above 0.3{more}",) == verdict.reasons


def test_the_worst_place_stands_for_a_signal_that_has_several():
    places = [measure("uncertainty", value, at=(n,)) for n, value in enumerate([0.1, 7.0, 0.2])]

    assert 7.0 == answer(*places).rank.value
    assert "volume 2" == answer(*places).rank.place
    assert math.isnan(answer(*places, measure("uncertainty", math.nan, at=(3,))).rank.value)


@pytest.mark.parametrize("at", [(0, 1, 2), (-1,)])
def test_a_place_that_no_axis_counts_is_none(at):
    with pytest.raises(ValueError, match="along volume, slice"):
        measure("entropy", 1.0, at=at)
