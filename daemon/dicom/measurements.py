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

from daemon.core.values import Algorithm, Assessment, Judgement, Measure, Verdict
from daemon.dicom.codes import (
    ARTEFACTS,
    ARTIFICIAL_INTELLIGENCE,
    BRAIN,
    DECISION_THRESHOLDS,
    NETWORK_OUTPUT,
    OTHER_STRUCTURE,
    OVERALL_UNCERTAINTY,
    PRESENCE,
    QUALITY_ASSESSMENTS,
    RANGE_ABOVE,
    RANGE_BELOW,
    RATING,
    RATING_UNIT,
    SEGMENTED_VOLUME,
    TISSUES,
    VARIANCE,
    VERDICT,
    VERDICTS,
    measure_concept,
    unit_code,
)
from daemon.dicom.text import plain
from daemon.dicom.uids import derive_uid
from models.artefacts import Artefact

#: 0 is the worst, 100 the best (PS3.16, TID 4014).
_RATINGS: Final = range(101)


def measurement_groups(judgement: Judgement, key: tuple[str, ...]) -> list[MeasurementsAndQualitativeEvaluations]:
    """All groups of ``judgement``, the verdict's first; ``key`` tells this report's tracking UIDs from any other's."""
    assessment, authority = judgement.assessment, _authority(judgement)
    groups = [_verdict_group(judgement.verdict, assessment, authority)]
    if assessment is not None:
        groups += _artefact_groups(assessment, authority)
        groups += _measure_groups(assessment, authority)
        groups += _volume_groups(assessment)
    return [_encode(group, judgement.algorithm, key) for group in groups]


def unreportable(judgement: Judgement) -> tuple[str, ...]:
    """The names of the numbers that a report cannot hold, in order."""
    rating = judgement.verdict.rating
    names = ["rating"] if rating is not None and rating not in _RATINGS else []
    numbers = () if judgement.assessment is None else _numbers(judgement.assessment)
    return (*names, *(name for name, value in numbers if not isfinite(value)))


def _numbers(assessment: Assessment) -> Iterator[tuple[str, float]]:
    measures = {
        "overall uncertainty": assessment.uncertainty,
        **{f"{a} variance": assessment.artefacts[a] for a in Artefact if a in assessment.artefacts},
        **{plain(name): measure for name, measure in _other_measures(assessment).items()},
    }
    for name, measure in measures.items():
        yield name, measure.value
        if measure.limit is not None and measure.limit != inf:  # an infinite limit is no limit: nothing is missing
            yield f"limit of {name}", measure.limit
    yield from ((f"{a} probability", assessment.causes[a]) for a in Artefact if a in assessment.causes)
    yield from ((f"{plain(name)} volume", assessment.volumes_ml[name]) for name in sorted(assessment.volumes_ml))


def _other_measures(assessment: Assessment) -> dict[str, Measure]:
    """The measures that are not already told as the uncertainty or as an artefact's variance, by name in order."""
    told: dict[str, Measure] = {"uncertainty": assessment.uncertainty}
    told |= {artefact.value: measure for artefact, measure in assessment.artefacts.items()}
    return {name: measure for name, measure in sorted(assessment.measures.items()) if told.get(name) != measure}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """One measurement group before it is written: ``site`` is where its finding was made."""

    name: str
    finding: Code
    measurements: tuple[Measurement, ...]
    evaluations: tuple[QualitativeEvaluation, ...] = ()
    site: Code | None = BRAIN


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
            plain(f"bundle sha256={algorithm.bundle_digest}", 128),
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


def _verdict_group(verdict: Verdict, assessment: Assessment | None, authority: str) -> _Group:
    measurements = []
    if verdict.rating is not None and verdict.rating in _RATINGS:
        rating = Measurement(codes.DCM.ImageQualityRating, verdict.rating, RATING_UNIT, method=RATING)
        measurements.append(rating)
    if assessment is not None:
        measurements += _measurement(
            OVERALL_UNCERTAINTY,
            assessment.uncertainty,
            _normality(assessment.uncertainty, authority),
            method=NETWORK_OUTPUT,
        )
    return _Group(
        name="series-quality",
        finding=codes.DCM.ImageQuality,
        measurements=tuple(measurements),
        evaluations=tuple(_evaluations(verdict, assessment)),
        site=None,
    )


def _evaluations(verdict: Verdict, assessment: Assessment | None) -> Iterator[QualitativeEvaluation]:
    yield QualitativeEvaluation(VERDICT, VERDICTS[verdict.state])
    if verdict.state in QUALITY_ASSESSMENTS:
        yield QualitativeEvaluation(codes.DCM.QualityAssessment, QUALITY_ASSESSMENTS[verdict.state])
        yield QualitativeEvaluation(codes.DCM.QualityControlStandard, DECISION_THRESHOLDS)
    found = {} if assessment is None else assessment.artefacts
    for artefact in Artefact:
        if artefact == verdict.cause or (artefact in found and found[artefact].abnormal):
            yield QualitativeEvaluation(codes.DCM.QualityFinding, ARTEFACTS[artefact])


def _artefact_groups(assessment: Assessment, authority: str) -> Iterator[_Group]:
    for artefact in Artefact:
        measurements: list[Measurement] = []
        if artefact in assessment.artefacts:
            variance = assessment.artefacts[artefact]
            measurements += _measurement(VARIANCE, variance, _normality(variance, authority), derivation=codes.SCT.Mean)
        if artefact in assessment.causes:
            presence = Measure(value=assessment.causes[artefact], unit="1")
            measurements += _measurement(PRESENCE, presence, None, method=NETWORK_OUTPUT)
        if measurements:
            yield _Group(
                name=f"uncertainty-{artefact}",
                finding=ARTEFACTS[artefact],
                measurements=tuple(measurements),
            )


def _measure_groups(assessment: Assessment, authority: str) -> Iterator[_Group]:
    measures = _other_measures(assessment)
    named = sorted((measure_concept(name).group, name) for name in measures)
    for group, members in groupby(named, key=lambda pair: pair[0]):
        concepts = {name: measure_concept(name) for _, name in members}
        measurements = [
            measurement
            for name, concept in concepts.items()
            for measurement in _measurement(
                concept.name, measures[name], _normality(measures[name], authority), method=concept.method
            )
        ]
        if measurements:
            finding = next(iter(concepts.values())).finding
            yield _Group(name=group, finding=finding, measurements=tuple(measurements))


def _volume_groups(assessment: Assessment) -> Iterator[_Group]:
    for name in sorted(assessment.volumes_ml):
        volume = Measure(value=assessment.volumes_ml[name], unit="ml")
        bars = _error_bars(volume, assessment.intervals_ml.get(name))
        measurements = _measurement(codes.SCT.Volume, volume, bars, method=SEGMENTED_VOLUME)
        if measurements:
            finding = TISSUES.get(name.lower(), OTHER_STRUCTURE)
            yield _Group(name=f"volume-{plain(name)}", finding=finding, measurements=tuple(measurements))


def _measurement(
    name: Code,
    measure: Measure,
    properties: MeasurementProperties | None,
    *,
    method: Code | None = None,
    derivation: Code | None = None,
) -> list[Measurement]:
    """One NUM with its origin and its normal range or error bars (TID 300, 310, 312); none if it is not finite."""
    if not isfinite(measure.value):
        return []
    return [
        Measurement(
            name=name,
            value=_rounded(measure.value),
            unit=unit_code(measure.unit),
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


def _error_bars(measure: Measure, interval: tuple[float, float] | None) -> MeasurementProperties | None:
    """How far the truth may lie above and below the value, in its unit (TID 310)."""
    if interval is None or not all(isfinite(number) for number in (measure.value, *interval)):
        return None
    low, high = interval
    bars = ((RANGE_ABOVE, high - measure.value), (RANGE_BELOW, measure.value - low))
    properties = MeasurementProperties()  # its own arguments for these have no unit
    properties.extend(
        NumContentItem(
            name=name,
            value=_rounded(max(0.0, length)),
            unit=unit_code(measure.unit),
            relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
        )
        for name, length in bars
    )
    return properties


def _rounded(value: float) -> float:
    """Six significant digits: what the decimal string and the float beside it both hold."""
    return float(f"{value:.6g}")
