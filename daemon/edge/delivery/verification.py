"""Verification SCU (PS3.4 annex A): whether a DICOM peer is there and knows us."""

from pynetdicom import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from daemon.core.errors import DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.edge.delivery.dicom import SUCCESS, Peer, request_association, tls_arguments
from daemon.edge.delivery.reactor import parked_reactor


def verify(peer: Peer) -> None:
    """Send one C-ECHO and wait for its answer.

    Raises:
        DestinationUnreachable: no association.
        DeliveryRefused: the peer does not let us in, or knows no C-ECHO.
        DeliveryFailed: no answer, or one that is no success.
        ConfigError: the TLS files cannot be used.
    """
    association = request_association(peer, [build_context(Verification)], tls_arguments(peer))
    if not association.is_established:
        if association.is_rejected:
            raise DeliveryRefused(f"it rejects {peer.calling_ae} calling {peer.ae_title}: make both known there")
        if association.rejected_contexts:
            raise DeliveryRefused("it takes associations but no C-ECHO: enable Verification there")
        wanted = ", and speaks TLS with a certificate that we trust, and trusts ours" if peer.tls else ""
        raise DestinationUnreachable(
            f"nobody answers at {peer.host} port {peer.port}: check that it runs and listens there{wanted}"
        )
    try:
        with parked_reactor(association):
            status = association.send_c_echo().get("Status")
    finally:
        if association.is_established:
            association.release()
    if status != SUCCESS:
        said = "no answer" if status is None else f"status {status:04X}"
        raise DeliveryFailed(f"it took the association, but C-ECHO got {said}: see its log")
