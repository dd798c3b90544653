"""C-STORE SCU: report objects to a DICOM peer, each answer classified as done, passing trouble, or refused for good."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import BytesIO
from socket import socket
from ssl import SSLContext
from typing import cast

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AssociationSocket

from daemon.core.errors import DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.values import ReportObject
from daemon.dicom.report.recoding import COMPRESSED, recoded, syntaxes_for
from daemon.edge.delivery.reactor import parked_reactor
from daemon.edge.tls import TlsSettings, client_context

#: C-STORE status codes (PS3.4 B.2.3, PS3.7 annex C).
SUCCESS = 0x0000
#: Of a peer that has stored the instance all the same.
WARNINGS = frozenset({0xB000, 0xB006, 0xB007})
#: The peer holds the instance already; ours are the same bytes under the same UID, so it is delivered.
_DUPLICATE = 0x0111
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
#: A-ASSOCIATE-RJ result (PS3.8 table 9-21).
_REJECTED_FOR_GOOD, _BY_PRESENTATION = 1, 3
#: Results of a context that is not taken (PS3.8 table 9-18).
_NOT_TAKEN = range(1, 5)
#: C-STORE-RSP (PS3.7 E.1), and the message that pynetdicom counts our request as.
_STORE_RESPONSE, _MESSAGE_ID = 0x8001, 1
#: All that a peer may send in one association: an acceptance, an answer, a release; for commitment, some hundred items.
_ANSWER_BYTES = 1 << 20
#: An association is accepted, an object answered and the release answered, each in the peer's time.
_EXCHANGES = 3
_SHORTEST_S = 0.001
#: A picture in smaller parts would be tens of thousands of messages (PS3.8 D.1 knows no least size).
_PDU_BYTES_MIN = 256

TlsArguments = tuple[SSLContext, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A DICOM node: where it listens, its AE title, ours, how long to wait in seconds; TLS where it is set.

    ``compressed``: offer it pictures compressed without loss, too.
    """

    name: str
    host: str
    port: int
    ae_title: str
    calling_ae: str
    timeout_s: float = 30.0
    tls: TlsSettings | None = None
    compressed: bool = True


class StorageScu:
    """Delivers each object on an association of its own: a rejected context cannot take others with it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._tls = tls_arguments(peer)

    @property
    def name(self) -> str:
        """How the configuration calls the peer."""
        return self._peer.name

    def deliver(self, report_object: ReportObject) -> str:
        """Send one object and wait for the peer's answer; what the peer remarked.

        Raises:
            DeliveryRefused: association or object refused for good.
            DestinationUnreachable: no association.
            DeliveryFailed: no answer, or the peer is short of resources.
        """
        syntaxes = self._syntaxes(report_object.payload)
        heard: list[DIMSEMessage] = []
        association = self._associate(report_object.sop_class_uid, syntaxes, heard)
        try:
            accepted = [context.transfer_syntax[0] for context in association.accepted_contexts]
            syntax = next(syntax for syntax in syntaxes if syntax in accepted)
            dataset = dcmread(BytesIO(recoded(report_object.payload, syntax)))
            with parked_reactor(association):
                answer = association.send_c_store(dataset)
        finally:
            if association.is_established:
                association.release()
        contexts = {context.context_id for context in association.accepted_contexts}
        if answer and not any(_is_about(message, report_object, contexts) for message in heard):
            raise DeliveryFailed(f"{self.name} answered something else than was asked: see its log")
        return self._judge(answer)

    def _syntaxes(self, payload: bytes) -> list[UID]:
        """What is offered, the best first."""
        offered = syntaxes_for(payload)
        return [syntax for syntax in offered if self._peer.compressed or syntax not in COMPRESSED]

    def _associate(self, sop_class_uid: str, syntaxes: Sequence[UID], heard: list[DIMSEMessage]) -> Association:
        # a context each: of one with several, the peer would choose (PS3.8, 9.3.2.2)
        contexts = [build_context(sop_class_uid, syntax) for syntax in syntaxes]
        hear = (evt.EVT_DIMSE_RECV, lambda event: heard.append(event.message))
        association = request_association(self._peer, contexts, self._tls, [BOUNDED, hear])
        if association.is_established:
            return association
        if association.is_rejected and _is_final(association.acceptor.primitive):
            raise DeliveryRefused(f"{self.name} rejected the association: check the AE titles on both sides")
        if refuses_contexts(association):
            raise DeliveryRefused(f"{self.name} does not accept {UID(sop_class_uid).name}: enable the SOP class there")
        wanted = " and speaks TLS with a certificate that we trust, and trusts ours" if self._tls else ""
        raise DestinationUnreachable(
            f"{self.name} cannot be reached, or makes no sense: check that it runs, listens on its port{wanted}"
        )

    def _judge(self, answer: Dataset) -> str:
        status = answer.get("Status")
        if status is None:
            raise DeliveryFailed(f"{self.name} gave no answer, or none of a storage service: it may be overloaded")
        if status == SUCCESS:
            return ""
        if status in WARNINGS or status == _DUPLICATE:
            return f"status {status:04X}"
        if status in _OUT_OF_RESOURCES:
            raise DeliveryFailed(f"{self.name} is out of resources (status {status:04X})")
        raise DeliveryRefused(f"{self.name} refused the object (status {status:04X}): see its log, then requeue")


def request_association(
    peer: Peer,
    contexts: Sequence[PresentationContext],
    tls: TlsArguments | None,
    handlers: Sequence[evt.EventHandlerType] = (),
) -> Association:
    """Ask for an association that offers these contexts, and wait for the peer's answer, whatever it is.

    Raises:
        DestinationUnreachable: nobody knows its host's address, or it accepts with what nobody can keep to.
    """
    ae = AE(ae_title=peer.calling_ae)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = peer.timeout_s
    ae.requested_contexts = list(contexts)
    told = list(handlers)
    try:
        association = ae.associate(peer.host, peer.port, ae_title=peer.ae_title, tls_args=tls, evt_handlers=told)
    except (OSError, UnicodeError) as error:  # the name service's, of a name that it cannot even ask for
        raise DestinationUnreachable(
            f"{peer.name} cannot be reached: no address is known of {peer.host}: check its name, and the name service"
        ) from error
    absurd = _absurd(association) if association.is_established else ""
    if absurd:
        association.abort()
        raise DestinationUnreachable(f"{peer.name} accepts with {absurd}: check what answers on its port")
    return association


def refuses_contexts(association: Association) -> bool:
    """Whether the peer answered for a context that we proposed, and took none; pynetdicom then aborts by itself."""
    answer = association.acceptor.primitive
    answered = answer.presentation_context_definition_results_list if answer is not None else []
    proposed = {context.context_id for context in association.requestor.requested_contexts}
    told = [context for context in answered or [] if context.context_id in proposed and context.result in _NOT_TAKEN]
    return bool(association.rejected_contexts) and bool(told)


def _bound(event: evt.Event) -> None:
    """Let a peer send so much in one association, and in so long a time, and no more.

    pynetdicom keeps whatever a length field announces, and waits for it however slowly it drips.
    """
    connection = cast("AssociationSocket", event.assoc.dul.socket)
    end = time.monotonic() + _EXCHANGES * (event.assoc.acse_timeout or 0.0)
    left = _ANSWER_BYTES

    def receive(count: int) -> bytearray:
        nonlocal left
        left -= count
        if left < 0:
            raise ConnectionAbortedError("the peer sends more than its answers hold")
        content = bytearray()
        while len(content) < count:
            stream = cast("socket", connection.socket)  # held by nobody else: pynetdicom lets it go by dropping it
            stream.settimeout(max(end - time.monotonic(), _SHORTEST_S))
            piece = stream.recv(count - len(content))
            if not piece:
                break
            content += piece
        return content

    connection.recv = receive  # type: ignore[method-assign, assignment]


#: The handler that holds an association to few answers.
BOUNDED: evt.EventHandlerType = (evt.EVT_CONN_OPEN, _bound)


def tls_arguments(peer: Peer) -> TlsArguments | None:
    """What pynetdicom wants to know for TLS; None without."""
    return (client_context(peer.tls), peer.tls.server_name or peer.host) if peer.tls else None


def _absurd(association: Association) -> str:
    """What of an acceptance cannot be kept to, in words; empty where nothing is wrong."""
    length = association.acceptor.maximum_length
    if length is None or 0 < length < _PDU_BYTES_MIN:
        return f"parts of at most {length or 'unknown many'} bytes"
    proposed = {context.context_id: context.transfer_syntax for context in association.requestor.requested_contexts}
    for context in association.accepted_contexts:
        if context.transfer_syntax[:1] not in [[syntax] for syntax in proposed[context.context_id]]:
            return "a transfer syntax that was not proposed"
    return ""


def _is_final(rejection: A_ASSOCIATE | None) -> bool:
    """Whether a rejection is permanent (PS3.8 table 9-21); its presentation layer tells of congestion and limits."""
    return (
        rejection is not None and rejection.result == _REJECTED_FOR_GOOD and rejection.result_source != _BY_PRESENTATION
    )


def _is_about(message: DIMSEMessage, asked: ReportObject, contexts: Collection[int | None]) -> bool:
    """Whether a message answers our request (PS3.7 9.1.1.1); the instance may be left out, but not be another."""
    command = message.command_set
    return (
        command.get("CommandField") == _STORE_RESPONSE
        and command.get("MessageIDBeingRespondedTo") == _MESSAGE_ID
        and command.get("AffectedSOPInstanceUID") in (None, "", asked.sop_instance_uid)
        and message.context_id in contexts
    )
