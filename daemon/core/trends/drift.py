"""Whether a scanner's images have changed: each week's values are ranked among those of before, the ranks cumulated.

While nothing changes, every order of the series of one protocol is as likely as every other. Then the rank sum of a
week among all weeks so far, standardised, has mean 0 and variance 1 whatever the values are, and tells nothing of the
weeks before it (sequential ranks are independent: Barndorff-Nielsen, Advances in Applied Probability 1963; McDonald,
Naval Research Logistics 1990). Their cumulated sums (Page, Biometrika 1954) exceed a threshold once in so many weeks:
Siegmund, Sequential Analysis 1985, eq. 10.17. One odd patient moves a rank, not a mean.

Of each exam one series counts: those of one patient are alike, and would count for more than they say. It is drawn by
lot, so that every protocol counts, whichever coil it is acquired with.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from math import exp, isfinite, sqrt
from typing import Final
from zlib import crc32

import numpy as np

#: In this many weeks a scanner that does not change is called changed once at most, all of its measures together.
FALSE_ALARM_WEEKS: Final = 520.0
_WEEK_S: Final = 7 * 86400
#: The first Monday of the epoch, 1970-01-05.
_MONDAY_S: Final = 4 * 86400
#: What a week's standardised rank sum may depart from 0 before it counts: half the shift that is found soonest.
_ALLOWANCE: Final = 0.5
#: Series of a protocol before its next ones are ranked among them.
_PAST_LEAST: Final = 12
#: The overshoot of a sum of standard normal steps over its threshold, in steps (Siegmund 1985).
_OVERSHOOT: Final = 1.166


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value of one series. ``at``: UTC seconds; ``exam``: whose it is; ``stratum``: what it is exchangeable with.

    A stratum is a protocol as one bundle measured it.
    """

    at: float
    exam: str
    stratum: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A change: ``since`` the week that it seems to have begun in, ``told`` the one that it was found in.

    Weeks by their Monday, UTC seconds. ``before`` and ``after``: the medians of the commonest stratum.
    """

    since: float
    told: float
    before: float
    after: float

    @property
    def change(self) -> float | None:
        """By which share the median has changed; None where it was 0."""
        return (self.after - self.before) / abs(self.before) if self.before else None


def week_of(at: float) -> float:
    """The Monday, 0:00 UTC, of the week that a time lies in."""
    return (at - _MONDAY_S) // _WEEK_S * _WEEK_S + _MONDAY_S


def false_alarm_weeks(threshold: float) -> float:
    """How many weeks one sum, one way, takes to exceed the threshold on average while nothing changes."""
    reach = 2 * _ALLOWANCE * (threshold + _OVERSHOOT)
    return (exp(reach) - reach - 1) / (2 * _ALLOWANCE**2)


@lru_cache
def threshold(charts: int, weeks: float = FALSE_ALARM_WEEKS) -> float:
    """What the sums of ``charts`` measures, up and down, exceed once in so many weeks together, or less often."""
    low, high = 0.0, 100.0
    while high - low > 1e-6:  # noqa: PLR2004 - of a standard deviation
        middle = (low + high) / 2
        low, high = (middle, high) if false_alarm_weeks(middle) < 2 * charts * weeks else (low, middle)
    return high


def find_shift(samples: Iterable[Sample], limit: float) -> Shift | None:
    """The first lasting change of one measure, up or down; None where there is none. Only whole weeks are to be given.

    ``limit``: see ``threshold``.
    """
    counted = list(_one_an_exam(one for one in samples if isfinite(one.value)))
    up = down = 0.0
    since = {1: 0.0, -1: 0.0}
    for week, departure in departures(counted):
        since = {way: week if total == 0 else since[way] for way, total in ((1, up), (-1, down))}
        up, down = max(0.0, up + departure - _ALLOWANCE), max(0.0, down - departure - _ALLOWANCE)
        if max(up, down) > limit:
            return _shift(counted, since[1 if up > down else -1], week)
    return None


def departures(samples: Iterable[Sample]) -> Iterator[tuple[float, float]]:
    """Each week whose values can be ranked among those before, and its standardised rank sum; one sample an exam.

    The strata of a week are joined by van Elteren's weights (Bulletin of the ISI 1960).
    """
    past: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for week, ones in groupby(sorted(samples, key=lambda one: one.at), lambda one: week_of(one.at)):
        new: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for one in ones:
            new[one.stratum].append(one.value)
        ranked = [_rank_sum(past[key], values) for key, values in new.items() if len(past[key]) >= _PAST_LEAST]
        variance = sum(spread for _, spread in ranked)
        if variance > 0:
            yield week, sum(excess for excess, _ in ranked) / sqrt(variance)
        for key, values in new.items():
            past[key] += values


def _rank_sum(past: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """The rank sum of the new values less its mean, and its variance (Wilcoxon, with ties), over the count and one."""
    count = len(past) + len(new)
    _, place, ties = np.unique(np.array([*new, *past]), return_inverse=True, return_counts=True)
    ranks = np.cumsum(ties) - (ties - 1) / 2
    excess = float(ranks[place[: len(new)]].sum()) - len(new) * (count + 1) / 2
    tied = float((ties.astype(float) ** 3 - ties).sum()) / (count * (count - 1))
    variance = len(new) * len(past) / 12 * (count + 1 - tied)
    return excess / (count + 1), variance / (count + 1) ** 2


def _one_an_exam(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Of each exam and week one sample, drawn among those of strata that have a past; the same at every run."""
    seen: Counter[tuple[str, ...]] = Counter()
    for _, ones in groupby(sorted(samples, key=lambda one: (one.at, one.stratum)), lambda one: week_of(one.at)):
        of_week = list(ones)
        seen.update(one.stratum for one in of_week)
        exams: dict[str, list[Sample]] = defaultdict(list)
        for one in of_week:
            exams[one.exam].append(one)
        for alike in exams.values():
            known = [one for one in alike if seen[one.stratum] >= _PAST_LEAST] or alike
            yield min(known, key=_lot)


def _lot(sample: Sample) -> int:
    """A number that says nothing of the value."""
    return crc32("\n".join((sample.exam, *sample.stratum)).encode())


def _shift(samples: Collection[Sample], since: float, told: float) -> Shift:
    """What the values of the commonest stratum did."""
    after = [one for one in samples if since <= week_of(one.at) <= told]
    before = [one for one in samples if week_of(one.at) < since]
    earlier = Counter(one.stratum for one in before)
    commonest = max(
        Counter(one.stratum for one in after).items(), key=lambda item: (min(item[1], earlier[item[0]]), item)
    )
    medians = [_median(one.value for one in ones if one.stratum == commonest[0]) for ones in (before, after)]
    return Shift(since=since, told=told, before=medians[0], after=medians[1])


def _median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))
