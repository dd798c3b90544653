"""C-STORE SCU: report objects to a DICOM peer, each answer classified as done, passing trouble, or refused for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from ssl import SSLContext

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

from daemon.core.errors import DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.values import ReportObject
from daemon.dicom.recoding import COMPRESSED, recoded, syntaxes_for
from daemon.edge.reactor import parked_reactor
from daemon.edge.tls import TlsSettings, client_context

#: C-STORE status codes (PS3.4 B.2.3, PS3.7 annex C).
SUCCESS = 0x0000
#: Of a peer that has stored the instance all the same.
WARNINGS = frozenset({0xB000, 0xB006, 0xB007})
#: The peer holds the instance already; ours are the same bytes under the same UID, so it is delivered.
_DUPLICATE = 0x0111
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
#: A-ASSOCIATE-RJ result (PS3.8 table 9-21).
_REJECTED_TRANSIENT = 2

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
        association = self._associate(report_object.sop_class_uid, syntaxes)
        try:
            accepted = [context.transfer_syntax[0] for context in association.accepted_contexts]
            syntax = next(syntax for syntax in syntaxes if syntax in accepted)
            dataset = dcmread(BytesIO(recoded(report_object.payload, syntax)))
            with parked_reactor(association):
                answer = association.send_c_store(dataset)
        finally:
            if association.is_established:
                association.release()
        return self._judge(answer)

    def _syntaxes(self, payload: bytes) -> list[UID]:
        """What is offered, the best first."""
        offered = syntaxes_for(payload)
        return [syntax for syntax in offered if self._peer.compressed or syntax not in COMPRESSED]

    def _associate(self, sop_class_uid: str, syntaxes: Sequence[UID]) -> Association:
        # a context each: of one with several, the peer would choose (PS3.8, 9.3.2.2)
        contexts = [build_context(sop_class_uid, syntax) for syntax in syntaxes]
        association = request_association(self._peer, contexts, self._tls)
        if association.is_established:
            return association
        if association.is_rejected and not _is_transient(association.acceptor.primitive):
            raise DeliveryRefused(f"{self.name} rejected the association: check the AE titles on both sides")
        if association.rejected_contexts:  # pynetdicom then aborts the association itself
            raise DeliveryRefused(f"{self.name} does not accept {UID(sop_class_uid).name}: enable the SOP class there")
        wanted = " and speaks TLS with a certificate that we trust, and trusts ours" if self._tls else ""
        raise DestinationUnreachable(f"{self.name} cannot be reached: check that it runs, listens on its port{wanted}")

    def _judge(self, answer: Dataset) -> str:
        status = answer.get("Status")
        if status is None:
            raise DeliveryFailed(f"{self.name} gave no answer: it may be overloaded")
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
    """Ask for an association that offers these contexts, and wait for the peer's answer, whatever it is."""
    ae = AE(ae_title=peer.calling_ae)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = peer.timeout_s
    ae.requested_contexts = list(contexts)
    return ae.associate(peer.host, peer.port, ae_title=peer.ae_title, tls_args=tls, evt_handlers=list(handlers))


def tls_arguments(peer: Peer) -> TlsArguments | None:
    """What pynetdicom wants to know for TLS; None without."""
    return (client_context(peer.tls), peer.tls.server_name or peer.host) if peer.tls else None


def _is_transient(primitive: A_ASSOCIATE | None) -> bool:
    return primitive is None or primitive.result == _REJECTED_TRANSIENT
