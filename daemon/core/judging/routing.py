"""Which bundle judges a series: the first route whose conditions all hold over the facts of its header.

A fact that the header does not state fails every condition on it, unless the condition says otherwise: silence is no
evidence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Final

from daemon.core.bounds import Finite, Line, Name
from models.manifest import Phases

Value = tuple[str, ...] | tuple[float, ...]
#: What is known of a series, by name; empty or absent where its header is silent.
Facts = Mapping[str, Value]

#: Facts that are words: DICOM keywords, the calling AE title, the plane of the slices, what a NIfTI file is after BIDS.
WORDS: Final = (
    "Modality",
    "BodyPartExamined",
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "MRAcquisitionType",
    "AcquisitionContrast",
    "ImageType",
    "ComplexImageComponent",
    "AngioFlag",
    "Manufacturer",
    "ManufacturerModelName",
    "CallingAE",
    "Plane",
    "BidsSuffix",
)
#: Facts that are numbers: ms, degrees, s/mm2, T, mm, counts.
NUMBERS: Final = (
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "FlipAngle",
    "EchoTrainLength",
    "DiffusionBValue",
    "MagneticFieldStrength",
    "PixelSpacing",
    "SliceSpacing",
    "Slices",
    "Volumes",
)
#: What operators type: it may hold anything, a patient's name too.
FREE_TEXT: Final = ("SeriesDescription", "ProtocolName", "SequenceName", "ContrastBolusAgent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What one fact must be; all that is given must hold.

    ``any``: one of its values matches one of these patterns (``*`` and ``?``; case does not matter). ``none``: none of
    its values does. ``min``, ``max``: its values lie within, ends included. ``stated``: whether the header states it.
    ``or_silent``: it also holds where the header is silent.
    """

    any: tuple[Name, ...] = ()
    none: tuple[Name, ...] = ()
    min: Annotated[float, Finite()] | None = None
    max: Annotated[float, Finite()] | None = None
    stated: bool | None = None
    or_silent: bool = False

    def holds(self, value: Value) -> bool:
        """Whether a fact of this value fulfils it."""
        if not value:
            return self.or_silent or self.stated is False
        words = [str(one).casefold() for one in value]
        numbers = [float(one) for one in value if isinstance(one, int | float)]
        return (
            self.stated is not False
            and (not self.any or _matches(words, self.any))
            and not _matches(words, self.none)
            and all(self.min is None or number >= self.min for number in numbers)
            and all(self.max is None or number <= self.max for number in numbers)
        )

    def __str__(self) -> str:
        """Such as "one of GR, SE" or "at most 30, or not stated"."""
        parts = [
            f"one of {', '.join(self.any)}" if self.any else "",
            f"none of {', '.join(self.none)}" if self.none else "",
            f"at least {self.min:g}" if self.min is not None else "",
            f"at most {self.max:g}" if self.max is not None else "",
            "" if self.stated is None else "stated" if self.stated else "not stated",
        ]
        said = " and ".join(part for part in parts if part)
        return f"{said}, or not stated" if self.or_silent else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One rule: the series that fulfil ``when`` are judged by ``bundle``, or not at all, for the reason ``refuse``.

    With both, this bundle alone refuses them. ``phases``: which of their volumes the bundle is given, as its manifest
    says; a configuration leaves it out.
    """

    name: Name
    when: Mapping[Name, Condition] = field(default_factory=dict)
    bundle: Annotated[str, Line(optional=True)] = ""
    refuse: Annotated[str, Line(200, optional=True)] = ""
    free_text_alone: bool = False
    phases: Phases = "one"

    @property
    def judges(self) -> bool:
        """Whether it leads to a bundle."""
        return bool(self.bundle) and not self.refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition of a route against one series."""

    fact: str
    condition: str
    value: Value
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One route against one series; ``applies`` where all of its conditions hold."""

    route: Route
    checks: tuple[Check, ...]

    @property
    def applies(self) -> bool:
        """Whether every condition holds."""
        return all(check.holds for check in self.checks)


def try_routes(routes: Sequence[Route], facts: Facts) -> tuple[Trial, ...]:
    """Every route against one series, in their order; the first that applies is the series' own."""
    return tuple(_try(route, facts) for route in routes)


def find_route(routes: Sequence[Route], facts: Facts) -> Route | None:
    """The route of a series: the first that applies, of bundles that have not refused it; None where none applies.

    Where bundles have refused it and none takes it, their reasons together.
    """
    refused: dict[str, Route] = {}
    for route in routes:
        if route.bundle not in refused and _try(route, facts).applies:
            if not (route.bundle and route.refuse):
                return route
            refused[route.bundle] = route
    names, reasons = ({getattr(route, name): None for route in refused.values()} for name in ("name", "refuse"))
    return Route(name=", ".join(names), refuse="; ".join(reasons)) if refused else None


def takers(routes: Sequence[Route], facts: Facts) -> Iterator[Route]:
    """The route of a series, and, if it leads to a bundle, what would be it without that bundle, and so on."""
    tried: set[str] = set()
    while True:
        route = find_route([route for route in routes if route.bundle not in tried], facts)
        if route is None or (tried and not route.judges):
            return
        yield route
        if not route.judges:
            return
        tried.add(route.bundle)


def faults(routes: Sequence[Route], bundles: Sequence[str]) -> Iterator[str]:
    """What is wrong with the routes of a configuration, each fault in words that name it."""
    names = [route.name for route in routes]
    yield from (f"two routes are called '{name}': give each its own name" for name in {*names} if names.count(name) > 1)
    for route in routes:
        yield from (f"route '{route.name}': {fault}" for fault in _faults(route, bundles))


def _faults(route: Route, bundles: Sequence[str]) -> Iterator[str]:
    if bool(route.bundle) == bool(route.refuse):
        yield "write either bundle or refuse"
    if route.phases != "one":
        yield "leave out phases: the bundle's manifest says it"
    if route.bundle and route.bundle not in bundles:
        yield f"bundle '{route.bundle}' is not configured, write one of {', '.join(bundles)}"
    for name, condition in route.when.items():
        yield from _condition_faults(name, condition)
    if route.bundle and not route.free_text_alone and all(name in FREE_TEXT for name in route.when):
        yield "needs a condition that is no free text, or free_text_alone = true"


def _condition_faults(name: str, condition: Condition) -> Iterator[str]:
    if name not in {*WORDS, *NUMBERS, *FREE_TEXT}:
        yield f"'{name}' is no fact, write one of {', '.join((*WORDS, *NUMBERS, *FREE_TEXT))}"
    elif name in NUMBERS and (condition.any or condition.none):
        yield f"{name} is a number, write min and max"
    elif name not in NUMBERS and not (condition.min is None and condition.max is None):
        yield f"{name} is text, write any or none"
    elif condition.min is not None and condition.max is not None and condition.min > condition.max:
        yield f"{name} has min above max, so it never holds"
    elif condition == Condition(or_silent=condition.or_silent):
        yield f"{name} says nothing, write any, none, min, max or stated"


def _try(route: Route, facts: Facts) -> Trial:
    checks = tuple(
        Check(
            fact=name, condition=str(condition), value=facts.get(name, ()), holds=condition.holds(facts.get(name, ()))
        )
        for name, condition in route.when.items()
    )
    return Trial(route=route, checks=checks)


def _matches(words: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(word, pattern.casefold()) for word in words for pattern in patterns)
