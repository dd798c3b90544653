"""Reports of procedure steps to values: N-CREATE and N-SET data sets (PS3.3 C.4.13 to C.4.15), whatever they hold."""

import re
from collections.abc import Iterator
from typing import Final

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from daemon.core.steps import StepArrival, StepReport, StepState
from daemon.dicom.attributes import Attributes, element_of, items
from daemon.dicom.parsing import parse

UID: Final = re.compile(r"[0-9.]{1,64}")

_STATUS: Final = "PerformedProcedureStepStatus"
_STATUS_TAG: Final = int(Tag(_STATUS))
_SERIES: Final = "PerformedSeriesSequence"
#: A step with more series than this is none of a scanner's; looking each of them up would take minutes.
_SERIES_MAX: Final = 1000
_REFERENCES: Final = ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")


def stated_status(encoded: bytes, transfer_syntax_uid: str) -> str | None:
    """PerformedProcedureStepStatus as sent; empty where it has no value, None where it is absent.

    Nothing behind it is read: the receiver asks for no more.
    """
    dataset = parse(encoded, transfer_syntax_uid, (_STATUS_TAG,))
    if element_of(dataset, _STATUS) is None:
        return None
    return Attributes((dataset,)).text(_STATUS) or ""


def read_report(arrival: StepArrival, encoded: bytes) -> StepReport:
    """What a report says; never raises for its content."""
    dataset = parse(encoded, arrival.transfer_syntax_uid)
    status = Attributes((dataset,)).text(_STATUS)
    listed = element_of(dataset, _SERIES)
    return StepReport(
        step_uid=arrival.step_uid,
        reported_at=arrival.received_at,
        state=StepState(status) if status and status in [*StepState] else None,
        images=None if listed is None else _images(dataset),
    )


def _images(dataset: Dataset) -> dict[str, frozenset[str]]:
    images: dict[str, frozenset[str]] = {}
    for series in items(dataset, _SERIES)[:_SERIES_MAX]:
        uid = Attributes((series,)).text("SeriesInstanceUID")
        if uid and UID.fullmatch(uid):
            images[uid] = images.get(uid, frozenset()) | frozenset(_references(series))
    return images


def _references(series: Dataset) -> Iterator[str]:
    for keyword in _REFERENCES:
        for reference in items(series, keyword):
            if uid := Attributes((reference,)).text("ReferencedSOPInstanceUID"):
                yield uid
