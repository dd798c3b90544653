"""A peer that speaks the upper layer by hand, so that it can also speak it wrong."""

import socket
from io import BytesIO
from typing import Self

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage
from pynetdicom import build_context
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ, N_CREATE_RQ
from pynetdicom.dimse_primitives import C_ECHO, C_STORE, N_CREATE
from pynetdicom.dsutils import decode, encode
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.sop_class import Verification

from builders.peers.receiver import encoded, mr_dataset
from daemon.dicom.protocol.pdu import HEAD, PduType, encode_command, fragments

MR, ECHO, STEPS = 1, 3, 5  # identifiers of the contexts that the peer proposes

RELEASE_REQUEST = HEAD.pack(PduType.RELEASE_REQUEST, 4) + bytes(4)
USER_ABORT = HEAD.pack(PduType.ABORT, 4) + bytes(4)


def association_request(called: str = "SCANSIDE", calling: str = "SCANNER") -> bytes:
    """An A-ASSOCIATE-RQ for MR images and procedure steps in explicit little endian, and for echo."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    contexts = [
        build_context(MRImageStorage, ExplicitVRLittleEndian),
        build_context(Verification, ImplicitVRLittleEndian),
        build_context("1.2.840.10008.3.1.2.3.3", ExplicitVRLittleEndian),
    ]
    for context, number in zip(contexts, (MR, ECHO, STEPS), strict=True):
        context.context_id = number
    primitive.presentation_context_definition_list = contexts
    length = MaximumLengthNotification()
    length.maximum_length_received = 16384
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = "1.2.3.4.5"
    primitive.user_information = [length, implementation]
    return A_ASSOCIATE_RQ(primitive).encode()


def store_command(uid: str, message_id: int = 1) -> bytes:
    """The command set of a C-STORE-RQ."""
    primitive = C_STORE()
    primitive.MessageID = message_id
    primitive.AffectedSOPClassUID = MRImageStorage
    primitive.AffectedSOPInstanceUID = uid
    primitive.DataSet = BytesIO(b"\0\0")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    return encode(message.command_set, is_implicit_vr=True, is_little_endian=True)


def echo_command() -> bytes:
    """The command set of a C-ECHO-RQ."""
    primitive = C_ECHO()
    primitive.MessageID = 1
    message = C_ECHO_RQ()
    message.primitive_to_message(primitive)
    return encode(message.command_set, is_implicit_vr=True, is_little_endian=True)


def data_pdu(content: bytes, *, last: bool, context_id: int = MR) -> bytes:
    """A P-DATA-TF with one piece of a data set."""
    value = (len(content) + 2).to_bytes(4, "big") + bytes([context_id, 2 * last]) + content
    return HEAD.pack(PduType.DATA, len(value)) + value


def store_pdus(uid: str, dataset: bytes, piece: int = 16000) -> list[bytes]:
    """All PDUs of a C-STORE-RQ."""
    pieces = [dataset[start : start + piece] for start in range(0, len(dataset), piece)]
    data = [data_pdu(piece, last=number == len(pieces) - 1) for number, piece in enumerate(pieces)]
    return [encode_command(MR, store_command(uid)), *data]


def step_pdus(uid: str, dataset: bytes) -> list[bytes]:
    """All PDUs of an N-CREATE-RQ for a procedure step."""
    primitive = N_CREATE()
    primitive.MessageID = 1
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = "1.2.840.10008.3.1.2.3.3", uid
    primitive.AttributeList = BytesIO(dataset)
    message = N_CREATE_RQ()
    message.primitive_to_message(primitive)
    command = encode(message.command_set, is_implicit_vr=True, is_little_endian=True)
    return [encode_command(STEPS, command), data_pdu(dataset, last=True, context_id=STEPS)]


def mr_bytes(number: int = 1, size: int = 64) -> bytes:
    """The data set of ``mr_dataset`` as it goes over the wire."""
    return encoded(mr_dataset(number, size))


class Peer:
    """A connection to the receiver; closed at the end of a ``with`` block."""

    def __init__(self, port: int, connection: socket.socket | None = None) -> None:
        self.socket = connection or socket.create_connection(("127.0.0.1", port), timeout=60)

    def associate(self, **titles: str) -> "Peer":
        """Request an association, and expect it."""
        self.send(association_request(**titles))
        pdu = self.read()
        if pdu is None:
            raise ConnectionResetError("the receiver closed the connection")
        assert PduType.ASSOCIATE_ACCEPT == pdu[0], pdu
        return self

    def send(self, *pdus: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(b"".join(pdus))

    def read(self) -> tuple[int, bytes] | None:
        """The next PDU; None at the end of the connection."""
        head = self._read_exactly(HEAD.size)
        if head is None:
            return None
        pdu_type, length = HEAD.unpack(head)
        body = self._read_exactly(length)
        if body is None:
            raise ConnectionResetError("a PDU was cut short")
        return pdu_type, body

    def _read_exactly(self, length: int) -> bytes | None:
        content = b""
        while len(content) < length:
            try:
                piece = self.socket.recv(length - len(content))
            except ConnectionResetError:
                return None
            if not piece:
                return None
            content += piece
        return content

    def status(self) -> int | None:
        """The status in the next response; None where another PDU or the end comes instead."""
        response = self.response()
        return None if response is None else response.Status

    def response(self):
        """The command set of the next response; None where another PDU or the end comes instead."""
        pdu = self.read()
        if pdu is None or pdu[0] != PduType.DATA:
            return None
        (fragment,) = fragments(pdu[1])
        return decode(BytesIO(fragment.content), is_implicit_vr=True, is_little_endian=True)

    def store(self, uid: str, dataset: bytes, piece: int = 16000) -> int | None:
        """Send an instance; returns the status answered."""
        self.send(*store_pdus(uid, dataset, piece))
        return self.status()

    def release(self) -> None:
        """Release the association, and expect the response."""
        self.send(RELEASE_REQUEST)
        pdu = self.read()
        assert pdu
        assert PduType.RELEASE_RESPONSE == pdu[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
