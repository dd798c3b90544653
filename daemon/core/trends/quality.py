"""How the images of one scanner went over the weeks: what was measured beside what is usual, and the last days."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite, sqrt
from typing import Final

import numpy as np

from daemon.core.trends.drift import Sample, Shift, find_shift, threshold, week_of
from daemon.core.values import State

#: A median's place among the values that it is drawn from has this standard deviation, times the square root of them.
_PLACE: Final = 0.5
#: Limits of a control chart, in standard deviations (Shewhart).
_LIMITS: Final = 3.0
_PAST_LEAST: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """What was found of one complete series. ``at``: its last image, UTC seconds; ``exam``: whose it is, a token.

    ``bundle``: digest of the one that judged; ``software``: of the scanner, as its header says; ``cause``: in words;
    ``values``: of ``names``, in their order.
    """

    scanner: str
    protocol: str
    bundle: str
    software: str
    at: float
    exam: str
    state: State
    cause: str
    names: tuple[str, ...]
    values: Sequence[float]

    def value(self, name: str) -> float | None:
        """A measure of the whole series; None where there is none, or it is no number."""
        if name not in self.names:
            return None
        value = self.values[self.names.index(name)]
        return value if isfinite(value) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One week of one protocol, as one bundle measured it with one software of the scanner.

    ``usual``: the limits of the median, three standard deviations of its rank among all weeks before; None while there
    are too few.
    """

    week: float
    protocol: str
    bundle: str
    software: str
    series: int
    median: float
    quartiles: tuple[float, float]
    usual: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A measure that has changed, and how."""

    measure: str
    shift: Shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """One protocol within the last days: how many series, by their verdict, and what was to blame."""

    protocol: str
    series: int
    states: Mapping[str, int]
    causes: Mapping[str, int]


def measured(rated: Iterable[Rated]) -> tuple[str, ...]:
    """The measures that any series has, by name."""
    return tuple(sorted({name for names in {one.names for one in rated} for name in names}))


def findings_of(rated: Sequence[Rated], now: float, since: float = 0.0) -> tuple[Finding, ...]:
    """What has changed of one scanner since then; the week under way is left out.

    The rate of false alarms is that of all measures together (``drift.FALSE_ALARM_WEEKS``).
    """
    counted = [one for one in rated if since < one.at < week_of(now)]
    names = measured(counted)
    limit = threshold(max(1, len(names)))
    found = ((name, find_shift(_samples(counted, name), limit)) for name in names)
    return tuple(Finding(measure=name, shift=shift) for name, shift in found if shift)


def chart_of(rated: Iterable[Rated], measure: str) -> tuple[Point, ...]:
    """The control charts of one measure of one scanner: protocol by protocol, a point a week, bundle and software."""
    found: list[Point] = []
    past: dict[tuple[str, str], list[float]] = defaultdict(list)
    known = [(one, value) for one in rated if (value := one.value(measure)) is not None]
    for (protocol, bundle, week), ones in groupby(sorted(known, key=lambda pair: _place(pair[0])), _key):
        before, of_week = past[protocol, bundle], list(ones)
        for software in sorted({one.software for one, _ in of_week}):
            values = [value for one, value in of_week if one.software == software]
            low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
            found.append(
                Point(
                    week=week,
                    protocol=protocol,
                    bundle=bundle,
                    software=software,
                    series=len(values),
                    median=float(middle),
                    quartiles=(float(low), float(high)),
                    usual=_usual(before, len(values)),
                )
            )
        before += [value for _, value in of_week]
    return tuple(found)


def recent(rated: Iterable[Rated], since: float) -> tuple[Recent, ...]:
    """What came of each protocol since then, the commonest first."""
    alike: dict[str, list[Rated]] = defaultdict(list)
    for one in rated:
        if one.at >= since:
            alike[one.protocol].append(one)
    found = [
        Recent(
            protocol=protocol,
            series=len(ones),
            states=dict(Counter(one.state.value for one in ones)),
            causes=dict(Counter(one.cause for one in ones if one.cause)),
        )
        for protocol, ones in alike.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.series, one.protocol)))


def _samples(rated: Iterable[Rated], measure: str) -> list[Sample]:
    return [
        Sample(at=one.at, exam=one.exam, stratum=(one.bundle, one.protocol), value=value)
        for one in rated
        if (value := one.value(measure)) is not None
    ]


def _place(one: Rated) -> tuple[str, str, float]:
    return one.protocol, one.bundle, week_of(one.at)


def _key(pair: tuple[Rated, float]) -> tuple[str, str, float]:
    return _place(pair[0])


def _usual(past: Sequence[float], count: int) -> tuple[float, float] | None:
    """Between which of the values before the median of ``count`` more lies, but for one week in 370."""
    reach = _LIMITS * _PLACE / sqrt(count + 2)
    if len(past) < _PAST_LEAST or reach >= _PLACE:
        return None
    low, high = np.quantile(past, (0.5 - reach, 0.5 + reach))
    return float(low), float(high)
