"""Turns of scanners, played through: a first series is soon begun, nobody starves, nobody jumps its own line."""

import random
from itertools import pairwise

import pytest

from daemon.core.reception.turns import next_turn

SCANNERS = "ABC"


def play(seed, steps=400):
    """Series come and are answered one at a time; for each in the order of its begin: scanner, number, and what it saw.

    That is how many of each scanner were begun since it came, and whether its own scanner had anything then.
    """
    rng, unanswered, begun, numbers = random.Random(seed), [], [], dict.fromkeys(SCANNERS, 0)
    under_way = None
    for step in range(steps):
        if rng.random() < 0.6:
            scanner = rng.choice("AAABBC")
            own = [turn for turn, _, other, _, _ in unanswered if other == scanner]
            turn = next_turn(min((one[0] for one in unanswered), default=None), max(own, default=None))
            numbers[scanner] += 1
            unanswered.append((turn, step, scanner, numbers[scanner], (len(begun), bool(own))))
        else:
            if under_way is not None:
                unanswered.remove(under_way)
            waiting = sorted(unanswered)
            under_way = waiting[0] if waiting else None
            begun += waiting[:1]
    return begun


@pytest.mark.parametrize("seed", range(20))
def test_a_first_series_waits_for_at_most_one_of_each_other_scanner(seed):
    begun = play(seed)
    for place, (_, _, scanner, _, (came, had_others)) in enumerate(begun):
        if not had_others:
            between = [one[2] for one in begun[came:place]]

            assert max((between.count(other) for other in SCANNERS if other != scanner), default=0) <= 1


@pytest.mark.parametrize("seed", range(20))
def test_each_scanner_keeps_its_own_order(seed):
    begun = play(seed)
    for scanner in SCANNERS:
        numbers = [number for _, _, other, number, _ in begun if other == scanner]

        assert sorted(numbers) == numbers


@pytest.mark.parametrize("seed", range(20))
def test_a_series_that_waits_is_next_after_at_most_two_of_each_other_scanner(seed):
    """However long its scanner's line is, and however often the others come back with nothing waiting."""
    begun = play(seed)
    for scanner in SCANNERS:
        places = [place for place, one in enumerate(begun) if one[2] == scanner]
        for earlier, later in pairwise(places):
            between = [one[2] for one in begun[max(earlier + 1, begun[later][4][0]) : later]]

            assert max((between.count(other) for other in SCANNERS if other != scanner), default=0) <= 2
