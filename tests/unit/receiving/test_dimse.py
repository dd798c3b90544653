"""Command sets, against pynetdicom's encoding and decoding of them."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import MRImageStorage
from pynetdicom.dimse_messages import (
    C_ECHO_RQ,
    C_ECHO_RSP,
    C_FIND_RQ,
    C_STORE_RQ,
    C_STORE_RSP,
    N_CREATE_RQ,
    N_CREATE_RSP,
    N_SET_RQ,
    N_SET_RSP,
)
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_STORE, N_CREATE, N_SET
from pynetdicom.dsutils import decode, encode

from daemon.core.errors import ProtocolError
from daemon.dicom.protocol.dimse import (
    NOT_WRITTEN,
    STEP_ENDED,
    STEP_ENDED_ID,
    Command,
    Request,
    Status,
    decode_request,
    encode_response,
)
from daemon.dicom.protocol.pdu import AbortReason

_UIDS = st.from_regex(r"[1-9][0-9]{0,8}(\.(0|[1-9][0-9]{0,8})){1,5}", fullmatch=True)
MPPS = "1.2.840.10008.3.1.2.3.3"
_OF_STORE = st.sampled_from([Status.SUCCESS, Status.OUT_OF_RESOURCES])
_OF_STEPS = st.sampled_from(sorted({*Status} - {Status.OUT_OF_RESOURCES}))
_MESSAGE_IDS = st.integers(0, 65535)


def store_request(message_id: int = 1, uid: str = "1.2.3", dataset: bytes = b"\0\0") -> bytes:
    """The command set of a C-STORE-RQ as pynetdicom encodes it."""
    primitive = C_STORE()
    primitive.MessageID = message_id
    primitive.AffectedSOPClassUID = MRImageStorage
    primitive.AffectedSOPInstanceUID = uid
    primitive.DataSet = BytesIO(dataset)
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    return encode(message.command_set, is_implicit_vr=True, is_little_endian=True)


def echo_request(message_id: int = 1) -> bytes:
    primitive = C_ECHO()
    primitive.MessageID = message_id
    message = C_ECHO_RQ()
    message.primitive_to_message(primitive)
    return encode(message.command_set, is_implicit_vr=True, is_little_endian=True)


def step_request(command: Command, message_id: int, uid: str) -> bytes:
    """The command set of an N-CREATE-RQ or N-SET-RQ as pynetdicom encodes it."""
    if command is Command.N_CREATE:
        primitive, message = N_CREATE(), N_CREATE_RQ()
        primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = MPPS, uid
        primitive.AttributeList = BytesIO(b"\0\0")
    else:
        primitive, message = N_SET(), N_SET_RQ()
        primitive.RequestedSOPClassUID, primitive.RequestedSOPInstanceUID = MPPS, uid
        primitive.ModificationList = BytesIO(b"\0\0")
    primitive.MessageID = message_id
    message.primitive_to_message(primitive)
    return encode(message.command_set, is_implicit_vr=True, is_little_endian=True)


def decoded(message, command_set: bytes):
    """The primitive that pynetdicom reads from a command set."""
    message.command_set = decode(BytesIO(command_set), is_implicit_vr=True, is_little_endian=True)
    message.data_set = BytesIO()
    return message.message_to_primitive()


@given(_MESSAGE_IDS, _UIDS)
def test_a_store_request_of_pynetdicom_is_read(message_id, uid):
    expected = Request(
        command=Command.C_STORE,
        message_id=message_id,
        sop_class_uid=MRImageStorage,
        sop_instance_uid=uid,
        has_data_set=True,
    )

    assert expected == decode_request(store_request(message_id, uid))


@given(_MESSAGE_IDS)
def test_an_echo_request_of_pynetdicom_is_read(message_id):
    request = decode_request(echo_request(message_id))

    assert (Command.C_ECHO, message_id, False) == (request.command, request.message_id, request.has_data_set)


@given(_MESSAGE_IDS, _UIDS, _OF_STORE)
def test_a_store_response_is_read_by_pynetdicom(message_id, uid, status):
    response = decoded(C_STORE_RSP(), encode_response(decode_request(store_request(message_id, uid)), status))

    assert (message_id, uid, MRImageStorage, status) == (
        response.MessageIDBeingRespondedTo,
        response.AffectedSOPInstanceUID,
        response.AffectedSOPClassUID,
        response.Status,
    )


@given(_MESSAGE_IDS)
def test_an_echo_response_is_read_by_pynetdicom(message_id):
    response = decoded(C_ECHO_RSP(), encode_response(decode_request(echo_request(message_id)), Status.SUCCESS))

    assert (message_id, 0x0000) == (response.MessageIDBeingRespondedTo, response.Status)


@given(_MESSAGE_IDS, _UIDS, _OF_STORE)
def test_responses_are_encoded_as_pynetdicom_would(message_id, uid, status):
    primitive = C_STORE()
    primitive.MessageIDBeingRespondedTo = message_id
    primitive.AffectedSOPClassUID = MRImageStorage
    primitive.AffectedSOPInstanceUID = uid
    primitive.Status = status
    if status is Status.OUT_OF_RESOURCES:
        primitive.ErrorComment = NOT_WRITTEN
    message = C_STORE_RSP()
    message.primitive_to_message(primitive)
    expected = encode(message.command_set, is_implicit_vr=True, is_little_endian=True)

    assert expected == encode_response(decode_request(store_request(message_id, uid)), status)


@given(st.sampled_from([Command.N_CREATE, Command.N_SET]), _MESSAGE_IDS, _UIDS, _OF_STEPS)
def test_what_is_answered_about_a_step_is_read_by_pynetdicom(command, message_id, uid, status):
    request = decode_request(step_request(command, message_id, uid))
    response = decoded(N_CREATE_RSP() if command is Command.N_CREATE else N_SET_RSP(), encode_response(request, status))

    assert (command, message_id, MPPS, uid, True) == (
        request.command,
        request.message_id,
        request.sop_class_uid,
        request.sop_instance_uid,
        request.has_data_set,
    )
    assert (message_id, uid, MPPS, status) == (
        response.MessageIDBeingRespondedTo,
        response.AffectedSOPInstanceUID,
        response.AffectedSOPClassUID,
        response.Status,
    )


def test_a_step_that_has_ended_is_refused_with_the_standards_error():
    command_set = encode_response(decode_request(step_request(Command.N_SET, 1, "1.2.3")), Status.STEP_ENDED)
    response = decode(BytesIO(command_set), is_implicit_vr=True, is_little_endian=True)

    assert (0x0110, STEP_ENDED_ID, STEP_ENDED) == (response.Status, response.ErrorID, response.ErrorComment)


@pytest.mark.parametrize("comment", [NOT_WRITTEN, STEP_ENDED])
def test_a_comment_fits_its_element(comment):
    assert 64 >= len(comment)


def test_a_uid_that_breaks_the_rules_is_kept_as_sent():
    command_set = store_request(uid="1.2.345").replace(b"1.2.345\0", b"1.2\xff.x \0")

    assert "1.2\xff.x" == decode_request(command_set).sop_instance_uid


@given(st.binary(max_size=300))
def test_no_bytes_make_decoding_fail_otherwise_than_by_name(command_set):
    with pytest.raises(ProtocolError):
        decode_request(command_set)


@given(st.data())
def test_a_damaged_request_is_answered_or_refused_by_name(data):
    command_set = bytearray(store_request())
    for _ in range(data.draw(st.integers(1, 4))):
        command_set[data.draw(st.integers(0, len(command_set) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(command_set[: data.draw(st.integers(0, len(command_set)))])
    try:
        request = decode_request(cut)
    except ProtocolError:
        return

    assert 0 == len(encode_response(request, Status.SUCCESS)) % 2


def test_a_service_not_offered_is_refused_by_name():
    primitive = C_FIND()
    primitive.MessageID = 1
    primitive.AffectedSOPClassUID = "1.2.840.10008.5.1.4.1.2.2.1"
    primitive.Identifier = BytesIO(b"\0\0")
    message = C_FIND_RQ()
    message.primitive_to_message(primitive)

    with pytest.raises(ProtocolError, match="not offered") as caught:
        decode_request(encode(message.command_set, is_implicit_vr=True, is_little_endian=True))

    assert AbortReason.UNEXPECTED_PARAMETER == caught.value.abort_reason
