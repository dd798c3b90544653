"""A scanner, as far as a receiver can tell: pushes a series by C-STORE on one association."""

from collections.abc import Iterable

from pydicom.dataset import Dataset
from pynetdicom import AE

from daemon.core.errors import DeliveryFailed
from daemon.edge.destinations import Peer
from daemon.edge.parked import parked_reactor

_SUCCESS = 0x0000


def push(datasets: Iterable[Dataset], peer: Peer) -> int:
    """Send every instance, in order; the number sent.

    Raises:
        DeliveryFailed: the peer cannot be reached, or did not take an instance.
    """
    instances = list(datasets)
    ae = AE(ae_title=peer.calling_ae)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = peer.timeout_s
    for sop_class, syntax in {(i.SOPClassUID, i.file_meta.TransferSyntaxUID) for i in instances}:
        ae.add_requested_context(sop_class, syntax)
    association = ae.associate(peer.host, peer.port, ae_title=peer.ae_title)
    if not association.is_established:
        raise DeliveryFailed(f"{peer.name} cannot be reached: check that it runs and takes our AE title")
    try:
        with parked_reactor(association):
            for instance in instances:
                answer = association.send_c_store(instance)
                if answer.get("Status") != _SUCCESS:
                    raise DeliveryFailed(f"{peer.name} did not take an instance (status {answer.get('Status')})")
    finally:
        if association.is_established:
            association.release()
    return len(instances)
