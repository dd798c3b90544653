"""Whose a series or a procedure step is, and what the page may say of it: from the first image, or from an N-CREATE."""

import re
from typing import Final

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from daemon.core.people.exams import PatientHint, Whose
from daemon.core.ports import Content
from daemon.core.steps import StepArrival
from daemon.core.values import Arrival
from daemon.dicom.attributes import Attributes, items
from daemon.dicom.parsing import parse

_KEYWORDS: Final = (
    "SpecificCharacterSet",
    "AcquisitionDate",
    "SeriesDate",
    "StudyDate",
    "AcquisitionTime",
    "SeriesTime",
    "StudyTime",
    "AcquisitionDateTime",
    "SeriesDescription",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "ProtocolName",
    "StudyInstanceUID",
    "SeriesNumber",
)
_TAGS: Final = tuple(int(Tag(keyword)) for keyword in _KEYWORDS)
_IDENTITY: Final = ("PatientID", "PatientName", "PatientBirthDate")
_LENGTH_MAX: Final = 64
_DIGITS: Final = re.compile(r"\d{8}")
_STEP_MOMENT: Final = ("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime")
_MOMENTS: Final = (
    ("AcquisitionDate", "AcquisitionTime"),
    ("SeriesDate", "SeriesTime"),
    ("StudyDate", "StudyTime"),
)


def whose_series(arrival: Arrival, dataset: bytes | Content, hint: PatientHint = PatientHint.NONE) -> Whose:
    """What the header of a series' image says; never raises for what it says.

    Raises:
        SpoolError: the data set can no longer be read.
    """
    header = Attributes((parse(dataset, arrival.transfer_syntax_uid, _TAGS),))
    protocol = header.decoded_text("ProtocolName") or header.decoded_text("SeriesDescription") or ""
    return Whose(
        study_instance_uid=header.text("StudyInstanceUID") or "",
        patient=_patient(header),
        hint=_hint(header, hint),
        protocol=_printable(protocol),
        number=header.integer("SeriesNumber"),
        acquired=_acquired(header),
    )


def whose_step(arrival: StepArrival, encoded: bytes, hint: PatientHint = PatientHint.NONE) -> Whose | None:
    """What an N-CREATE says of its patient and study (PS3.3 C.4.13); None where it names no study."""
    dataset = parse(encoded, arrival.transfer_syntax_uid)
    header = Attributes((dataset,))
    scheduled = (_study(item) for item in items(dataset, "ScheduledStepAttributesSequence")[:1])
    study = next(filter(None, scheduled), "")
    if not study:
        return None
    date, time = (header.text(keyword) or "" for keyword in _STEP_MOMENT)
    return Whose(
        study_instance_uid=study, patient=_patient(header), hint=_hint(header, hint), acquired=_joined(date, time)
    )


def _study(item: Dataset) -> str:
    return Attributes((item,)).text("StudyInstanceUID") or ""


def _patient(header: Attributes) -> str:
    """Everything that tells one patient from another, as it is written; empty where all of it is."""
    stated = [header.text(keyword) or "" for keyword in _IDENTITY]
    return "\n".join(stated) if any(stated) else ""


def _hint(header: Attributes, kind: PatientHint) -> str:
    """The configured part of PatientName's first component group (PS3.5 6.2.1)."""
    if kind is PatientHint.NONE:
        return ""
    group = (header.decoded_text("PatientName") or "").split("=")[0]
    family, given, *_ = [part.strip() for part in (*group.split("^"), "", "")]
    if kind is PatientHint.INITIALS:
        return " ".join(f"{part[0].upper()}." for part in (given, family) if part)
    return _printable(", ".join(part for part in (family, given) if part))


def _acquired(header: Attributes) -> str:
    stated = header.text("AcquisitionDateTime") or ""
    if _DIGITS.match(stated):
        return _joined(stated[:8], stated[8:])
    moments = (_joined(header.text(date) or "", header.text(time) or "") for date, time in _MOMENTS)
    return next(filter(None, moments), "")


def _joined(date: str, time: str) -> str:
    """YYYYMMDDHHMMSS; empty where the date or the time of day is not whole."""
    digits = date.replace(".", "")[:8] + time.replace(":", "")[:6]
    return digits if re.fullmatch(r"\d{14}", digits) else ""


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:_LENGTH_MAX]
