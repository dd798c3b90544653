"""A series is compared with the finest group of accepted series that is large enough to say anything."""

from dataclasses import replace
from math import inf, nextafter

import numpy as np
import pytest
from builders.judging.values import manifest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.judging.assessment import assess
from daemon.core.judging.reference import (
    Cell,
    Origin,
    References,
    Standard,
    choose,
    fewest,
    is_sound,
    of_manifest,
)
from daemon.core.judging.rule import Rule
from models.findings import Evidence, Findings, Signal
from models.manifest import Reference
from models.preprocess import coarsest_mm
from models.statistics.uncertainty import conformal_p_value

SIGNALS = ("uncertainty", "entropy")
THRESHOLDS = replace(manifest().thresholds, alpha=0.1)
OWN = Reference(source="synthetic heads", scores=dict.fromkeys(SIGNALS, tuple(float(i) for i in range(99))))
FACTS = replace(manifest(), references=(OWN,), thresholds=THRESHOLDS)
FINDINGS = Findings(signals=(FACTS.signal("uncertainty", 1.0),))
#: alpha / J = 0.05: 1 / (19 + 1).
ENOUGH = 19
ORIGIN = Origin(scanner="MR1", protocol="t1", coarsest_mm=1.0)

numbers = st.floats(-1e6, 1e6, allow_nan=False)


def cell(scanner, protocol, count, first=0.0):
    return Cell(
        scanner=scanner,
        protocol=protocol,
        scores=dict.fromkeys(SIGNALS, tuple(first + i for i in range(count))),
    )


def told(value, name="s"):
    return Signal(name=name, value=value, evidence=Evidence.IMAGE)


def references(*cells):
    return References(bundle="b", made_at=1.0, cells=cells)


def name(*cells, scanner="MR1", protocol="t1"):
    return choose(references(*cells), FACTS, replace(ORIGIN, scanner=scanner, protocol=protocol)).name


def test_a_protocol_with_enough_series_is_compared_with_itself():
    chosen = choose(references(cell("MR1", "t1", ENOUGH, 5.0), cell("MR1", "t2", 50)), FACTS, ORIGIN)

    assert "scanner MR1, protocol t1: 19 series" == chosen.name
    assert tuple(5.0 + i for i in range(ENOUGH)) == chosen.scores["uncertainty"]
    assert 0.05 == chosen.level


def test_one_series_less_and_all_of_the_scanner_is_taken():
    chosen = choose(references(cell("MR1", "t1", ENOUGH - 1, 5.0), cell("MR1", "t2", 1)), FACTS, ORIGIN)

    assert "scanner MR1, all protocols: 19 series" == chosen.name
    assert (0.0, 5.0, 6.0) == chosen.scores["entropy"][:3]


def test_a_scanner_with_too_few_is_compared_with_the_bundles_own():
    assert "manifest: 99 series (synthetic heads)" == name(cell("MR1", "t1", ENOUGH - 2), cell("MR1", "t2", 1))


def test_another_scanner_never_helps_out():
    assert name(cell("MR2", "t1", 500)).startswith("manifest")
    assert name(cell("MR2", "t1", 500), cell("MR1", "t9", ENOUGH)).startswith("scanner MR1, all protocols: 19")


def test_an_unknown_protocol_is_compared_with_all_of_its_scanner():
    assert "scanner MR1, all protocols: 40 series" == name(cell("MR1", "t1", 40), protocol="new")


def test_without_a_name_a_protocol_is_a_group_too():
    assert "scanner MR1, protocol without a name: 40 series" == name(cell("MR1", "", 40), protocol="")


def test_without_references_the_bundle_serves():
    assert of_manifest(FACTS, 1.0) == choose(None, FACTS, ORIGIN)
    assert of_manifest(FACTS, 1.0) == choose(references(), FACTS, ORIGIN)


def test_a_series_is_compared_with_the_bundles_heads_of_its_own_resolution():
    fine = replace(OWN, source="fine heads", coarsest_mm=1.5)
    facts = replace(FACTS, references=(fine, OWN))

    for side, source in ((0.7, fine.source), (1.5, fine.source), (nextafter(1.5, 2), OWN.source), (9.0, OWN.source)):
        origin = replace(ORIGIN, coarsest_mm=side)

        assert f"manifest: 99 series ({source})" == choose(None, facts, origin).name
        assert choose(references(cell("MR1", "t1", 40)), facts, origin).name.startswith("scanner MR1, protocol t1")


def test_the_resolution_of_a_volume_is_the_longest_side_of_its_voxels_however_it_lies():
    turned = np.array([[0, 0, -4.0], [0.6, -0.4, 0], [0.8, 0.3, 0]])
    affine = np.eye(4)
    affine[:3, :3] = turned

    assert 4.0 == coarsest_mm(affine)


def test_a_bundle_that_compares_nothing_is_left_at_that():
    assert {} == choose(references(cell("MR1", "t1", 500)), manifest(), ORIGIN).scores


def test_the_rule_reaches_every_reference():
    for cells in ([cell("MR1", "t1", 50)], []):
        assert Rule.IQR is choose(references(*cells), FACTS, ORIGIN, Rule.IQR).rule


@given(st.floats(0.001, 0.9))
def test_the_fewest_references_are_enough_for_an_alarm_and_one_less_is_not(level):
    scores = tuple(map(float, range(fewest(level))))

    assert conformal_p_value(scores, 1e9) <= level
    assert not scores or conformal_p_value(scores[1:], 1e9) > level


@pytest.mark.parametrize(("alpha", "signals", "needed"), [(0.1, 1, 9), (0.05, 1, 19), (0.01, 1, 99), (0.1, 3, 29)])
def test_the_count_that_is_needed(alpha, signals, needed):
    assert needed == fewest(alpha / signals)


def test_quartiles_need_fewer_references_than_p_values_and_no_fewer_than_twelve():
    for count, own in ((12, "scanner MR1, protocol t1: 12 series"), (11, "manifest: 99 series (synthetic heads)")):
        assert own == choose(references(cell("MR1", "t1", count)), FACTS, ORIGIN, Rule.IQR).name
        assert name(cell("MR1", "t1", count)).startswith("manifest")


@given(st.lists(numbers, max_size=120), numbers, st.sampled_from([0.1, 0.05, 0.1 / 3, 0.29, 0.07]))
def test_the_p_value_and_the_limit_give_the_same_answer(scores, value, level):
    standard = Standard(name="", scores={"s": tuple(sorted(scores))}, level=level)
    for score in (value, *scores, *(nextafter(s, inf) for s in scores), inf, -inf, float("nan")):
        measure = standard.measure(told(score))

        assert (measure.value > measure.limit) == measure.abnormal


def test_a_measure_without_reference_has_neither_limit_nor_p_value():
    measure = Standard(name="", scores={}, level=0.05).measure(told(9.0))

    assert (None, None, False) == (measure.limit, measure.p_value, measure.abnormal)


def test_the_interquartile_rule_decides_by_its_fence_and_still_gives_the_p_value():
    scores = tuple(np.random.default_rng(1).normal(size=400))
    conformal, fence = (Standard(name="", scores={"s": scores}, level=0.05, rule=rule) for rule in Rule)
    usual = conformal.limit("s") + 0.1

    assert fence.limit("s") > usual
    assert conformal.measure(told(usual)).abnormal
    assert not fence.measure(told(usual)).abnormal
    assert conformal.measure(told(usual)).p_value == fence.measure(told(usual)).p_value
    assert fence.measure(told(fence.limit("s") + 1e-9)).abnormal


def test_an_assessment_says_what_it_was_compared_with():
    standard = choose(references(cell("MR1", "t1", 40, first=5.0)), FACTS, ORIGIN)

    assert "manifest: 99 series (synthetic heads)" == assess(FINDINGS, FACTS, of_manifest(FACTS, 1.0)).reference
    assert "scanner MR1, protocol t1: 40 series" == assess(FINDINGS, FACTS, standard).reference
    assert standard.limit("uncertainty") == assess(FINDINGS, FACTS, standard).rank.limit


@pytest.mark.parametrize(
    "scores",
    [
        {"uncertainty": (1.0,)},
        {"uncertainty": (1.0,), "entropy": ()},
        {"uncertainty": (1.0,), "entropy": (1.0,), "task": (1.0,)},
        {"uncertainty": (2.0, 1.0), "entropy": (1.0, 2.0)},
        {"uncertainty": (float("nan"),), "entropy": (1.0,)},
        {"uncertainty": (inf,), "entropy": (1.0,)},
    ],
)
def test_a_cell_that_is_not_whole_is_not_sound(scores):
    assert is_sound(references(cell("MR1", "t1", 3)), SIGNALS)
    assert not is_sound(references(Cell(scanner="MR1", protocol="t1", scores=scores)), SIGNALS)
