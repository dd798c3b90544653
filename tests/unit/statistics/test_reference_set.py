"""What is usual of a protocol: validity of the p-values, what moves them, and what is told beside them."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from models.statistics.reference_set import FAR, FEWEST, Comparison, Kind, Learning, Worse, compare, distances, far

KINDS = (
    Kind(name="noise", family="background"),
    Kind(name="haze", family="background"),
    Kind(name="snr", family="tissue", worse=Worse.LOWER),
    Kind(name="zeros", family="values", worse=Worse.EITHER, ratio=False),
)


def series(rng, count):
    """Measures of skewed, correlated distributions."""
    noise, own = rng.gamma(3, 2, count), rng.normal(0, 0.1, (2, count))
    haze, snr = noise * np.exp(own[0]), 40 / noise * np.exp(own[1])
    zeros = np.where(rng.random(count) < 0.8, 0.0, rng.random(count))
    return [
        {"noise": float(n), "haze": float(h), "snr": float(s), "zeros": float(z)}
        for n, h, s, z in zip(noise, haze, snr, zeros, strict=True)
    ]


def compared(past, new, kinds=KINDS):
    found = compare(past, new, kinds)
    assert isinstance(found, Comparison)
    return found


PAST = series(np.random.default_rng(7), 40)
USUAL = {name: float(np.median([one[name] for one in PAST])) for name in PAST[0]}


def test_p_values_of_series_like_the_past_are_uniform():
    rng = np.random.default_rng(5)
    values = [compared(series(rng, 19), series(rng, 1)[0]).p_value for _ in range(1500)]
    ranks = np.round(np.array(values) * 20).astype(int)

    assert scipy.stats.chisquare(np.bincount(ranks, minlength=21)[1:]).pvalue > 0.01


@pytest.mark.parametrize("rate", [0.05, 0.1])
def test_families_together_raise_no_more_false_alarms_than_stated(rate):
    rng = np.random.default_rng(6)
    alarms = [min(compared(series(rng, 59), series(rng, 1)[0]).families.values()) <= rate for _ in range(800)]

    assert np.mean(alarms) <= rate + 3 * np.sqrt(rate * (1 - rate) / 800)


@given(st.integers(0, FEWEST - 1))
def test_fewer_series_than_needed_are_still_learning(count):
    assert f"learning ({count} of 12)" == str(compare(PAST[:count], USUAL, KINDS))


def test_so_few_series_as_needed_compare_and_say_what_rate_they_allow():
    assert 1 / 13 == pytest.approx(compared(PAST[:FEWEST], USUAL).smallest_rate)


def test_what_is_worst_comes_first_with_its_ratio_to_the_usual():
    worst = compared(PAST, {**USUAL, "noise": 3 * USUAL["noise"]}).deviations[0]

    assert "noise" == worst.name
    assert 3.0 == pytest.approx(worst.times, rel=0.02)
    assert USUAL["noise"] == pytest.approx(worst.usual, rel=0.02)


@pytest.mark.parametrize(
    ("name", "factor", "far"), [("noise", 20, True), ("noise", 0.05, False), ("snr", 0.05, True), ("snr", 20, False)]
)
def test_a_measure_counts_on_the_side_on_which_it_is_worse(name, factor, far):
    found = compared(PAST, {**USUAL, name: factor * USUAL[name]}, [kind for kind in KINDS if kind.name == name])

    assert far == (found.p_value == 1 / 41)


@pytest.mark.parametrize("value", [0.9, -0.9])
def test_a_measure_that_is_worse_on_either_side_counts_on_both(value):
    past = [{"shift": x} for x in np.random.default_rng(1).normal(0, 0.1, 30)]

    assert (
        1 / 31
        == compared(past, {"shift": value}, [Kind(name="shift", family="f", worse=Worse.EITHER, ratio=False)]).p_value
    )


@given(st.permutations(range(40)))
def test_the_order_of_the_past_does_not_matter(order):
    found, again = compared(PAST, PAST[3]), compared([PAST[index] for index in order], PAST[3])

    assert (found.p_value, found.families) == (again.p_value, again.families)
    assert found.distance == pytest.approx(again.distance)


@given(st.floats(1e-6, 1e6))
def test_the_unit_of_a_ratio_does_not_matter(factor):
    scaled = [{**one, "noise": factor * one["noise"]} for one in PAST]
    new = {**USUAL, "noise": 2 * USUAL["noise"]}

    assert compared(PAST, new).distance == pytest.approx(
        compared(scaled, {**new, "noise": factor * new["noise"]}).distance, rel=1e-6
    )


def test_many_new_series_lie_as_far_in_one_pass_as_one_by_one():
    news = series(np.random.default_rng(3), 9)
    found = distances(PAST, news, KINDS)

    assert (9, 41) == found.shape
    assert [compared(PAST, one).distance for one in news] == pytest.approx(found[:, -1].tolist())
    assert [compared(PAST, one).p_value for one in news] == [(1 + (row[:-1] >= row[-1]).sum()) / 41 for row in found]


def test_one_odd_series_of_the_past_moves_nothing_much():
    odd = [*PAST, {"noise": 1e9, "haze": 1e9, "snr": 1e-9, "zeros": 1.0}]
    new = {**USUAL, "noise": 20 * USUAL["noise"]}

    assert compared(PAST, new).distance == pytest.approx(compared(odd, new).distance, rel=0.15)


def test_a_past_without_any_spread_tells_what_is_different():
    past = [{"noise": 5.0}] * 20
    kinds = [KINDS[0]]

    assert 1.0 == compared(past, {"noise": 5.0}, kinds).p_value
    assert 1 / 21 == compared(past, {"noise": 5.1}, kinds).p_value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_series_without_a_number_that_its_like_have_lies_beyond_them_all(value):
    found = compared(PAST, {**USUAL, "noise": value})

    assert 1 / 41 == found.p_value
    assert ("noise", np.inf) == (found.deviations[0].name, found.deviations[0].score)


def test_a_series_without_a_number_that_some_of_its_like_lack_is_as_unusual_as_they():
    past = [*PAST[:30], *({**one, "snr": float("nan")} for one in PAST[30:])]

    assert 11 / 41 == compared(past, {**USUAL, "snr": float("nan")}).p_value


def test_a_measure_that_most_of_the_past_lacks_is_named_and_the_rest_compared():
    past = [*PAST[:10], *({name: value for name, value in one.items() if name != "snr"} for one in PAST[10:])]
    found = compared(past, USUAL)

    assert (("snr",), 40) == (found.unmeasured, found.count)


def test_a_past_of_other_measures_is_none():
    assert Learning(0) == compare(PAST, USUAL, [Kind(name="other", family="f")])


def test_a_kind_that_is_named_twice_is_refused():
    with pytest.raises(ValueError, match="named twice"):
        compare(PAST, USUAL, [*KINDS, KINDS[0]])


def test_far_is_as_rare_for_a_short_past_as_for_an_endless_one():
    """By SciPy's Student distribution, with the efficiency of the median absolute deviation, 0.37."""
    for count in (12, 60, 300):
        assert scipy.stats.t.sf(far(count), 0.37 * (count - 1)) == pytest.approx(scipy.stats.norm.sf(FAR), rel=1e-6)
    assert far(12) > far(60) > far(100_000) == pytest.approx(FAR, abs=1e-3)


def test_a_departure_is_told_by_its_sign_whatever_is_worse():
    found = {one.name: one for one in compared(PAST, USUAL | {"snr": USUAL["snr"] / 3}).deviations}

    assert found["snr"].departure < -1 < 1 < found["snr"].score


def test_being_better_makes_up_for_nothing_where_it_is_said_to_offset_nothing():
    kinds = (Kind(name="noise", family="background", offsets=False), KINDS[2])
    quiet = USUAL | {"snr": USUAL["snr"] / 3, "noise": USUAL["noise"] / 9}
    loud = USUAL | {"snr": USUAL["snr"] / 3}

    assert compared(PAST, quiet, kinds).distance == pytest.approx(compared(PAST, loud, kinds).distance, rel=0.1)
    assert (
        compared(PAST, quiet, (KINDS[0], KINDS[2])).distance < compared(PAST, loud, (KINDS[0], KINDS[2])).distance - 1
    )
