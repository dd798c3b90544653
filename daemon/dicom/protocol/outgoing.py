"""Instances as they go over the wire, with what a sender must know of them; encoded data sets stay as they are."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom.dsutils import encode

from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.attributes import Attributes
from daemon.dicom.parsing import MALFORMED, parse, quietly, uid, unwrap
from daemon.dicom.uids import derive_uid

_TAGS: Final = tuple(
    int(Tag(keyword))
    for keyword in (
        "SOPClassUID",
        "SOPInstanceUID",
        "AcquisitionDate",
        "AcquisitionDateTime",
        "AcquisitionTime",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "InstanceNumber",
    )
)
#: What ties the objects of one series together, beside the study, and must not tie those of two.
_RENAMED: Final = ("SOPInstanceUID", "SeriesInstanceUID", "ConcatenationUID", "SOPInstanceUIDOfConcatenationSource")
_DAY: Final = "20000101"
_TIME_FORMATS: Final = ("%Y%m%d%H%M%S.%f", "%Y%m%d%H%M%S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One instance; ``encoded`` gives its data set in ``transfer_syntax_uid``.

    ``number`` is its InstanceNumber, ``acquired_at`` when it was acquired, in seconds of the scanner's own clock.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    series_instance_uid: str
    number: int
    acquired_at: float | None
    encoded: Callable[[], bytes]


def read_outgoing(load: Callable[[], bytes], seed: str | None = None) -> Outgoing:
    """The instance of the DICOM file whose bytes ``load`` gives; with ``seed`` under new series and instance UIDs.

    Raises:
        NotAssessable: UNREADABLE, it is no DICOM file, or no instance that can be sent (a DICOMDIR, say).
    """
    encoded, syntax = unwrap(load())
    if seed is None:
        return _outgoing(encoded, syntax, lambda: unwrap(load())[0])
    return _outgoing(_renamed(encoded, syntax, seed), syntax, lambda: _renamed(*unwrap(load()), seed))


def encode_outgoing(dataset: Dataset) -> Outgoing:
    """The instance that a data set made in memory is."""
    syntax = dataset.file_meta.TransferSyntaxUID
    encoded = _encode(dataset, syntax)
    return _outgoing(encoded, syntax, lambda: encoded)


def altered(encoded: bytes) -> bytes:
    """The data set with another last byte, mostly a pixel's: what a scanner sends that changed its mind."""
    return encoded[:-1] + bytes([encoded[-1] ^ 1])


def _outgoing(encoded: bytes, syntax: str, load: Callable[[], bytes]) -> Outgoing:
    header = Attributes((parse(encoded, syntax, _TAGS),))
    sop_class, sop_instance = header.text("SOPClassUID"), header.text("SOPInstanceUID")
    if not sop_class or not sop_instance:
        raise NotAssessable(Reason.UNREADABLE, "no SOP class or instance UID")
    return Outgoing(
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance,
        transfer_syntax_uid=str(syntax),
        study_instance_uid=header.text("StudyInstanceUID") or "",
        series_instance_uid=header.text("SeriesInstanceUID") or "",
        number=header.integer("InstanceNumber") or 0,
        acquired_at=_acquired_at(header),
        encoded=load,
    )


def _acquired_at(header: Attributes) -> float | None:
    date, time = header.text("AcquisitionDate") or _DAY, header.text("AcquisitionTime")
    text = header.text("AcquisitionDateTime") or (date + time if time else "")
    for form in _TIME_FORMATS:
        try:
            return datetime.strptime(text[:21].split("+")[0], form).timestamp()  # noqa: DTZ007 - differences count
        except (ValueError, OverflowError):
            continue
    return None


def _renamed(encoded: bytes, syntax: str, seed: str) -> bytes:
    dataset = parse(encoded, syntax)
    header = Attributes((dataset,))
    for keyword in _RENAMED:
        if old := header.text(keyword):
            setattr(dataset, keyword, derive_uid("pushed", seed, old))
    return _encode(dataset, uid(syntax))


def _encode(dataset: Dataset, syntax: UID) -> bytes:
    known = syntax if syntax.is_transfer_syntax else ExplicitVRLittleEndian
    try:
        with quietly():
            encoded = encode(dataset, known.is_implicit_VR, known.is_little_endian, known.is_deflated)
    except MALFORMED:
        encoded = None
    if not encoded:
        raise NotAssessable(Reason.UNREADABLE, "it cannot be encoded under new UIDs: push it as it is")
    return encoded
