"""What all objects of a report have in common: whose they are, who made them, when, and how they are written.

An object's SOP Instance UID follows from its own bytes (all but the time), so the same UID always means the same
content; highdicom never sees a patient attribute: those are put in last, as the source encodes them.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any, Final

from highdicom.sr import CodedConcept
from pydicom import config
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.sr.codedict import codes
from pydicom.tag import BaseTag
from pydicom.uid import UID

from daemon.core.values import Algorithm, Judgement, ReportContext, ReportKind, ReportObject
from daemon.dicom.own import MANUFACTURER, MODEL_NAME
from daemon.dicom.report.encoding import ENCODING, encoded
from daemon.dicom.report.evidence import Evidence
from daemon.dicom.text import plain
from daemon.dicom.uids import IMPLEMENTATION_CLASS_UID, derive_uid, series_number

#: Stand-in for what is only known once the document is complete.
UNSEALED: Final = "2.25.0"


def report_key(evidence: Evidence, algorithm: Algorithm) -> tuple[str, ...]:
    """What makes a report another report: the source images and whatever judged them."""
    uids = "\n".join(sorted(source.sop_instance_uid for _, source in evidence.all_sources))
    return (
        evidence.series_instance_uid,
        sha256(uids.encode()).hexdigest(),
        algorithm.bundle_digest,
        algorithm.software_version,
        algorithm.config_digest,
    )


def source_of(evidence: Evidence) -> str:
    """The series that is judged, in words: its number and protocol, as far as it says."""
    number = "" if evidence.series_number is None else str(evidence.series_number)
    return " ".join(filter(None, ("series", number, evidence.protocol)))


def series_attributes(evidence: Evidence, judgement: Judgement, kind: ReportKind) -> dict[str, Any]:
    """The arguments that every highdicom object takes about its series and its equipment."""
    algorithm = judgement.algorithm
    bundle = f"{algorithm.bundle} {algorithm.bundle_version}" if algorithm.bundle_digest else ""
    versions = [version for version in (algorithm.software_version, bundle) if version]
    revision = str(judgement.context.revision)  # a verdict given anew is a series of its own: viewers show one instance
    return {
        "series_instance_uid": derive_uid("series", kind.value, revision, *report_key(evidence, algorithm)),
        "series_number": series_number(evidence.series_number, kind),
        "series_description": plain(f"Scanside verdict: {judgement.verdict.state.value}, {source_of(evidence)}"),
        "sop_instance_uid": UNSEALED,
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MODEL_NAME,
        "software_versions": tuple(plain(version) for version in versions),
        "device_serial_number": plain(judgement.context.station),
    }


def seal(document: Dataset, kind: ReportKind, evidence: Evidence, judgement: Judgement) -> ReportObject:
    """Give the finished ``document`` its patient, its equipment, its UID and its time, and encode it."""
    document.ContributingEquipmentSequence = [*_scanner(evidence), *_software(document)]
    document.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    document.file_meta.ImplementationVersionName = "SCANSIDE"
    _set_times(document, _EPOCH)
    elements = _encode((*document, *evidence.identity))
    digest = sha256(_joined(elements)).hexdigest()
    uid = derive_uid("instance", *report_key(evidence, judgement.algorithm), digest)
    document.SOPInstanceUID = document.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    _set_times(document, _finished(evidence, judgement.context))
    elements |= _encode(element for element in document if element.keyword in _SEALED)
    return ReportObject(
        kind=kind,
        sop_instance_uid=uid,
        sop_class_uid=str(document.SOPClassUID),
        series_instance_uid=str(document.SeriesInstanceUID),
        payload=_file_head(document) + _joined(elements),
    )


_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_TIMES: Final = (
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("SeriesDate", "SeriesTime"),
    ("ContentDate", "ContentTime"),
)
_CAPTURE_TIME: Final = ("DateOfSecondaryCapture", "TimeOfSecondaryCapture")
#: All that is only known once the rest is.
_SEALED: Final = {"SOPInstanceUID", *_CAPTURE_TIME, *(keyword for pair in _TIMES for keyword in pair)}


def _finished(evidence: Evidence, context: ReportContext) -> datetime:
    """In the scanner's local time: TimezoneOffsetFromUTC, copied or absent, governs all times of an object."""
    offset = evidence.utc_offset_minutes
    zone = timezone(timedelta(minutes=context.utc_offset_minutes if offset is None else offset))
    return datetime.fromtimestamp(context.finished_at, zone)


def _set_times(document: Dataset, moment: datetime) -> None:
    for day, time in (*_TIMES, *([_CAPTURE_TIME] if _CAPTURE_TIME[0] in document else [])):
        setattr(document, day, moment.strftime("%Y%m%d"))
        setattr(document, time, moment.strftime("%H%M%S.%f"))


def _scanner(evidence: Evidence) -> list[Dataset]:
    """The scanner as contributing equipment (PS3.3, C.12.1.1.5); the equipment of the object itself is ours."""
    if not evidence.scanner:
        return []
    item = Dataset()
    for element in evidence.scanner:
        text = element.value.decode(ENCODING) if element.value else ""
        item[element.tag] = DataElement(element.tag, element.VR or "LO", text, validation_mode=config.IGNORE)
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.DCM.AcquisitionEquipment)]
    item.ContributionDescription = "Acquisition equipment of the source images"
    return [item]


def _software(document: Dataset) -> list[Dataset]:
    """The library that built the object, as it names itself, without the time of day that it puts there."""
    items = list(document.ContributingEquipmentSequence)
    for item in items:
        item.pop("ContributionDateTime", None)
    return items


def _file_head(document: Dataset) -> bytes:
    """What a DICOM file begins with: preamble, prefix, file meta information (PS3.10, 7.1)."""
    buffer = DicomBytesIO()
    buffer.write(bytes(128) + b"DICM")
    write_file_meta_info(buffer, document.file_meta, enforce_standard=True)
    return buffer.getvalue()


def _encode(elements: Iterable[DataElement | RawDataElement]) -> dict[BaseTag, bytes]:
    """Each element by its tag; of two with one tag the later one."""
    return {element.tag: encoded(element) for element in elements}


def _joined(elements: Mapping[BaseTag, bytes]) -> bytes:
    return b"".join(elements[tag] for tag in sorted(elements))
