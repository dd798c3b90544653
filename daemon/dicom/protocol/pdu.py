"""Protocol data units of the upper layer, as far as the receiver reads and writes them itself (PS3.8 section 9.3)."""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from daemon.core.errors import ProtocolError

HEAD: Final = struct.Struct(">BxI")  # type, length of what follows
_VALUE_HEAD = struct.Struct(">IBB")  # length of what follows, presentation context, message control header
_VALUE_OVERHEAD = 2  # bytes that the length of a value counts beside the fragment

_IS_COMMAND = 0x01  # message control header (PS3.8 annex E.2)
_IS_LAST = 0x02


class PduType(IntEnum):
    """PDU types (PS3.8 section 9.3.1)."""

    ASSOCIATE_REQUEST = 0x01
    ASSOCIATE_ACCEPT = 0x02
    ASSOCIATE_REJECT = 0x03
    DATA = 0x04
    RELEASE_REQUEST = 0x05
    RELEASE_RESPONSE = 0x06
    ABORT = 0x07


class AbortReason(IntEnum):
    """Why the service provider aborts (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class Rejection(NamedTuple):
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    result: int
    source: int
    reason: int


_PERMANENT, _TRANSIENT = 1, 2
_SERVICE_USER, _PRESENTATION = 1, 3

CALLING_AE_UNKNOWN: Final = Rejection(_PERMANENT, _SERVICE_USER, 3)
CALLED_AE_UNKNOWN: Final = Rejection(_PERMANENT, _SERVICE_USER, 7)
LOCAL_LIMIT_EXCEEDED: Final = Rejection(_TRANSIENT, _PRESENTATION, 2)

RELEASE_RESPONSE: Final = HEAD.pack(PduType.RELEASE_RESPONSE, 4) + bytes(4)


class Fragment(NamedTuple):
    """A piece of a command set or of a data set (PS3.8 section 9.3.5.1)."""

    context_id: int
    is_command: bool
    is_last: bool
    content: memoryview


def fragments(body: bytes) -> Iterator[Fragment]:
    """The presentation data values in the body of a P-DATA-TF; nothing is copied.

    Raises:
        ProtocolError: the lengths do not add up.
    """
    offset = 0
    while offset < len(body):
        if len(body) - offset < _VALUE_HEAD.size:
            raise ProtocolError("a presentation data value is cut short", AbortReason.INVALID_PARAMETER)
        length, context_id, control = _VALUE_HEAD.unpack_from(body, offset)
        start = offset + _VALUE_HEAD.size
        offset = start + length - _VALUE_OVERHEAD
        if not start <= offset <= len(body):
            raise ProtocolError("a presentation data value does not fit its PDU", AbortReason.INVALID_PARAMETER)
        yield Fragment(
            context_id, bool(control & _IS_COMMAND), bool(control & _IS_LAST), memoryview(body)[start:offset]
        )


def encode_command(context_id: int, command_set: bytes) -> bytes:
    """A P-DATA-TF that holds a whole command set."""
    value_head = _VALUE_HEAD.pack(len(command_set) + _VALUE_OVERHEAD, context_id, _IS_COMMAND | _IS_LAST)
    return HEAD.pack(PduType.DATA, len(value_head) + len(command_set)) + value_head + command_set


def encode_rejection(rejection: Rejection) -> bytes:
    """An A-ASSOCIATE-RJ."""
    return HEAD.pack(PduType.ASSOCIATE_REJECT, 4) + bytes((0, *rejection))


def encode_abort(reason: int) -> bytes:
    """An A-ABORT by the service provider."""
    service_provider = 2
    return HEAD.pack(PduType.ABORT, 4) + bytes((0, 0, service_provider, reason))
