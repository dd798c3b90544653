"""The numbers of an assessment as TID 1501 measurement groups (PS3.16), each with its limit and its origin.

A decimal string cannot hold NaN or infinity: such a number is left out, and ``unreportable`` names it for the comment.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from math import inf, isfinite
from typing import Final

from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    Measurement,
    MeasurementProperties,
    MeasurementsAndQualitativeEvaluations,
    NormalRangeProperties,
    NumContentItem,
    QualitativeEvaluation,
    RelationshipTypeValues,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from daemon.core.measures import Assessment, Measure
from daemon.core.values import Algorithm, Judgement, Verdict
from daemon.dicom.report.codes import (
    AGAINST_REFERENCE,
    ARTIFICIAL_INTELLIGENCE,
    DECISION_THRESHOLDS,
    NETWORK_OUTPUT,
    OTHER_MEASURE,
    PRESENCE,
    QUALITY_ASSESSMENTS,
    RANGE_ABOVE,
    RANGE_BELOW,
    RATING,
    RATING_UNIT,
    SEGMENTED_VOLUME,
    VERDICT,
    VERDICTS,
    coded,
    unit_code,
)
from daemon.dicom.text import plain
from daemon.dicom.uids import derive_uid
from models.findings import Interval
from models.manifest import Manifest

#: 0 is the worst, 100 the best (PS3.16, TID 4014).
_RATINGS: Final = range(101)


def measurement_groups(judgement: Judgement, key: tuple[str, ...]) -> list[MeasurementsAndQualitativeEvaluations]:
    """All groups of ``judgement``, the verdict's first; ``key`` tells this report's tracking UIDs from any other's."""
    assessment, manifest, authority = judgement.assessment, judgement.manifest, _authority(judgement)
    groups = [_verdict_group(judgement, authority)]
    if assessment is not None and manifest is not None:
        groups += _cause_groups(assessment, manifest, authority)
        groups += _measure_groups(assessment, manifest, authority)
        groups += _structure_groups(assessment, manifest)
    return [_encode(group, judgement.algorithm, key) for group in groups]


def unreportable(judgement: Judgement) -> tuple[str, ...]:
    """The names of the numbers that a report cannot hold, in order."""
    rating = judgement.verdict.rating
    names = ["rating"] if rating is not None and rating not in _RATINGS else []
    numbers = () if judgement.assessment is None else _numbers(judgement.assessment)
    return (*names, *(name for name, value in numbers if not isfinite(value)))


def _numbers(assessment: Assessment) -> Iterator[tuple[str, float]]:
    for measure in assessment.measures:
        yield plain(measure.name), measure.value
        if measure.limit is not None and measure.limit != inf:  # an infinite limit is no limit: nothing is missing
            yield f"limit of {plain(measure.name)}", measure.limit
    yield from ((f"presence of {plain(cause)}", value) for cause, value in assessment.presence.items())
    yield from ((f"volume of {plain(one.name)}", one.volume_ml) for one in assessment.structures)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """One measurement group before it is written: ``site`` is where its finding was made."""

    name: str
    finding: Code
    measurements: tuple[Measurement, ...]
    evaluations: tuple[QualitativeEvaluation, ...] = ()
    site: Code | None = None


def _encode(group: _Group, algorithm: Algorithm, key: tuple[str, ...]) -> MeasurementsAndQualitativeEvaluations:
    identifier = plain(f"scanside/{group.name}")
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=derive_uid("tracking", group.name, *key), identifier=identifier),
        finding_type=group.finding,
        finding_sites=None if group.site is None else [FindingSite(anatomic_location=group.site)],
        algorithm_id=_algorithm(algorithm),
        measurements=group.measurements,
        qualitative_evaluations=group.evaluations,
    )


def _algorithm(algorithm: Algorithm) -> AlgorithmIdentification:
    """TID 4019: the bundle, and what else decides the numbers."""
    return AlgorithmIdentification(
        name=plain(algorithm.bundle),
        version=plain(algorithm.bundle_version),
        parameters=[
            *([plain(f"bundle sha256={algorithm.bundle_digest}", 128)] if algorithm.bundle_digest else []),
            plain(f"software={algorithm.software_version}"),
            plain(f"configuration sha256={algorithm.config_digest}", 128),
        ],
        family=ARTIFICIAL_INTELLIGENCE,
    )


#: Unlimited text (PS3.5, 6.2); a protocol's name or a bundle's words may not fill it.
_AUTHORITY_LENGTH: Final = 256


def _authority(judgement: Judgement) -> str:
    """Where the limits come from: the configuration, and the series that this one was compared with."""
    reference = judgement.assessment.reference if judgement.assessment else ""
    settings = f"scanside thresholds {judgement.algorithm.config_digest}"
    return plain(f"{settings}; {reference}" if reference else settings, _AUTHORITY_LENGTH)


def _verdict_group(judgement: Judgement, authority: str) -> _Group:
    verdict, assessment, manifest = judgement.verdict, judgement.assessment, judgement.manifest
    measurements = []
    if verdict.rating is not None and verdict.rating in _RATINGS:
        rating = Measurement(codes.DCM.ImageQualityRating, verdict.rating, RATING_UNIT, method=RATING)
        measurements.append(rating)
    if assessment is not None and manifest is not None:
        measurements += _coded_measurement(assessment.rank, manifest, authority)
    return _Group(
        name="series-quality",
        finding=codes.DCM.ImageQuality,
        measurements=tuple(measurements),
        evaluations=tuple(_evaluations(verdict, assessment, manifest)),
    )


def _evaluations(
    verdict: Verdict, assessment: Assessment | None, manifest: Manifest | None
) -> Iterator[QualitativeEvaluation]:
    yield QualitativeEvaluation(VERDICT, VERDICTS[verdict.state])
    if verdict.state in QUALITY_ASSESSMENTS:
        yield QualitativeEvaluation(codes.DCM.QualityAssessment, QUALITY_ASSESSMENTS[verdict.state])
        yield QualitativeEvaluation(codes.DCM.QualityControlStandard, DECISION_THRESHOLDS)
    measures = () if assessment is None else assessment.measures
    abnormal = {measure.cause for measure in measures if measure.abnormal}
    for name, cause in () if manifest is None else manifest.causes.items():
        if name in {verdict.cause, *abnormal}:
            yield QualitativeEvaluation(codes.DCM.QualityFinding, coded(cause.code))


def _cause_groups(assessment: Assessment, manifest: Manifest, authority: str) -> Iterator[_Group]:
    for name, cause in manifest.causes.items():
        found = [m for m in assessment.measures if m.cause == name and m.name != assessment.primary]
        measurements = [one for measure in found for one in _coded_measurement(measure, manifest, authority)]
        if name in assessment.presence:
            presence = assessment.presence[name]
            measurements += _measurement(PRESENCE, presence, "1", method=NETWORK_OUTPUT)
        if measurements:
            yield _Group(
                name=next((manifest.signals[measure.name].group for measure in found), "") or f"cause-{name}",
                finding=coded(cause.code),
                measurements=tuple(measurements),
                site=coded(manifest.organ.site),
            )


def _measure_groups(assessment: Assessment, manifest: Manifest, authority: str) -> Iterator[_Group]:
    """The measures that are not already told with the verdict or with their cause."""
    others = [m for m in assessment.measures if m.cause not in manifest.causes and m.name != assessment.primary]
    named = sorted(((_group_of(m, manifest), m.name, m.at, n) for n, m in enumerate(others)), key=lambda one: one[:3])
    for group, members in groupby(named, key=lambda one: one[0]):
        measures = [others[number] for *_, number in members]
        measurements = [one for measure in measures for one in _coded_measurement(measure, manifest, authority)]
        if measurements:
            finding = manifest.signals[measures[0].name].finding
            yield _Group(
                name=group,
                finding=codes.DCM.ImageQuality if finding is None else coded(finding),
                measurements=tuple(measurements),
                site=_site_of(measures[0], manifest),
            )


def _group_of(measure: Measure, manifest: Manifest) -> str:
    return manifest.signals[measure.name].group or f"measure-{plain(measure.name)}"


def _site_of(measure: Measure, manifest: Manifest) -> Code:
    entry = manifest.structures.get(measure.structure)
    return coded(manifest.organ.site if entry is None else entry.code)


def _structure_groups(assessment: Assessment, manifest: Manifest) -> Iterator[_Group]:
    for structure in sorted(assessment.structures, key=lambda one: one.name):
        bars = _error_bars(structure.volume_ml, structure.interval_ml)
        measurements = _measurement(codes.SCT.Volume, structure.volume_ml, "ml", bars, method=SEGMENTED_VOLUME)
        if measurements:
            yield _Group(
                name=f"volume-{plain(structure.name)}",
                finding=coded(manifest.structures[structure.name].code),
                measurements=tuple(measurements),
                site=coded(manifest.organ.site),
            )


def _coded_measurement(measure: Measure, manifest: Manifest, authority: str) -> list[Measurement]:
    """A measure in the manifest's concepts; one without a code is named by the tracking identifier of its group."""
    entry, normality = manifest.signals[measure.name], _normality(measure, authority)
    if entry.code is None:
        return _measurement(OTHER_MEASURE, measure.value, measure.unit, normality, method=AGAINST_REFERENCE)
    return _measurement(
        coded(entry.code),
        measure.value,
        measure.unit,
        normality,
        method=None if entry.method is None else coded(entry.method),
        derivation=None if entry.derivation is None else coded(entry.derivation),
    )


def _measurement(  # noqa: PLR0913 - what a measurement is made of
    name: Code,
    value: float,
    unit: str,
    properties: MeasurementProperties | None = None,
    *,
    method: Code | None = None,
    derivation: Code | None = None,
) -> list[Measurement]:
    """One NUM with its origin and its normal range or error bars (TID 300, 310, 312); none if it is not finite."""
    if not isfinite(value):
        return []
    return [
        Measurement(
            name=name,
            value=_rounded(value),
            unit=unit_code(unit),
            method=method,
            derivation=derivation,
            properties=properties,
        )
    ]


def _normality(measure: Measure, authority: str) -> MeasurementProperties | None:
    """The upper limit of the reference, and on which side of it the value lies (TID 312)."""
    if measure.limit is None or not isfinite(measure.limit):
        return None
    limit = NumContentItem(
        name=codes.cid223.NormalRangeUpperLimit,
        value=_rounded(measure.limit),
        unit=unit_code(measure.unit),
        relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
    )
    return MeasurementProperties(
        normality=codes.cid222.AbnormallyHigh if measure.abnormal else codes.cid222.Normal,
        normal_range_properties=NormalRangeProperties([limit], authority=authority),
    )


def _error_bars(volume_ml: float, interval_ml: Interval | None) -> MeasurementProperties | None:
    """How far the truth may lie above and below a volume (TID 310)."""
    if interval_ml is None or not all(isfinite(number) for number in (volume_ml, *interval_ml)):
        return None
    low, high = interval_ml
    bars = ((RANGE_ABOVE, high - volume_ml), (RANGE_BELOW, volume_ml - low))
    properties = MeasurementProperties()  # its own arguments for these have no unit
    properties.extend(
        NumContentItem(
            name=name,
            value=_rounded(max(0.0, length)),
            unit=unit_code("ml"),
            relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
        )
        for name, length in bars
    )
    return properties


def _rounded(value: float) -> float:
    """Six significant digits: what the decimal string and the float beside it both hold."""
    return float(f"{value:.6g}")
