"""The numbers of an assessment as TID 1501 measurement groups (PS3.16), each with its limit and its origin.

A decimal string cannot hold NaN or infinity: such a number is left out, and ``unreportable`` names it for the comment.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import inf, isfinite
from typing import Final

from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from daemon.core.measures import Assessment, Measure, nearness
from daemon.core.values import Algorithm, Author, Judgement
from daemon.dicom.report.codes import (
    ARTIFICIAL_INTELLIGENCE,
    DECISION_THRESHOLDS,
    NETWORK_OUTPUT,
    PRESENCE,
    QUALITY_ASSESSMENTS,
    RATING,
    RATING_UNIT,
    SEGMENTED_VOLUME,
    VERDICT,
    VERDICTS,
    coded,
)
from daemon.dicom.report.quantities import coded_measurement, error_bars, measurement
from daemon.dicom.text import plain
from daemon.dicom.uids import derive_uid
from models.manifest import Manifest

#: 0 is the worst, 100 the best (PS3.16, TID 4014).
_RATINGS: Final = range(101)


def measurement_groups(judgement: Judgement, key: tuple[str, ...]) -> list[MeasurementsAndQualitativeEvaluations]:
    """All groups of ``judgement``, the verdict's first; ``key`` tells this report's tracking UIDs from any other's."""
    assessment, manifest = judgement.assessment, judgement.manifest
    authority = _authority(judgement.algorithm, assessment)
    groups = [_verdict_group(judgement, authority)]
    if assessment is not None and manifest is not None:
        groups += _cause_groups(assessment, manifest, authority)
        groups += _measure_groups(assessment, manifest, authority)
        groups += _structure_groups(assessment, manifest)
    told = [_encode(group, judgement.algorithm, key) for group in groups]
    if (author := judgement.own_past) is None:
        return told
    return [*told, *(_encode(group, author.algorithm, key) for group in _own_past_groups(judgement, author))]


def unreportable(judgement: Judgement) -> tuple[str, ...]:
    """The names of the numbers that a report cannot hold, in order."""
    rating = judgement.verdict.rating
    names = ["rating"] if rating is not None and rating not in _RATINGS else []
    numbers = (number for assessment in _assessments(judgement) for number in _numbers(assessment))
    return (*names, *(name for name, value in numbers if not isfinite(value)))


def places_left_out(judgement: Judgement) -> int:
    """Of how many places, such as volumes, the report does not tell the numbers: those furthest below their limits."""
    return sum(len(one.measures) - len(_told(one.measures)) for one in _assessments(judgement))


def _assessments(judgement: Judgement) -> Iterator[Assessment]:
    """What was measured for the task, then what was measured beside the own past."""
    if judgement.assessment is not None:
        yield judgement.assessment
        if judgement.assessment.own_past is not None:
            yield judgement.assessment.own_past.assessment


#: Numbers of single places that one signal has in a report: those nearest to their limits.
_PLACES_MAX: Final = 32


def _told(measures: Sequence[Measure]) -> list[Measure]:
    """The measures that a report tells, in their order."""
    left: list[int] = []
    for name in dict.fromkeys(measure.name for measure in measures if measure.at):
        placed = [n for n, measure in enumerate(measures) if measure.name == name and measure.at]
        left += sorted(placed, key=lambda n: nearness(measures[n]), reverse=True)[_PLACES_MAX:]
    return [measure for n, measure in enumerate(measures) if n not in left]


def _numbers(assessment: Assessment) -> Iterator[tuple[str, float]]:
    for measure in _told(assessment.measures):
        name = plain(f"{measure.name} at {measure.place}" if measure.at else measure.name)
        if measure.name != assessment.primary or not assessment.learning:  # not known yet: nothing is missing
            yield name, measure.value
        if measure.limit is not None and measure.limit != inf:  # an infinite limit is no limit: nothing is missing
            yield f"limit of {name}", measure.limit
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


def _authority(algorithm: Algorithm, assessment: Assessment | None) -> str:
    """Where the limits come from: the configuration, and the series that this one was compared with."""
    reference = assessment.reference if assessment else ""
    settings = f"scanside thresholds {algorithm.config_digest}"
    return plain(f"{settings}; {reference}" if reference else settings, _AUTHORITY_LENGTH)


def _verdict_group(judgement: Judgement, authority: str) -> _Group:
    verdict, assessment, manifest = judgement.verdict, judgement.assessment, judgement.manifest
    measurements = []
    if verdict.rating is not None and verdict.rating in _RATINGS:
        rating = Measurement(codes.DCM.ImageQualityRating, verdict.rating, RATING_UNIT, method=RATING)
        measurements.append(rating)
    if assessment is not None and manifest is not None:
        measurements += coded_measurement(assessment.rank, manifest, authority)
    return _Group(
        name="series-quality",
        finding=codes.DCM.ImageQuality,
        measurements=tuple(measurements),
        evaluations=tuple(_evaluations(judgement)),
    )


def _evaluations(judgement: Judgement) -> Iterator[QualitativeEvaluation]:
    verdict = judgement.verdict
    yield QualitativeEvaluation(VERDICT, VERDICTS[verdict.state])
    if verdict.state in QUALITY_ASSESSMENTS:
        yield QualitativeEvaluation(codes.DCM.QualityAssessment, QUALITY_ASSESSMENTS[verdict.state])
        yield QualitativeEvaluation(codes.DCM.QualityControlStandard, DECISION_THRESHOLDS)
    measures = (measure for assessment in _assessments(judgement) for measure in assessment.measures)
    named = {verdict.cause, *(measure.cause for measure in measures if measure.abnormal)}
    found = (entry.code for name, entry in judgement.causes.items() if name in named)
    yield from (QualitativeEvaluation(codes.DCM.QualityFinding, coded(code)) for code in dict.fromkeys(found))


def _cause_groups(assessment: Assessment, manifest: Manifest, authority: str) -> Iterator[_Group]:
    for name, cause in manifest.causes.items():
        found = [measure for measure in _grouped(assessment) if measure.cause == name]
        group = next((manifest.signals[measure.name].group for measure in found), "") or f"cause-{name}"
        for place, measures in _by_place(found).items():
            measurements = [one for measure in measures for one in coded_measurement(measure, manifest, authority)]
            if not place and name in assessment.presence:
                measurements += measurement(PRESENCE, assessment.presence[name], "1", method=NETWORK_OUTPUT)
            if measurements:
                yield _Group(
                    name=_at(group, place),
                    finding=coded(cause.code),
                    measurements=tuple(measurements),
                    site=coded(manifest.organ.site),
                )


def _measure_groups(assessment: Assessment, manifest: Manifest, authority: str) -> Iterator[_Group]:
    """The measures that are not already told with the verdict or with their cause."""
    others = [measure for measure in _grouped(assessment) if measure.cause not in manifest.causes]
    named = sorted(others, key=lambda one: (_group_of(one, manifest), one.name, one.at))
    for group, members in groupby(named, key=lambda one: _group_of(one, manifest)):
        for place, measures in _by_place(members).items():
            measurements = [one for measure in measures for one in coded_measurement(measure, manifest, authority)]
            if measurements:
                finding = manifest.signals[measures[0].name].finding
                yield _Group(
                    name=_at(group, place),
                    finding=codes.DCM.ImageQuality if finding is None else coded(finding),
                    measurements=tuple(measurements),
                    site=_site_of(measures[0], manifest),
                )


def _own_past_groups(judgement: Judgement, author: Author) -> Iterator[_Group]:
    """How far off its own past the series is, and the measures of that; named apart from the task's."""
    _, assessment = _assessments(judgement)
    manifest, authority = author.manifest, _authority(author.algorithm, assessment)
    distance = _Group(
        name="distance",
        finding=codes.DCM.ImageQuality,
        measurements=tuple(coded_measurement(assessment.rank, manifest, authority)),
    )
    groups = (
        distance,
        *_cause_groups(assessment, manifest, authority),
        *_measure_groups(assessment, manifest, authority),
    )
    yield from (replace(group, name=f"own-past-{group.name}") for group in groups if group.measurements)


def _grouped(assessment: Assessment) -> list[Measure]:
    """What is told in groups: all but the primary number of the whole, which stands with the verdict."""
    return [measure for measure in _told(assessment.measures) if measure.at or measure.name != assessment.primary]


def _by_place(measures: Iterable[Measure]) -> dict[str, list[Measure]]:
    """The measures of the whole first, then those of each place."""
    found: dict[str, list[Measure]] = {"": []}
    for measure in sorted(measures, key=lambda one: one.at):
        found.setdefault(measure.place, []).append(measure)
    return found


def _at(group: str, place: str) -> str:
    return f"{group}, {place}" if place else group


def _group_of(measure: Measure, manifest: Manifest) -> str:
    return manifest.signals[measure.name].group or f"measure-{plain(measure.name)}"


def _site_of(measure: Measure, manifest: Manifest) -> Code:
    entry = manifest.structures.get(measure.structure)
    return coded(manifest.organ.site if entry is None else entry.code)


def _structure_groups(assessment: Assessment, manifest: Manifest) -> Iterator[_Group]:
    for structure in sorted(assessment.structures, key=lambda one: one.name):
        bars = error_bars(structure.volume_ml, structure.interval_ml)
        measurements = measurement(codes.SCT.Volume, structure.volume_ml, "ml", bars, method=SEGMENTED_VOLUME)
        if measurements:
            yield _Group(
                name=f"volume-{plain(structure.name)}",
                finding=coded(manifest.structures[structure.name].code),
                measurements=tuple(measurements),
                site=coded(manifest.organ.site),
            )
