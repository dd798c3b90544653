"""What a report takes over from its source series, and the care with which it does.

Patient and study attributes travel byte for byte: they are never decoded, so no character set can break them and no
library can quote them in a warning. Only what would make the report invalid is left empty (PS3.3, C.7.1.1, C.7.2.1).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import Tag
from pydicom.valuerep import STR_VR, VR

from daemon.core.values import Series
from daemon.dicom.attributes import Attributes, element_of, items
from daemon.dicom.text import LONG_STRING, plain
from daemon.dicom.uids import derive_uid


@dataclass(frozen=True, slots=True)
class Source:
    """One source instance as reports refer to it."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Procedure:
    """A procedure code of the source; ``meaning`` as encoded there, one character a byte."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The source series as its reports need it.

    ``joined``: the sources of the series that were judged with it, by their UIDs.
    ``identity``: patient and study attributes as the source encodes them, with its character set and time zone;
    ``scanner``: its equipment attributes likewise; ``matrix``: rows and columns, None for what is no image;
    ``protocol``: its name, else the series' description, in our own letters.
    """

    study_instance_uid: str
    series_instance_uid: str
    modality: str
    sources: tuple[Source, ...]
    identity: tuple[RawDataElement, ...]
    scanner: tuple[RawDataElement, ...]
    procedures: tuple[Procedure, ...] = ()
    series_number: int | None = None
    protocol: str = ""
    frame_of_reference_uid: str | None = None
    matrix: tuple[int, int] | None = None
    body_part: str | None = None
    utc_offset_minutes: int | None = None
    joined: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)

    @property
    def all_sources(self) -> tuple[tuple[str, Source], ...]:
        """Every source with the UID of its series; those of the series itself first."""
        whose = ((self.series_instance_uid, self.sources), *self.joined.items())
        return tuple((uid, source) for uid, sources in whose for source in sources)


def gather_evidence(series: Series, header: Dataset, joined: Sequence[Series] = ()) -> Evidence:
    """The evidence of ``series``; ``header`` is the data set of any of its instances, as ``pydicom.dcmread`` gives it.

    ``joined``: the series that were judged with it. Nothing in the header is an error: what is missing or malformed is
    left empty.
    """
    return Evidence(
        study_instance_uid=series.study_instance_uid or derive_uid("study", series.series_instance_uid),
        series_instance_uid=series.series_instance_uid,
        modality=series.instances[0].modality,
        sources=_sources(series),
        joined={one.series_instance_uid: _sources(one) for one in joined},
        identity=(*_required(header), *_optional(header, _OPTIONAL)),
        scanner=tuple(_optional(header, _SCANNER)) if _value(header, "Manufacturer") else (),
        procedures=tuple(_procedures(header)),
        series_number=Attributes((header,)).integer("SeriesNumber"),
        protocol=_protocol(header),
        frame_of_reference_uid=_matching(header, "FrameOfReferenceUID", _UID),
        matrix=_matrix(header),
        body_part=_matching(header, "BodyPartExamined", _CODE_STRING),
        utc_offset_minutes=_utc_offset(header),
    )


def _sources(series: Series) -> tuple[Source, ...]:
    return tuple(Source(i.arrival.sop_class_uid, i.arrival.sop_instance_uid) for i in series.instances)


_UID: Final = re.compile(r"(?=.{1,64}$)\d+(\.\d+)+")
_CODE_STRING: Final = re.compile(r"[A-Z0-9 _]{1,16}")
_DATE: Final = re.compile(rb"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME: Final = re.compile(rb"([01]\d|2[0-3])(:?[0-5]\d(:?([0-5]\d|60)(\.\d{1,6})?)?)?")
_AGE: Final = re.compile(rb"\d{3}[DWMY]")
_OFFSET: Final = re.compile(rb"([+-])(\d{2})([0-5]\d)")
_CHARACTER_SETS: Final = re.compile(rb"[A-Z0-9 _\\]{1,128}")
_SHORT: Final = re.compile(rb"[!-\[\]-~][ -\[\]-~]{0,15}")
#: A value in another representation is damage (None: Implicit VR; UN: unknown to whoever passed it on).
_TEXT: Final = {None, VR.UN, *STR_VR}
#: Longer values than any of these attributes may have are damage, not data (PS3.5, 6.2: LT is the longest).
_LONGEST: Final = 10_240


def _date(value: bytes) -> bytes:
    """A calendar date as YYYYMMDD, without the full stops of ACR-NEMA; empty if it is none."""
    match = _DATE.fullmatch(value)
    if match is None:
        return b""
    try:
        date(*(int(part) for part in match.groups()))
    except ValueError:
        return b""
    return b"".join(match.groups())


def _time(value: bytes) -> bytes:
    return value.replace(b":", b"") if _TIME.fullmatch(value) else b""


def _sex(value: bytes) -> bytes:
    return value if value in {b"M", b"F", b"O"} else b""


def _age(value: bytes) -> bytes:
    return value if _AGE.fullmatch(value) else b""


def _character_sets(value: bytes) -> bytes:
    return value if _CHARACTER_SETS.fullmatch(value) else b""


def _time_zone(value: bytes) -> bytes:
    return value if _OFFSET.fullmatch(value) else b""


def _as_it_is(value: bytes) -> bytes:
    return value


#: Type 2: always there, empty where the source has nothing valid.
_REQUIRED: Final[dict[str, Callable[[bytes], bytes]]] = {
    "StudyDate": _date,
    "StudyTime": _time,
    "AccessionNumber": _as_it_is,
    "ReferringPhysicianName": _as_it_is,
    "PatientName": _as_it_is,
    "PatientID": _as_it_is,
    "PatientBirthDate": _date,
    "PatientSex": _sex,
    "StudyID": _as_it_is,
}
#: Type 3 and 1C: there where the source has something valid.
_OPTIONAL: Final[dict[str, Callable[[bytes], bytes]]] = {
    "SpecificCharacterSet": _character_sets,
    "TimezoneOffsetFromUTC": _time_zone,
    "StudyDescription": _as_it_is,
    "IssuerOfPatientID": _as_it_is,
    "PatientAge": _age,
}
_SCANNER: Final[dict[str, Callable[[bytes], bytes]]] = {
    "Manufacturer": _as_it_is,
    "InstitutionName": _as_it_is,
    "StationName": _as_it_is,
    "ManufacturerModelName": _as_it_is,
    "DeviceSerialNumber": _as_it_is,
    "SoftwareVersions": _as_it_is,
}

#: What a report takes over, and the name of the protocol, which the page shows.
EVIDENCE: Final = tuple(
    int(Tag(keyword))
    for keyword in (
        *(*_REQUIRED, *_OPTIONAL, *_SCANNER, "ProcedureCodeSequence", "SeriesNumber", "FrameOfReferenceUID"),
        *("Rows", "Columns", "BodyPartExamined", "Modality", "ProtocolName"),
    )
)


def _required(header: Dataset) -> list[RawDataElement]:
    return [_raw(keyword, valid(_value(header, keyword))) for keyword, valid in _REQUIRED.items()]


def _optional(header: Dataset, wanted: dict[str, Callable[[bytes], bytes]]) -> list[RawDataElement]:
    values = {keyword: valid(_value(header, keyword)) for keyword, valid in wanted.items()}
    return [_raw(keyword, value) for keyword, value in values.items() if value]


def _raw(keyword: str, value: bytes) -> RawDataElement:
    padded = value + b" " * (len(value) % 2)
    return RawDataElement(
        tag=Tag(keyword),
        VR=dictionary_VR(keyword),
        length=len(padded),
        value=padded,
        value_tell=0,
        is_implicit_VR=False,
        is_little_endian=True,
    )


def _value(dataset: Dataset, keyword: str) -> bytes:
    """The encoded text without its padding; empty if there is none, or something else than text."""
    element = element_of(dataset, keyword)
    if element is None or element.VR not in _TEXT:
        return b""
    value = (element.value or b"") if isinstance(element, RawDataElement) else _encode(dataset, element)
    stripped = value.rstrip(b" \0")
    return stripped if len(stripped) <= _LONGEST else b""


def _encode(dataset: Dataset, element: DataElement) -> bytes:
    """The value of an element that someone has decoded."""
    terms = Attributes((dataset,)).texts("SpecificCharacterSet")
    known = all(term in python_encoding for term in terms)  # pydicom took its default for one that it does not know
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_data_element(buffer, element, list(terms) if known else None)
    return buffer.getvalue()[8:]  # tag and length take four bytes each


def _protocol(header: Dataset) -> str:
    attributes = Attributes((header,))
    texts = (attributes.decoded_text(keyword) for keyword in ("ProtocolName", "SeriesDescription"))
    return next((words for text in texts if (words := plain(text or ""))), "")


def _matrix(header: Dataset) -> tuple[int, int] | None:
    attributes = Attributes((header,))
    rows, columns = attributes.integer("Rows"), attributes.integer("Columns")
    return (rows, columns) if rows and columns and min(rows, columns) > 0 else None


def _matching(header: Dataset, keyword: str, pattern: re.Pattern[str]) -> str | None:
    value = _value(header, keyword).strip().decode("ascii", "replace")
    return value if pattern.fullmatch(value) else None


def _utc_offset(header: Dataset) -> int | None:
    match = _OFFSET.fullmatch(_value(header, "TimezoneOffsetFromUTC"))
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    return (int(hours) * 60 + int(minutes)) * (-1 if sign == b"-" else 1)


def _procedures(header: Dataset) -> list[Procedure]:
    found = (_procedure(item) for item in items(header, "ProcedureCodeSequence"))
    return [procedure for procedure in found if procedure is not None]


def _procedure(item: Dataset) -> Procedure | None:
    value, scheme, meaning = (_value(item, k) for k in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"))
    if not (_SHORT.fullmatch(value) and _SHORT.fullmatch(scheme) and meaning) or "SpecificCharacterSet" in item:
        return None
    text = meaning if len(meaning) <= LONG_STRING else value
    return Procedure(value.decode(), scheme.decode(), text.decode("iso8859"))
