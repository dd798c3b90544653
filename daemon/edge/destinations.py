"""C-STORE SCU: report objects to a DICOM peer, each answer classified as done, passing trouble, or refused for good."""

from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE

from daemon.core.errors import DeliveryFailed, DeliveryRefused
from daemon.core.values import ReportObject
from daemon.edge.parked import parked_reactor

#: C-STORE status codes (PS3.4 B.2.3, PS3.7 annex C).
_SUCCESS = 0x0000
_WARNINGS = frozenset({0xB000, 0xB006, 0xB007})
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
#: A-ASSOCIATE-RJ result (PS3.8 table 9-21).
_REJECTED_TRANSIENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A DICOM node: where it listens, its AE title, ours, and how long to wait in seconds."""

    name: str
    host: str
    port: int
    ae_title: str
    calling_ae: str
    timeout_s: float = 30.0


class StorageScu:
    """Delivers each object on an association of its own: a rejected context cannot take others with it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @property
    def name(self) -> str:
        """How the configuration calls the peer."""
        return self._peer.name

    def deliver(self, report_object: ReportObject) -> None:
        """Send one object and wait for the peer's answer.

        Raises:
            DeliveryRefused: association or object refused for good.
            DeliveryFailed: no connection, no answer, or the peer is short of resources.
        """
        dataset = dcmread(BytesIO(report_object.payload))
        association = self._associate(dataset)
        try:
            with parked_reactor(association):
                answer = association.send_c_store(dataset)
        finally:
            if association.is_established:
                association.release()
        self._judge(answer)

    def _associate(self, dataset: Dataset) -> Association:
        ae = AE(ae_title=self._peer.calling_ae)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = self._peer.timeout_s
        ae.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
        association = ae.associate(self._peer.host, self._peer.port, ae_title=self._peer.ae_title)
        if association.is_established:
            return association
        if association.is_rejected and not _is_transient(association.acceptor.primitive):
            raise DeliveryRefused(f"{self.name} rejected the association: check the AE titles on both sides")
        if association.rejected_contexts:  # pynetdicom then aborts the association itself
            raise DeliveryRefused(f"{self.name} does not accept {dataset.SOPClassUID.name}: enable the SOP class there")
        raise DeliveryFailed(f"{self.name} cannot be reached: check that it runs and listens on its port")

    def _judge(self, answer: Dataset) -> None:
        status = answer.get("Status")
        if status is None:
            raise DeliveryFailed(f"{self.name} gave no answer: it may be overloaded")
        if status == _SUCCESS or status in _WARNINGS:
            return
        if status in _OUT_OF_RESOURCES:
            raise DeliveryFailed(f"{self.name} is out of resources (status {status:04X})")
        raise DeliveryRefused(f"{self.name} refused the object (status {status:04X}): see its log, then requeue")


def _is_transient(primitive: A_ASSOCIATE | None) -> bool:
    return primitive is None or primitive.result == _REJECTED_TRANSIENT
