"""The DIMSE messages of an SCP for Storage, Verification and MPPS (PS3.7 sections 6.3, 9.3, 10.3 and annex E).

A command set is always encoded in implicit little endian, its elements in group 0000.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from daemon.core.errors import ProtocolError
from daemon.dicom.protocol.pdu import AbortReason

_ELEMENT_HEAD = struct.Struct("<HHI")
_UNSIGNED_SHORT = struct.Struct("<H")
_UNSIGNED_LONG = struct.Struct("<I")

_NO_DATA_SET = 0x0101  # any other CommandDataSetType announces one

#: ErrorComments, at most 64 characters; they go into the scanner's log, so they name nobody.
NOT_WRITTEN: Final = "Not stored: the receiver could not write to its disk"
STEP_ENDED: Final = "Performed Procedure Step Object may no longer be updated"
#: ErrorID of a change to a step that has ended (PS3.4 table F.7.2-2).
STEP_ENDED_ID: Final = 0xA710


class Element(IntEnum):
    """Element numbers in group 0000, by DICOM keyword."""

    CommandGroupLength = 0x0000
    AffectedSOPClassUID = 0x0002
    RequestedSOPClassUID = 0x0003
    CommandField = 0x0100
    MessageID = 0x0110
    MessageIDBeingRespondedTo = 0x0120
    CommandDataSetType = 0x0800
    Status = 0x0900
    ErrorComment = 0x0902
    ErrorID = 0x0903
    AffectedSOPInstanceUID = 0x1000
    RequestedSOPInstanceUID = 0x1001


class Command(IntEnum):
    """CommandField of the requests that we answer; the response has the highest bit set."""

    C_STORE = 0x0001
    C_ECHO = 0x0030
    N_SET = 0x0120
    N_CREATE = 0x0140


_RESPONSE = 0x8000


class Status(IntEnum):
    """What we answer: an instance is stored, or the disk failed; its content is never judged here (PS3.4 B.2.3).

    The others answer the report of a procedure step (PS3.7 annex C, PS3.4 F.7.2).
    """

    SUCCESS = 0x0000
    OUT_OF_RESOURCES = 0xA700
    INVALID_VALUE = 0x0106
    STEP_ENDED = 0x0110  # processing failure, with an ErrorID that says which
    DUPLICATE_INSTANCE = 0x0111
    NO_SUCH_INSTANCE = 0x0112
    INVALID_INSTANCE = 0x0117
    NO_SUCH_CLASS = 0x0118
    MISSING_ATTRIBUTE = 0x0120
    MISSING_VALUE = 0x0121
    RESOURCE_LIMITATION = 0x0213


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A C-STORE-RQ, C-ECHO-RQ, N-CREATE-RQ or N-SET-RQ; an N-SET names the instance that it wants changed."""

    command: Command
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_data_set: bool


_COMMENTS: Final = {
    Status.OUT_OF_RESOURCES: NOT_WRITTEN,
    Status.RESOURCE_LIMITATION: NOT_WRITTEN,
    Status.STEP_ENDED: STEP_ENDED,
}


def decode_request(command_set: bytes) -> Request:
    """The request in a command set.

    Raises:
        ProtocolError: it is damaged, lacks what every request has, or asks for a service that we do not offer.
    """
    elements = _elements(command_set)
    try:
        command = Command(_unsigned_short(elements, Element.CommandField))
        requested = command is Command.N_SET
        return Request(
            command=command,
            message_id=_unsigned_short(elements, Element.MessageID),
            sop_class_uid=_uid(elements, Element.RequestedSOPClassUID if requested else Element.AffectedSOPClassUID),
            sop_instance_uid=_uid(
                elements, Element.RequestedSOPInstanceUID if requested else Element.AffectedSOPInstanceUID
            ),
            has_data_set=_unsigned_short(elements, Element.CommandDataSetType) != _NO_DATA_SET,
        )
    except (KeyError, struct.error) as error:
        raise ProtocolError("a command set lacks a mandatory element", AbortReason.INVALID_PARAMETER) from error
    except ValueError as error:
        raise ProtocolError("a command asks for a service not offered", AbortReason.UNEXPECTED_PARAMETER) from error


def _elements(command_set: bytes) -> dict[int, bytes]:
    elements = {}
    offset = 0
    while offset < len(command_set):
        if len(command_set) - offset < _ELEMENT_HEAD.size:
            raise ProtocolError("a command set is cut short", AbortReason.INVALID_PARAMETER)
        group, element, length = _ELEMENT_HEAD.unpack_from(command_set, offset)
        start = offset + _ELEMENT_HEAD.size
        offset = start + length
        if group != 0 or offset > len(command_set):
            raise ProtocolError("a command set is no command set", AbortReason.INVALID_PARAMETER)
        elements[element] = command_set[start:offset]
    return elements


def _unsigned_short(elements: dict[int, bytes], element: Element) -> int:
    number: int = _UNSIGNED_SHORT.unpack(elements[element])[0]
    return number


def _uid(elements: dict[int, bytes], element: Element) -> str:
    """As sent, even where it breaks the rules for UIDs; empty where there is none."""
    return elements.get(element, b"").decode("latin-1").rstrip("\0 ")


def encode_response(request: Request, status: Status) -> bytes:
    """The command set that answers ``request``."""
    body = (
        _encode_text(Element.AffectedSOPClassUID, request.sop_class_uid, padding=b"\0")
        + _encode_short(Element.CommandField, request.command | _RESPONSE)
        + _encode_short(Element.MessageIDBeingRespondedTo, request.message_id)
        + _encode_short(Element.CommandDataSetType, _NO_DATA_SET)
        + _encode_short(Element.Status, status)
    )
    if status in _COMMENTS:
        body += _encode_text(Element.ErrorComment, _COMMENTS[status], padding=b" ")
    if status is Status.STEP_ENDED:
        body += _encode_short(Element.ErrorID, STEP_ENDED_ID)
    if request.command is not Command.C_ECHO:
        body += _encode_text(Element.AffectedSOPInstanceUID, request.sop_instance_uid, padding=b"\0")
    return _encode(Element.CommandGroupLength, _UNSIGNED_LONG.pack(len(body))) + body


def _encode(element: Element, value: bytes) -> bytes:
    return _ELEMENT_HEAD.pack(0, element, len(value)) + value


def _encode_short(element: Element, number: int) -> bytes:
    return _encode(element, _UNSIGNED_SHORT.pack(number))


def _encode_text(element: Element, text: str, *, padding: bytes) -> bytes:
    value = text.encode("latin-1")
    return _encode(element, value + padding * (len(value) % 2))
