"""The quiet time of a scanner: long enough for nearly all of its series, within its limits, and steady."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.reception.rhythm import Rhythm

PAUSES = st.lists(st.floats(0.001, 1000), min_size=49, max_size=300)


def learned(pauses):
    rhythm = Rhythm()
    for pause in pauses:
        rhythm = rhythm.learn([100.0, 100.0 + pause])
    return rhythm


def test_the_longest_pause_of_a_series_counts_in_whatever_order_its_images_are_told():
    assert (4.0,) == Rhythm().learn([7.0, 1.0, 2.0, 3.0]).pauses


def test_one_image_teaches_nothing():
    assert Rhythm() == Rhythm().learn([5.0]) == Rhythm().learn([])


def test_few_series_promise_nothing():
    assert 60.0 == learned([0.1] * 48).quiet_s(5.0, 60.0)
    assert 5.0 == learned([0.1] * 49).quiet_s(5.0, 60.0)


def test_it_is_twice_the_pause_that_nearly_all_stay_below():
    pauses = range(1, 200)

    assert 2 * 196.0 == learned(pauses).quiet_s(0.0, 1000.0)


@given(PAUSES, st.floats(0, 10), st.floats(10, 100))
def test_it_stays_within_its_limits(pauses, least, most):
    assert least <= learned(pauses).quiet_s(least, most) <= most


@given(PAUSES)
def test_at_most_two_of_a_hundred_known_series_would_have_been_cut(pauses):
    quiet = learned(pauses).quiet_s(0.0, 1e9)
    kept = pauses[-199:]

    assert sum(pause > quiet for pause in kept) <= 0.02 * len(kept)


def test_a_few_images_sent_again_a_day_later_do_not_spoil_it():
    assert 5.0 == learned([0.1] * 196 + [86400.0] * 3).quiet_s(5.0, 60.0)


def test_a_scanner_that_has_become_slow_is_followed():
    assert 60.0 == learned([0.1] * 199 + [40.0] * 5).quiet_s(5.0, 60.0)


def test_it_forgets_what_is_long_ago():
    assert 199 == len(learned(accumulate([0.1] * 500)).pauses)
