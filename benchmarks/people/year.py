"""A year of one scanner at the level of measures: false alarms a day, spoilt series found, drift told, references anew.

Thirty protocols in eight kinds of exams, forty exams on each of five days a week; every series through the daemon's own
reference (``core/own_past``, ``core/assessment``, ``core/verdict``), whose past holds whatever came before, and the
scanner's signal-to-noise ratio through its drift test (``core/drift``) after each week. Of the exams every so many-th
(``--judged``) is compared with the past; the others become part of it, as they would whatever their verdict is. One
series in fifty is spoilt, by motion or noise. From month 8 on one of two coils loses 2 % of its signal a week until it
is repaired when month 10 begins, together with an update of the software that makes images a little sharper. Run it
from the repository root::

    PYTHONPATH=. python benchmarks/people/year.py --exams 40 --judged 8
"""

import argparse
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from daemon.config import shipped_bundles
from daemon.core.judging.assessment import assess
from daemon.core.judging.own_past import Member, past_of
from daemon.core.judging.verdict import decide
from daemon.core.trends.drift import Sample, Shift, find_shift, threshold
from daemon.core.values import State
from models.bundle import read_manifest
from models.findings import Findings

PROTOCOLS, KINDS, SCANNER = 30, 8, "MR1"
#: The scanner's signal-to-noise ratio, and what else a drift would show in: each a chart.
CHARTED = ("snr", "summary_bg_stdv", "fwhm_avg")
#: Usual value, and the standard deviation of its logarithm between people, of what is compared by its ratio.
RATIOS = {"summary_bg_stdv": (8.0, 0.12), "snr": (20.0, 0.10), "fwhm_avg": (2.4, 0.04), "inu_range": (0.6, 0.12)}
#: The same of what is compared by its value.
SHARES = {"gsr_x": (0.005, 0.002), "gsr_y": (0.008, 0.003), "slice_step": (0.03, 0.006), "interleave": (0.004, 0.002)}
SPOILT, COIL_A_WEEK, SHARPER = 0.02, 0.98, 0.96
DAY_S, MONTH_DAYS, FADES, UPDATED, DAYS = 86400.0, 30.4, 7, 9, 365
MANIFEST = read_manifest(shipped_bundles()["any-mr"])


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One protocol: its name, the coil that it is acquired with, how its own usual values depart from the scanner's."""

    name: str
    coil: str
    offsets: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Acquired:
    """One series: its day, its person's part in each measure that is compared by its ratio, whether it is spoilt."""

    protocol: Protocol
    day: float
    person: np.ndarray
    spoilt: bool

    @property
    def weeks_faded(self) -> float:
        """For how many weeks its coil has lost signal."""
        if self.protocol.coil != "A" or self.updated:
            return 0.0
        return max(0.0, (self.day - FADES * MONTH_DAYS) / 7)

    @property
    def updated(self) -> bool:
        """Whether the new software made it."""
        return self.day >= UPDATED * MONTH_DAYS

    @property
    def parameters(self) -> dict[str, tuple[str, ...]]:
        """What it was acquired with."""
        return {"SoftwareVersions": ("XA31" if self.updated else "XA30",), "ReceiveCoilName": (self.protocol.coil,)}


@dataclass(kw_only=True)
class Year:
    """What was counted: verdicts by month and by what the series were, samples of the charts, series until learnt.

    ``series``: how many there were, judged or not.
    """

    series: int = 0
    told: Counter[tuple[int, str, State | str]] = field(default_factory=Counter)
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    relearnt: dict[str, float] = field(default_factory=dict)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--exams", type=int, default=40)
    options.add_argument("--judged", type=int, default=1, help="every so many-th exam")
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    year = simulate(chosen.exams, chosen.judged, np.random.default_rng(chosen.seed))
    print_months(year, chosen.exams, chosen.judged)
    print_anew(year)
    print_drift(year)


def simulate(exams: int, judged: int, rng: np.random.Generator) -> Year:
    """Every series of the year in its turn; of the exams every ``judged``-th is judged."""
    protocols = [protocol_of(number, rng) for number in range(PROTOCOLS)]
    lists = [rng.permutation(PROTOCOLS)[: rng.integers(3, 7)] for _ in range(KINDS)]
    popular = 1 / np.arange(1, KINDS + 1)
    pasts: dict[str, deque[Member]] = defaultdict(lambda: deque(maxlen=MANIFEST.past.most if MANIFEST.past else None))
    year = Year()
    for day in (day for day in range(DAYS) if day % 7 < 5):
        for exam in range(exams):
            person = rng.standard_normal(len(RATIOS))
            for number in lists[rng.choice(KINDS, p=popular / popular.sum())]:
                protocol, spoilt = protocols[number], bool(rng.random() < SPOILT)
                series = Acquired(protocol=protocol, day=day + exam / exams, person=person, spoilt=spoilt)
                measures = drawn(series, rng)
                if exam % judged == 0:
                    judge(year, pasts[protocol.name], series, measures)
                remember(year, pasts[protocol.name], series, measures)
    return year


def protocol_of(number: int, rng: np.random.Generator) -> Protocol:
    offsets = {name: float(rng.normal(0, 0.4)) for name in RATIOS}
    return Protocol(name=f"protocol {number}", coil="AB"[number % 2], offsets=offsets)


def judge(year: Year, past: deque[Member], series: Acquired, measures: Mapping[str, float]) -> None:
    """Compare with the protocol's past, and count the verdict."""
    signals = tuple(MANIFEST.signal(name, value) for name, value in measures.items())
    reference = past_of(past, series.parameters, series.protocol.name, MANIFEST.thresholds.alpha)
    assessment = assess(Findings(signals=signals), MANIFEST, reference)
    what = "spoilt" if series.spoilt else "fading" if series.weeks_faded else "good"
    told = "learning" if assessment.learning else decide(assessment, MANIFEST).state
    year.told[(int(series.day / MONTH_DAYS), what, told)] += 1
    if series.updated and not assessment.learning:
        year.relearnt.setdefault(series.protocol.name, series.day - UPDATED * MONTH_DAYS)


def remember(year: Year, past: deque[Member], series: Acquired, measures: Mapping[str, float]) -> None:
    """The series becomes part of its protocol's past, and of the charts of its scanner."""
    past.appendleft(Member(parameters=series.parameters, measures=measures))
    year.series += 1
    for name in CHARTED:
        sample = Sample(
            at=series.day * DAY_S,
            exam=f"{series.day:.6f}",
            stratum=(series.protocol.coil, series.protocol.name),
            value=measures[name],
        )
        year.samples[name].append(sample)


def drawn(series: Acquired, rng: np.random.Generator) -> dict[str, float]:
    """The measures of one series: its protocol's usual, the person's part, and what remains, with heavy tails."""
    found = {}
    for share, (name, (usual, spread)) in zip(series.person, RATIOS.items(), strict=True):
        rest = rng.standard_t(6) * np.sqrt(4 / 6)
        found[name] = float(usual * np.exp(series.protocol.offsets[name] + spread * (0.6 * share + 0.8 * rest)))
    found |= {name: float(abs(rng.normal(usual, spread))) for name, (usual, spread) in SHARES.items()}
    found["snr"] *= COIL_A_WEEK**series.weeks_faded
    found["fwhm_avg"] *= SHARPER if series.updated else 1.0
    if series.spoilt:
        found["summary_bg_stdv"] *= float(rng.uniform(1.5, 3))
        found["snr"] /= float(rng.uniform(1.2, 2))
    return found


def print_months(year: Year, exams: int, judged: int) -> None:
    """A line a month, and of the whole year the shares of the good and the spoilt that were called."""
    days = [sum(int(day / MONTH_DAYS) == month and day % 7 < 5 for day in range(DAYS)) for month in range(12)]
    print(f"{year.series} series of {exams} exams a day, {sum(year.told.values())} judged; a day: times {judged}\n")
    print("| month | good series called a day | of the fading coil | learning |")
    print("| --- | ---: | ---: | ---: |")
    for month, count in enumerate(days):
        good, fading = (judged * year.told[(month, what, State.REVIEW)] / count for what in ("good", "fading"))
        learning = judged * sum(year.told[(month, what, "learning")] for what in ("good", "fading", "spoilt"))
        print(f"| {month + 1} | {good:.1f} | {fading:.1f} | {learning} |")
    for what in ("good", "spoilt", "fading"):
        called, passed = (sum(year.told[(m, what, state)] for m in range(12)) for state in (State.REVIEW, State.ACCEPT))
        print(f"{what}: {called} of {called + passed} called, {called / max(1, called + passed):.2%}")


def print_anew(year: Year) -> None:
    days = sorted(year.relearnt.values())
    print(f"\nafter the update {len(days)} of {PROTOCOLS} protocols started anew and had learnt again", end=" ")
    print(f"after {days[0]:.1f} to {days[-1]:.1f} days, the median one after {days[len(days) // 2]:.1f}")


def print_drift(year: Year) -> None:
    """When each chart was told to have changed, asked at the end of every week with the samples so far."""
    limit = threshold(len(CHARTED))
    for coil in ("AB", "A", "B"):
        for name in CHARTED:
            told = list(changes([one for one in year.samples[name] if one.stratum[0] in coil], limit))
            print(f"coil {' and '.join(coil)}, {name}:", *map(in_weeks, told) if told else ("no change told",))
    for name, month in (("the coil fades from", FADES), ("it is repaired and the software updated in", UPDATED)):
        print(f"{name} week {month * MONTH_DAYS / 7:.0f}")


def in_weeks(found: Shift) -> str:
    weeks = (f"{at / DAY_S / 7:.0f}" for at in (found.since, found.told))
    return f"changed in week {next(weeks)}, told in week {next(weeks)}, {found.before:.3g} to {found.after:.3g};"


def changes(samples: list[Sample], limit: float) -> Iterator[Shift]:
    """Every change of a chart, which begins anew behind each."""
    left = samples
    while (found := find_shift(left, limit)) is not None:
        yield found
        left = [one for one in left if one.at >= found.told + 7 * DAY_S]


if __name__ == "__main__":
    main()
