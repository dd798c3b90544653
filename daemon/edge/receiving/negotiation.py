"""Answering an A-ASSOCIATE-RQ: pynetdicom reads it, negotiates the contexts and encodes the answer.

Its own server is not used: it polls every millisecond in two threads an association, and reads a PDU of any length.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pydicom import uid
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext, build_context, negotiate_as_acceptor

from daemon.core.errors import ProtocolError
from daemon.dicom.protocol.contexts import (
    ENHANCED_MR,
    PROCEDURE_STEP,
    STEP_SYNTAXES,
    STORAGE_SOP_CLASSES,
    TRANSFER_SYNTAXES,
    VERIFICATION,
)
from daemon.dicom.protocol.pdu import HEAD, AbortReason, PduType

APPLICATION_CONTEXT_NAME = "1.2.840.10008.3.1.1.1"
IMPLEMENTATION_CLASS_UID = "2.25.161668929448293180954061753362126437846"
IMPLEMENTATION_VERSION_NAME = "SCANSIDE_0"

_ACCEPTED = 0  # result of a presentation context, and of the association (PS3.8 tables 9-18 and 9-17)

#: An A-ASSOCIATE-RQ: what stands before its items, an item's head, and what a context begins with.
_FIXED_BYTES, _ITEM_HEAD, _CONTEXT_HEAD = 68, struct.Struct(">BxH"), 4
_CONTEXT_ITEM, _USER_ITEM = 0x20, 0x50
_NESTING = (_CONTEXT_ITEM, _USER_ITEM)
#: Identifiers are odd numbers of one byte (PS3.8 section 9.3.2.2), so there are no more contexts; with some thirty
#: transfer syntaxes each, and a role and an extension for each class, they hold 4,000 items.
_CONTEXTS_MAX, _ITEMS_MAX = 128, 8192

# Raised by pynetdicom on hostile bytes; found by fuzzing (tests/integration/receiving/test_hostile_peers.py).
_DECODING_ERRORS = (ValueError, TypeError, LookupError, AttributeError, AssertionError, struct.error)


class Proposal(NamedTuple):
    """What a peer asks for in its A-ASSOCIATE-RQ."""

    calling_ae: str
    called_ae: str
    primitive: A_ASSOCIATE


class Context(NamedTuple):
    """An accepted presentation context."""

    sop_class_uid: str
    transfer_syntax_uid: str


class Acceptance(NamedTuple):
    """The accepted contexts by their identifiers, and the A-ASSOCIATE-AC that says so."""

    contexts: Mapping[int, Context]
    pdu: bytes


def supported_contexts(*, enhanced: bool) -> list[PresentationContext]:
    """What the receiver offers, with or without multi-frame MR."""
    storage = [sop_class for sop_class in STORAGE_SOP_CLASSES if enhanced or sop_class not in ENHANCED_MR]
    services = [build_context(VERIFICATION), build_context(PROCEDURE_STEP, list(STEP_SYNTAXES))]
    return [*services, *(build_context(sop_class, list(TRANSFER_SYNTAXES)) for sop_class in storage)]


def decode_proposal(body: bytes) -> Proposal:
    """Read the body of an A-ASSOCIATE-RQ.

    Raises:
        ProtocolError: it cannot be read.
    """
    _check_items(body)
    request = A_ASSOCIATE_RQ()
    try:
        request.decode(HEAD.pack(PduType.ASSOCIATE_REQUEST, len(body)) + body)
        primitive = request.to_primitive()
    except _DECODING_ERRORS as error:
        raise ProtocolError("the association request cannot be read", AbortReason.INVALID_PARAMETER) from error
    if not all(
        context.abstract_syntax and context.transfer_syntax
        for context in primitive.presentation_context_definition_list
    ):
        raise ProtocolError("a proposed context lacks its syntaxes", AbortReason.INVALID_PARAMETER)
    return Proposal(request.calling_ae_title, request.called_ae_title, primitive)


def _check_items(body: bytes) -> None:
    """Count before anything is decoded: a megabyte of empty items would keep the decoder busy for seconds.

    Raises:
        ProtocolError: more items, or more in one of them, than any association needs.
    """
    contexts = items = 0
    for kind, start, end in _items(body, _FIXED_BYTES, len(body)):
        contexts += kind == _CONTEXT_ITEM
        items += 1
        if kind in _NESTING:
            nested = start + _CONTEXT_HEAD if kind == _CONTEXT_ITEM else start
            items += sum(1 for _ in _items(body, nested, end))
        if contexts > _CONTEXTS_MAX or items > _ITEMS_MAX:
            raise ProtocolError("an association request holds absurdly many items", AbortReason.INVALID_PARAMETER)


def _items(body: bytes, offset: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Kind, start and end of the content of each item (PS3.8 section 9.3.2), of one more than there may be at most."""
    for _ in range(_ITEMS_MAX + 1):
        if offset + _ITEM_HEAD.size > end:
            return
        kind, length = _ITEM_HEAD.unpack_from(body, offset)
        start = offset + _ITEM_HEAD.size
        offset = start + length
        yield kind, start, min(offset, end)


def accept(proposal: Proposal, supported: Sequence[PresentationContext], pdu_bytes_max: int) -> Acceptance:
    """Take of the proposed contexts what we support; of each one's transfer syntaxes, the first in our order."""
    request = proposal.primitive
    contexts, _ = negotiate_as_acceptor(request.presentation_context_definition_list, list(supported))
    answer = A_ASSOCIATE()
    answer.application_context_name = uid.UID(APPLICATION_CONTEXT_NAME)
    answer.calling_ae_title = request.calling_ae_title
    answer.called_ae_title = request.called_ae_title
    answer.result, answer.result_source = _ACCEPTED, 1
    answer.presentation_context_definition_results_list = contexts
    answer.user_information = [*_user_information(pdu_bytes_max)]
    accepted = {
        context.context_id: Context(str(context.abstract_syntax), str(context.transfer_syntax[0]))
        for context in contexts
        if context.context_id is not None and context.result == _ACCEPTED
    }
    return Acceptance(accepted, A_ASSOCIATE_AC(answer).encode())


def _user_information(
    pdu_bytes_max: int,
) -> tuple[MaximumLengthNotification, ImplementationClassUIDNotification, ImplementationVersionNameNotification]:
    length = MaximumLengthNotification()
    length.maximum_length_received = pdu_bytes_max
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = uid.UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return length, implementation, version
