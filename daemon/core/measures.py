"""Findings beside their references: what the verdict is decided on, and reports tell."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, isnan

from models.findings import Interval, Loss, Signal, Structure, check_told_once


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(Signal):
    """A signal beside its reference; ``limit`` is the reference's upper limit, None where there is none.

    Beside the past of its own protocol it has the range of what is ``usual`` there, its middle (``median``), and its
    ``score``: how many standard deviations worse than that it is.
    """

    limit: float | None = None
    p_value: float | None = None  # conformal, against the same reference
    level: float | None = None  # the p-value from which down it is abnormal; None: the limit decides
    usual: Interval | None = None
    median: float | None = None
    score: float | None = None

    @property
    def abnormal(self) -> bool:
        """Above its reference limit, or, which says the same of it, at or below its level."""
        if self.p_value is not None and self.level is not None:
            return self.p_value <= self.level
        return self.limit is not None and self.value > self.limit


def nearness(measure: Measure) -> tuple[float, float]:
    """Orders measures by how near they are to their limits, then by value; what is no number comes first."""
    return ratio(measure) or 0.0, -inf if isnan(measure.value) else measure.value


def ratio(measure: Measure | None) -> float | None:
    """The value in multiples of its limit; None where there is no value or no limit greater than zero."""
    if measure is None or measure.limit is None or not 0 < measure.limit < inf:
        return None
    multiple = measure.value / measure.limit
    return None if isnan(multiple) else multiple


def worst(values: Iterable[float]) -> float:
    """The highest of the places of one signal; no number where one of them is none."""
    return max(values, key=lambda value: inf if isnan(value) else value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Signals beside a reference; everything else as in ``Assessment``."""

    measures: tuple[Measure, ...]
    presence: Mapping[str, float] = field(default_factory=dict)
    learning: str = ""
    remarks: tuple[str, ...] = ()
    rescans: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What was found in one series beside its references; no images, and each number once.

    ``primary`` names the measure that series are ranked by; ``presence``: probability that each cause shows;
    ``any_cause``: that any does, where causes share one probability;
    ``reference``: what they were compared with, how many series (it names the protocol, free text: never log it);
    ``learning``: how far the past is that they will be compared with, empty where it is long enough; ``remarks``: what
    else sets the series apart; ``rescans``: the site lets what is far from its own past ask for a rescan;
    ``own_past``: the same image beside its protocol's past, where another bundle than this one compared it.

    Raises:
        ValueError: a number is told twice, or there is no primary one.
    """

    primary: str
    measures: tuple[Measure, ...]
    structures: tuple[Structure, ...] = ()
    presence: Mapping[str, float] = field(default_factory=dict)
    any_cause: float = 0.0
    loss: Loss | None = None
    reference: str = ""
    learning: str = ""
    remarks: tuple[str, ...] = ()
    rescans: bool = False
    own_past: "BesideOwnPast | None" = None

    def __post_init__(self) -> None:
        check_told_once(self.measures, self.structures)
        if self.primary not in {measure.name for measure in self.measures}:
            raise ValueError(f"no measure is called {self.primary}")

    def measure(self, name: str) -> Measure:
        """One of the measures; of several places the worst."""
        found = [measure for measure in self.measures if measure.name == name]
        whole = [measure for measure in found if not measure.at]
        return whole[0] if whole else max(found, key=lambda one: inf if isnan(one.value) else one.value)

    @property
    def shown(self) -> float:
        """How surely a cause shows: any of them, else the one that shows most."""
        return max(self.any_cause, *self.presence.values(), 0.0)

    @property
    def rank(self) -> Measure:
        """The primary measure: higher is worse."""
        return self.measure(self.primary)

    @property
    def all_measures(self) -> Iterator[Measure]:
        """The measures, then those beside the own past; of one name those that the task's bundle measured."""
        yield from self.measures
        names = {measure.name for measure in self.measures}
        beside = self.own_past.assessment.measures if self.own_past else ()
        yield from (measure for measure in beside if measure.name not in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideOwnPast:
    """What the bundle of this digest measured of an image that another one judged, beside its own protocol's past."""

    bundle: str
    assessment: Assessment
