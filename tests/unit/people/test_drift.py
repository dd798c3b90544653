"""The test for drift: its null is exact, its false alarms are as rare as stated, and a failing coil is told."""

from itertools import combinations
from statistics import NormalDist

import numpy as np
import pytest

from daemon.core.trends.drift import (
    FALSE_ALARM_WEEKS,
    Sample,
    departures,
    false_alarm_weeks,
    find_shift,
    threshold,
    week_of,
)

WEEK_S = 7 * 86400.0
START = week_of(1.8e9)


def sample(week, exam, value, protocol="t1"):
    return Sample(at=START + week * WEEK_S + 3600, exam=f"{week} {exam}", stratum=("bundle", protocol), value=value)


def heads(weeks, rng, *, sound=None, loss=0.02, each=40):
    """Weeks of heads whose value falls from week ``sound`` on."""
    begun = weeks if sound is None else sound
    return [
        sample(week, head, 20 * np.exp(0.15 * rng.standard_normal()) * (1 - loss) ** max(0, week - begun + 1))
        for week in range(weeks)
        for head in range(each)
    ]


def told_in(samples, limit):
    shift = find_shift(samples, limit)
    return None if shift is None else round((shift.told - START) / WEEK_S)


def test_a_week_begins_on_monday():
    assert [3, 3] == [int(week_of(at) // 86400 + 3) % 7 + 3 for at in (1.8e9, 1.8e9 + WEEK_S)]
    assert 0.0 == week_of(START + WEEK_S - 1) - START


@pytest.mark.parametrize("values", [range(14), [1.0] * 5 + [2.0] * 6 + [3.0] * 3], ids=["apart", "tied"])
def test_over_all_choices_of_a_weeks_values_its_rank_sum_has_mean_zero_and_variance_one(values):
    """The permutation distribution itself: every choice of two of fourteen is as likely as every other."""
    found = []
    for new in combinations(range(14), 2):
        samples = [sample(0, n, float(values[n])) for n in range(14) if n not in new]
        found += [z for _, z in departures([*samples, *(sample(1, n, float(values[n])) for n in new)])]

    assert 91 == len(found)
    assert 0.0 == pytest.approx(np.mean(found), abs=1e-12)
    assert 1.0 == pytest.approx(np.var(found), abs=1e-12)


def test_a_week_tells_nothing_of_the_week_before():
    rng = np.random.default_rng(1)
    weeks = np.array([z for _ in range(60) for _, z in departures(heads(41, rng, each=15))]).reshape(60, -1)

    assert 0.0 == pytest.approx(np.corrcoef(weeks[:, :-1].ravel(), weeks[:, 1:].ravel())[0, 1], abs=0.06)
    assert 1.0 == pytest.approx(weeks.var(), abs=0.08)


def by_markov_chain(limit, allowance=0.5, states=400):
    """The average run length of a one-sided normal CUSUM (Brook and Evans, Biometrika 1972)."""
    width, normal = 2 * limit / (2 * states - 1), NormalDist()
    steps = np.arange(states)
    moves = np.array([[normal.cdf((to - at + 0.5) * width + allowance) for to in steps] for at in steps])
    chance = np.diff(moves, axis=1, prepend=0.0)
    return float(np.linalg.solve(np.eye(states) - chance, np.ones(states))[0])


@pytest.mark.parametrize("limit", [3.0, 4.0, 5.0])
def test_the_stated_run_length_is_that_of_the_markov_chain(limit):
    assert by_markov_chain(limit) == pytest.approx(false_alarm_weeks(limit), rel=0.05)


def test_more_measures_share_one_rate_of_false_alarms():
    for charts in (1, 20, 44):
        assert 2 * charts * FALSE_ALARM_WEEKS == pytest.approx(false_alarm_weeks(threshold(charts)), rel=1e-4)


def test_a_stable_scanner_is_called_as_rarely_as_stated():
    """One call in 26 weeks is asked for here, so that there is something to count."""
    rng, limit = np.random.default_rng(2), threshold(1, weeks=26)
    called = sum(told_in(heads(26, rng, each=10), limit) is not None for _ in range(200))

    assert 0.2 < called / 200 < 1 - np.exp(-1) + 0.05


def test_series_of_one_patient_that_are_alike_call_nobody_more_often():
    """Five protocols of each head, all as good as the head: they are one observation, not five."""
    rng, limit = np.random.default_rng(3), threshold(1, weeks=26)
    called = 0
    for _ in range(100):
        people = heads(26, rng, each=10)
        same = [
            Sample(at=one.at, exam=one.exam, stratum=("b", f"p{n}"), value=one.value)
            for one in people
            for n in range(5)
        ]
        called += find_shift(same, limit) is not None

    assert called / 100 < 1 - np.exp(-1) + 0.1


def test_a_coil_that_loses_two_percent_a_week_is_told_within_eight_weeks_among_as_many_measures_as_there_are():
    rng = np.random.default_rng(4)
    weeks = [told_in(heads(40, rng, sound=26), threshold(44)) for _ in range(20)]

    assert 26 <= min(weeks)
    assert max(weeks) < 26 + 8


def test_a_coil_that_the_commonest_protocol_does_not_use_is_told_too():
    rng = np.random.default_rng(6)
    sound = heads(40, rng)
    faded = [
        Sample(at=one.at, exam=one.exam, stratum=("b", "rarer"), value=one.value) for one in heads(40, rng, sound=26)
    ]

    assert find_shift([*sound, *faded[1:]], threshold(44)) is not None


def test_what_was_found_says_since_when_and_how_far():
    shift = find_shift(heads(40, np.random.default_rng(5), sound=26, loss=0.03), threshold(44))

    assert abs((shift.since - START) / WEEK_S - 26) <= 3
    assert -0.25 < shift.change < -0.02


def test_whatever_unit_the_values_have_the_answer_is_the_same():
    samples = heads(40, np.random.default_rng(6), sound=26)
    bent = [Sample(at=s.at, exam=s.exam, stratum=s.stratum, value=float(np.exp(s.value))) for s in samples]

    assert find_shift(samples, threshold(44)).told == find_shift(bent, threshold(44)).told


def test_one_absurd_value_a_week_calls_nobody():
    samples = heads(52, np.random.default_rng(7))
    samples += [sample(week, "metal", 1e9) for week in range(10, 52)]

    assert find_shift(samples, threshold(44)) is None


def test_protocols_are_compared_with_themselves_whatever_share_of_the_week_each_has():
    rng = np.random.default_rng(8)
    samples = [
        sample(week, n, rng.normal(10, 1) if n < week else rng.normal(30, 1), "low" if n < week else "high")
        for week in range(40)
        for n in range(40)
    ]

    assert find_shift(samples, threshold(44)) is None


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_what_is_no_number_or_always_the_same_tells_nothing(value):
    assert find_shift([sample(week, n, value) for week in range(30) for n in range(20)], threshold(1)) is None


def test_nothing_is_no_change():
    assert find_shift([], threshold(1)) is None
    assert find_shift(heads(1, np.random.default_rng(9)), threshold(1)) is None
