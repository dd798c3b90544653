"""Which judged series become references, and what the cells they make are good for."""

from dataclasses import replace
from math import nan

import pytest
from builders.judging.values import manifest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.judging.reference import Origin, choose, is_sound, of_manifest
from daemon.core.judging.rule import Rule
from daemon.core.people.calibration import LeftOut, Scored, Selection, coverage, learn
from daemon.core.people.card import Choice
from daemon.core.values import State
from models.manifest import Reference

FACTS = replace(
    manifest(),
    references=(Reference(source="made", scores={"uncertainty": (1.0,), "entropy": (1.0,)}),),
    thresholds=replace(manifest().thresholds, alpha=0.1),
)
ORIGIN = Origin(scanner="MR1", protocol="t1", coarsest_mm=1.0)


def scored(number, *, scanner="MR1", protocol="t1", state=State.ACCEPT, bundle="b", **scores):
    values = {"uncertainty": float(number), "entropy": -float(number), "snr": 20.0} | scores
    return Scored(
        series_instance_uid=f"1.2.{number}",
        scanner=scanner,
        protocol=protocol,
        bundle=bundle,
        state=state,
        scores=values,
    )


def learnt(series, **selection):
    return learn(series, FACTS, "b", Selection(**selection), made_at=7.0)


def test_scores_are_kept_by_scanner_and_protocol_ascending_and_of_the_bundles_signals_alone():
    found, left_out = learnt([scored(2), scored(1), scored(3, protocol="t2"), scored(4, scanner="MR2")])

    assert [("MR1", "t1", 2), ("MR1", "t2", 1), ("MR2", "t1", 1)] == [
        (cell.scanner, cell.protocol, cell.count) for cell in found.cells
    ]
    assert {"uncertainty": (1.0, 2.0), "entropy": (-2.0, -1.0)} == found.cells[0].scores
    assert ("b", 7.0, {}) == (found.bundle, found.made_at, left_out)


def test_review_counts_and_neither_rescan_nor_what_was_not_assessed():
    series = [scored(number, state=state) for number, state in enumerate(State)]
    found, left_out = learnt(series)

    assert (0.0, 1.0) == found.cells[0].scores["uncertainty"]  # ACCEPT, REVIEW
    assert {LeftOut.VERDICT: 2} == left_out


def test_accepted_only_leaves_review_out():
    found, left_out = learnt([scored(1), scored(2, state=State.REVIEW)], states={State.ACCEPT})

    assert ((1.0,), {LeftOut.VERDICT: 1}) == (found.cells[0].scores["uncertainty"], left_out)


def test_another_bundles_scores_and_those_of_an_unknown_one_are_left_out():
    found, left_out = learnt([scored(1), scored(2, bundle="other"), scored(3, bundle="")])

    assert ((1.0,), {LeftOut.BUNDLE: 2}) == (found.cells[0].scores["uncertainty"], left_out)


def test_what_a_person_rejected_is_left_out():
    found, left_out = learnt([scored(1), scored(2)], rejected={"1.2.2", "1.2.99"})

    assert ((1.0,), {LeftOut.REJECTED: 1}) == (found.cells[0].scores["uncertainty"], left_out)


@pytest.mark.parametrize(
    ("state", "choice", "counts"),
    [
        (State.RESCAN, Choice.WRONG, None),
        (State.RESCAN, Choice.REPEATED, LeftOut.VERDICT),
        (State.RESCAN, Choice.ACCEPTED, LeftOut.VERDICT),
        (State.REVIEW, Choice.REPEATED, LeftOut.ANSWERED),
        (State.REVIEW, Choice.NOT_POSSIBLE, LeftOut.ANSWERED),
        (State.REVIEW, Choice.WRONG, None),
        (State.REVIEW, Choice.ACCEPTED, None),
        (State.ACCEPT, Choice.WRONG, LeftOut.ANSWERED),
        (State.ACCEPT, Choice.REPEATED, LeftOut.ANSWERED),
        (State.NOT_ASSESSED, Choice.WRONG, LeftOut.VERDICT),
    ],
)
def test_an_answer_says_which_series_are_references(state, choice, counts):
    found, left_out = learnt([replace(scored(1, state=state), choice=choice)])

    assert (counts is None, [counts] * (counts is not None)) == (bool(found.cells), list(left_out))


def test_a_series_without_a_number_for_each_signal_is_left_out():
    lacking = replace(scored(3), scores={"uncertainty": 1.0})
    found, left_out = learnt([scored(1), scored(2, entropy=nan), lacking])

    assert ((1.0,), {LeftOut.NO_NUMBER: 2}) == (found.cells[0].scores["uncertainty"], left_out)


def test_leaving_review_out_again_and_again_tightens_the_limit_and_keeping_it_does_not():
    """The ratchet: why REVIEW counts by default."""

    def limits(states):
        series = [scored(number, uncertainty=float(number), entropy=0.0) for number in range(200)]
        found = []
        for _ in range(5):
            standard = choose(learnt(series, states=states)[0], FACTS, ORIGIN)
            found.append(standard.limit("uncertainty"))
            series = [
                replace(one, state=State.REVIEW if one.scores["uncertainty"] > found[-1] else State.ACCEPT)
                for one in series
            ]
        return found

    assert 1 == len(set(limits({State.ACCEPT, State.REVIEW})))
    shrinking = limits({State.ACCEPT})
    assert sorted(set(shrinking), reverse=True) == shrinking


def test_a_cell_is_used_from_the_count_on_that_allows_an_alarm():
    for count, used_by, missing in ((19, "protocol", 0), (18, "manifest", 1)):
        (line,) = coverage(learnt([scored(number) for number in range(count)])[0], FACTS)

        assert (count, used_by, missing, missing) == (line.count, line.used_by, line.missing, line.scanner_missing)
        assert 2 / (count + 1) == line.smallest_rate


def test_by_quartiles_a_cell_is_used_sooner_and_promises_no_rate():
    for count, used_by, missing in ((12, "protocol", 0), (11, "manifest", 1)):
        (line,) = coverage(learnt([scored(number) for number in range(count)])[0], FACTS, Rule.IQR)

        assert (used_by, missing, None) == (line.used_by, line.missing, line.smallest_rate)


def test_a_small_cell_of_a_busy_scanner_leans_on_it():
    busy = [scored(number) for number in range(30)]
    first, second = coverage(learnt([*busy, scored(99, protocol="t2")])[0], FACTS)

    assert ("protocol", "scanner", 18, 0) == (first.used_by, second.used_by, second.missing, second.scanner_missing)
    assert 1.0 == second.smallest_rate


@given(
    st.lists(st.tuples(st.sampled_from(["A", "B"]), st.sampled_from(["x", "y", ""])), max_size=120),
    st.sampled_from(Rule),
)
def test_the_table_tells_what_the_judge_will_do(origins, rule):
    series = [scored(number, scanner=s, protocol=p) for number, (s, p) in enumerate(origins)]
    references, _ = learnt(series)

    assert is_sound(references, FACTS.compared)
    for line in coverage(references, FACTS, rule):
        standard = choose(references, FACTS, replace(ORIGIN, scanner=line.scanner, protocol=line.protocol), rule)
        pooled = sum(scanner == line.scanner for scanner, _ in origins)
        counts = {"protocol": line.count, "scanner": pooled, "manifest": 1}
        assert counts[line.used_by] == len(standard.scores["uncertainty"])
        assert (line.used_by == "manifest") == (standard == of_manifest(FACTS, 1.0, rule))
