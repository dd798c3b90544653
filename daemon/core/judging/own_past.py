"""A protocol's own past as a reference: the accepted series of one scanner that were acquired alike, and a new one.

Nobody sets limits for it and nobody calibrates it: what is usual is what was accepted.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from math import isclose, isfinite, isnan, nan
from typing import Any

from daemon.core.measures import Beside, Measure
from models.findings import Findings, Signal, SiteSource
from models.manifest import Manifest
from models.past import Past
from models.statistics.reference_set import Comparison, Deviation, Kind, Learning, Measures, compare
from models.statistics.signature import likely
from models.statistics.site_presence import Shown, SitePresence

#: Words or numbers, as a header states them.
Values = tuple[str, ...] | tuple[float, ...]
#: What a series was acquired with, by DICOM keyword; a keyword that its header does not state is not there.
Parameters = Mapping[str, Values]

#: Words and numbers that make a protocol what it is, beside its matrix and its voxels; no word of them names a person.
PARAMETER_WORDS = (
    *("ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions", "ReceiveCoilName", "ImageType"),
    *("ScanningSequence", "SequenceVariant", "MRAcquisitionType", "InPlanePhaseEncodingDirection"),
)
PARAMETER_NUMBERS = (
    *("MagneticFieldStrength", "EchoTime", "RepetitionTime", "InversionTime", "FlipAngle", "EchoTrainLength"),
    *("PixelBandwidth", "NumberOfAverages", "ParallelReductionFactorInPlane", "DiffusionBValue", "SliceThickness"),
)

#: Numbers that differ by less than this share are the same; some follow the patient's size.
_SAME = 0.02
_LOOSE = {"RepetitionTime": 0.15}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One accepted series of a protocol: what it was acquired with, and its measures."""

    parameters: Parameters
    measures: Measures


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPast:
    """The reference of one series: the ``members`` of its protocol's past that were acquired like it.

    ``name`` says which protocol, and how many series; ``level``: the p-value from which down a series is unusual;
    ``changed``: how its parameters depart from the newest series of its protocol, in words; ``rescans``: whether the
    site lets this protocol's series ask for a rescan; ``artefacts``: how its own series look when they are
    spoilt, where the site has learnt it.
    """

    name: str
    level: float
    members: tuple[Measures, ...] = ()
    changed: tuple[str, ...] = ()
    rescans: bool = False
    artefacts: SitePresence | None = None

    def compare(self, findings: Findings, manifest: Manifest) -> Beside:
        """The signals beside what is usual of them, the deviation of them all, and the odds of an artefact.

        Of the two each has half of the level (Bonferroni): that both are asked calls no more good series.

        Raises:
            ValueError: the bundle does not compare series with their past.
        """
        if manifest.past is None:
            raise ValueError("the bundle compares nothing with a past")
        signals = findings.signals
        values = {signal.name: signal.value for signal in signals if not signal.at}
        found = compare(self.members, values, kinds_of(manifest.past))
        deviation = manifest.signal(manifest.past.deviation, nan if isinstance(found, Learning) else found.distance)
        if isinstance(found, Learning):
            measures = tuple(map(_measure, (deviation, *signals)))
            return Beside(measures=measures, learning=str(found), remarks=self.changed)
        apart = {one.name: one for one in found.deviations}
        missing = (manifest.signal(name, nan) for name, one in apart.items() if isnan(one.value) and name not in values)
        beside = (_measure(one, None if one.at else apart.get(one.name)) for one in (*signals, *missing))
        shown = self._shown(findings.source)
        level = self.level if shown is None else self.level / 2
        # exact, or the estimate where the past is too short to be exact so far out
        primary = Measure(**_told(deviation), p_value=min(found.p_value, found.estimate), level=level)
        presence: Mapping[str, float] = likely_causes(found, manifest.past) if primary.abnormal else {}
        measures = (primary, *beside)
        if shown is not None:
            odds = _odds(manifest.signal(manifest.past.artefact, shown.odds), shown, level)
            presence = shown.causes if odds.abnormal else presence
            measures = (primary, odds, *beside)
        return Beside(measures=measures, presence=presence, remarks=self.changed, rescans=self.rescans)

    def _shown(self, source: SiteSource | None) -> Shown | None:
        """Whether an artefact shows; None where the site has not learnt it, or of other numbers."""
        if self.artefacts is None or source is None:
            return None
        numbers = source.numbers()
        return self.artefacts.show(numbers) if set(self.artefacts.names) <= set(numbers) else None


def likely_causes(found: Comparison, past: Past) -> dict[str, float]:
    """The probability of each cause that the bundle knows, of a series that is unusual."""
    return likely({one.name: one.departure for one in found.deviations}, past.causes)


def kinds_of(past: Past) -> tuple[Kind, ...]:
    """How the signals of a bundle are compared."""
    return tuple(
        Kind(name=name, family=one.family, worse=one.worse, ratio=one.ratio, joint=one.joint, offsets=one.offsets)
        for name, one in past.measured.items()
    )


def past_of(
    members: Sequence[Member], parameters: Parameters, protocol: str, level: float, rescans: Collection[str] = ()
) -> OwnPast:
    """The reference of a series acquired with ``parameters``, of all ``members`` of its protocol, the newest first.

    ``rescans``: names of protocols, with * and ?, whose series may ask for a rescan.
    """
    alike = [one.measures for one in members if are_alike(one.parameters, parameters)]
    newest = members[0].parameters if members else parameters
    return OwnPast(
        name=f"own past of protocol {protocol or 'without a name'}: {len(alike)} series",
        level=level,
        members=tuple(alike),
        changed=tuple(changes(newest, parameters)),
        rescans=any(fnmatchcase(protocol.casefold(), pattern.casefold()) for pattern in rescans),
    )


def are_alike(one: Parameters, other: Parameters) -> bool:
    """Whether two series were acquired alike."""
    return one == other or not any(changes(one, other))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one judged series adds to the past of its protocol, as the bundle of this digest measured it.

    ``most``: so many are kept.
    """

    bundle: str
    scanner: str
    protocol: str
    member: Member
    most: int


def member_of(measures: Sequence[Measure], past: Past, parameters: Parameters) -> Member:
    """A judged series as the next ones see it."""
    names = past.measured
    known = {one.name: one.value for one in measures if one.name in names and not one.at}
    return Member(parameters=parameters, measures={name: value for name, value in known.items() if isfinite(value)})


def changes(before: Parameters, now: Parameters) -> Iterator[str]:
    """How parameters differ, such as "EchoTime 100, it was 90"."""
    for name in dict.fromkeys((*before, *now)):
        old, new = before.get(name, ()), now.get(name, ())
        if not _same(old, new, _LOOSE.get(name, _SAME)):
            yield f"{name} {_listed(new)}, it was {_listed(old)}"


def _same(one: Values, other: Values, share: float) -> bool:
    if len(one) != len(other):
        return False
    return all(
        isclose(a, b, rel_tol=share) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(one, other, strict=True)
    )


def _listed(values: Values) -> str:
    return " ".join(f"{value:g}" if isinstance(value, float) else value for value in values) or "not stated"


def _measure(signal: Signal, deviation: Deviation | None = None) -> Measure:
    if deviation is None:
        return Measure(**_told(signal))
    usual = (deviation.low, deviation.high)
    return Measure(**_told(signal), usual=usual, median=deviation.usual, score=deviation.score)


def _odds(signal: Signal, shown: Shown, level: float) -> Measure:
    measure = Measure(**_told(signal), p_value=shown.p_value, level=level)
    return replace(measure, usual=shown.usual, median=shown.median, score=shown.score)


def _told(signal: Signal) -> dict[str, Any]:
    return {field.name: getattr(signal, field.name) for field in fields(Signal)}
