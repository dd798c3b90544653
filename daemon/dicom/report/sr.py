"""A verdict as DICOM SR: TID 1500 Imaging Measurement Report (PS3.16), in Comprehensive 3D SR or Enhanced SR.

The tree is the same in both; Enhanced SR is for destinations that do not take the other (PS3.3, A.35.2 and A.35.13).
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    EnhancedSR,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    MeasurementReport,
    NumContentItem,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
    UIDRefContentItem,
)
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from daemon.core.people.translation import Translation
from daemon.core.people.words import verdict_words, words_of
from daemon.core.phrases import Phrase
from daemon.core.values import Judgement, ReportKind, ReportObject, ReportReference
from daemon.dicom.own import MANUFACTURER, MODEL_NAME
from daemon.dicom.report.codes import (
    LANGUAGES,
    MRI_PROCEDURE,
    PIXELS,
    QUALITATIVE_EVALUATIONS,
    SOURCE_IMAGE,
    TARGET_REGION,
    coded,
    coding_schemes,
)
from daemon.dicom.report.document import report_key, seal, series_attributes
from daemon.dicom.report.evidence import Evidence
from daemon.dicom.report.measurements import measurement_groups, places_left_out, unreportable
from daemon.dicom.text import plain
from daemon.dicom.uids import derive_uid


class SRClass(StrEnum):
    """The SOP class that carries the tree; the second one is for destinations that reject the first."""

    COMPREHENSIVE_3D = "Comprehensive 3D SR"
    ENHANCED = "Enhanced SR"


def build_sr(
    evidence: Evidence,
    judgement: Judgement,
    sop_class: SRClass = SRClass.COMPREHENSIVE_3D,
    translation: Translation | None = None,
) -> ReportObject:
    """The SR of one verdict: identical for identical arguments, byte for byte.

    Its text is English, or in the language of ``translation``, which it names (PS3.16, TID 1204) and in which the
    verdict is said; the meanings of its codes are English always.

    COMPLETE and FINAL for a complete series, PARTIAL and PRELIMINARY for one that broke off; never VERIFIED, which
    needs a person (PS3.3, C.17.2).
    """
    predecessor = judgement.context.predecessor
    with config.disable_value_validation():  # its warnings would quote UIDs of the source
        content = _content(evidence, judgement, translation or Translation())
        items = content.pop("ContentSequence")
        content.ContentSequence = []  # highdicom copies, parses and searches all that it is given: half of the time
        document = _DOCUMENTS[sop_class](
            evidence=_references(evidence),
            content=content,
            is_complete=not judgement.context.partial,
            is_final=not judgement.context.partial,
            previous_versions=None if predecessor is None else [_previous(evidence, predecessor)],
            coding_schemes=coding_schemes(),
            **series_attributes(evidence, judgement, ReportKind.SR),
        )
        document["ContentSequence"] = items
        return seal(document, ReportKind.SR, evidence, judgement)


class _Unidentified:
    """Takes nothing of the patient from the evidence: ``seal`` puts it in, byte for byte."""

    def copy_patient_and_study_information(self, dataset: Dataset) -> None:
        """Nothing yet."""


class _Comprehensive3D(_Unidentified, Comprehensive3DSR):
    """1.2.840.10008.5.1.4.1.1.88.34."""


class _Enhanced(_Unidentified, EnhancedSR):
    """1.2.840.10008.5.1.4.1.1.88.22."""


_DOCUMENTS: Final[Mapping[SRClass, type[Dataset]]] = {
    SRClass.COMPREHENSIVE_3D: _Comprehensive3D,
    SRClass.ENHANCED: _Enhanced,
}


def _references(evidence: Evidence) -> list[Dataset]:
    """Source instances as highdicom wants them, without a patient."""
    references = [_reference(evidence, uid, s.sop_class_uid, s.sop_instance_uid) for uid, s in evidence.all_sources]
    for keyword in _STAND_IN:
        setattr(references[0], keyword, None)
    return references


_STAND_IN: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
)


def _reference(evidence: Evidence, series_uid: str, sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    reference = Dataset()
    reference.StudyInstanceUID = evidence.study_instance_uid
    reference.SeriesInstanceUID = series_uid
    reference.SOPClassUID = sop_class_uid
    reference.SOPInstanceUID = sop_instance_uid
    return reference


def _previous(evidence: Evidence, predecessor: ReportReference) -> Dataset:
    series_uid = predecessor.series_instance_uid
    return _reference(evidence, series_uid, predecessor.sop_class_uid, predecessor.sop_instance_uid)


def _content(evidence: Evidence, judgement: Judgement, translation: Translation) -> Dataset:
    key, language = report_key(evidence, judgement.algorithm), CodedConcept.from_code(LANGUAGES[translation.language])
    report = MeasurementReport(
        observation_context=_observer(judgement),
        procedure_reported=_procedures(evidence),
        imaging_measurements=measurement_groups(judgement, key),
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(language),
    )
    root: Dataset = report[0]
    items = list(root.ContentSequence)
    measurements = items.pop()  # the library comes before the measurements (TID 1500, row 6)
    library = [] if evidence.matrix is None else [_image_library(evidence, _region(judgement))]
    root.ContentSequence = ContentSequence([*items, *library, measurements, _comment(judgement, translation)])
    return root


def _observer(judgement: Judgement) -> ObservationContext:
    """TID 1002, 1004: a device observed, no person."""
    algorithm, station = judgement.algorithm, plain(judgement.context.station)
    device = DeviceObserverIdentifyingAttributes(
        uid=derive_uid("device", station, algorithm.software_version, algorithm.bundle_digest),
        name="Scanside",
        manufacturer_name=MANUFACTURER,
        model_name=f"{MODEL_NAME} {plain(algorithm.software_version)}",
        serial_number=station,
        physical_location="Beside the scanner",
    )
    observer = ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return ObservationContext(observer_device_context=observer)


def _procedures(evidence: Evidence) -> list[Code]:
    return [Code(p.value, p.scheme, p.meaning) for p in evidence.procedures] or [MRI_PROCEDURE]


def _region(judgement: Judgement) -> Code | None:
    """The target region is the assessment's claim: without one there is none to make."""
    if judgement.assessment is None or judgement.manifest is None:
        return None
    return coded(judgement.manifest.organ.region)


def _image_library(evidence: Evidence, region: Code | None) -> ContainerContentItem:
    """TID 1600, built here: highdicom repeats the descriptors in each entry and drops the shared ones."""
    library = ContainerContentItem(codes.DCM.ImageLibrary, relationship_type=RelationshipTypeValues.CONTAINS)
    group = ContainerContentItem(codes.DCM.ImageLibraryGroup, relationship_type=RelationshipTypeValues.CONTAINS)
    images = (
        ImageContentItem(
            name=SOURCE_IMAGE,
            referenced_sop_class_uid=source.sop_class_uid,
            referenced_sop_instance_uid=source.sop_instance_uid,
            relationship_type=RelationshipTypeValues.CONTAINS,
        )
        for _, source in evidence.all_sources
    )
    group.ContentSequence = ContentSequence([*_descriptors(evidence, region), *images])
    library.ContentSequence = ContentSequence([group])
    return library


def _descriptors(evidence: Evidence, region: Code | None) -> Iterator[ContentItem]:
    """TID 1602."""
    context = RelationshipTypeValues.HAS_ACQ_CONTEXT
    if evidence.modality == codes.cid29.MagneticResonance.value:
        yield CodeContentItem(codes.DCM.Modality, codes.cid29.MagneticResonance, context)
    if region is not None:
        yield CodeContentItem(TARGET_REGION, region, context)
    if evidence.frame_of_reference_uid is not None:
        yield UIDRefContentItem(codes.DCM.FrameOfReferenceUID, evidence.frame_of_reference_uid, context)
    names = (codes.DCM.PixelDataRows, codes.DCM.PixelDataColumns)
    for name, length in zip(names, evidence.matrix or (), strict=True):
        yield NumContentItem(name, length, PIXELS, relationship_type=context)


def _comment(judgement: Judgement, translation: Translation) -> ContainerContentItem:
    container = ContainerContentItem(QUALITATIVE_EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS)
    text = TextContentItem(codes.DCM.Comment, comment(judgement, translation), RelationshipTypeValues.CONTAINS)
    container.ContentSequence = ContentSequence([text])
    return container


#: A comment is one line for a person; the numbers are in the groups.
_COMMENT_LENGTH: Final = 1024


def comment(judgement: Judgement, translation: Translation) -> str:
    """The verdict in one line of plain text, with its reasons and with whatever the report had to leave out."""
    say, context = translation.say, judgement.context
    verdict, words = judgement.verdict, words_of(translation.language)
    why = [say(verdict.not_assessed.value)] if verdict.not_assessed else []
    left_out, places = unreportable(judgement), places_left_out(judgement)
    sentences = (
        f"{verdict_words(verdict, translation.language)}: {verdict.action}",
        *(f"{reason}." for reason in dict.fromkeys((*verdict.reasons, *why)) if reason not in verdict.action),
        say(Phrase("Not a number, left out: {}.", (", ".join(left_out),))) if left_out else "",
        say(Phrase("{} numbers of single places left out.", (str(places),))) if places else "",
        say("Series incomplete.") if context.partial else "",
        say(Phrase("Revision {}, closed by {}.", (str(context.revision), words[context.closed_by]))),
    )
    return plain(" ".join(sentence for sentence in sentences if sentence), _COMMENT_LENGTH)
