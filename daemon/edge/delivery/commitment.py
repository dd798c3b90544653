"""Storage commitment (PS3.4 annex J): ask an archive to answer for what it stored, and hear what it says.

The archive answers when it likes, mostly on an association of its own: hence a listener. A transaction UID is random,
so only who was asked can answer for it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from daemon.core.bounds import AeTitle, FreePort, Host
from daemon.core.errors import ConfigError, DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.sending.commitment import Outcome
from daemon.edge.delivery.dicom import BOUNDED, Peer, refuses_contexts, request_association, tls_arguments
from daemon.edge.delivery.reactor import parked_reactor

_SUCCESS, _PROCESSING_FAILURE = 0x0000, 0x0110  # PS3.7 annex C
_REQUEST = 1  # action type: request storage commitment
#: How long we stay on the line for archives that answer on the same association.
_LINGER_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentSettings:
    """Who asks for commitment, and where archives answer: they must know this AE title, host and port."""

    host: Host = "0.0.0.0"  # noqa: S104 - archives are other machines
    port: FreePort = 11113
    ae_title: AeTitle = "SCANSIDE_SC"


#: Takes an answer; False where nobody asked.
TakeOutcome = Callable[[Outcome], bool]


class CommitmentScu:
    """Asks one archive."""

    def __init__(self, peer: Peer, take: TakeOutcome) -> None:
        self._peer = peer
        self._tls = tls_arguments(peer)
        self._answers = (evt.EVT_N_EVENT_REPORT, _handler(take))

    @property
    def name(self) -> str:
        """How the configuration calls the archive."""
        return self._peer.name

    def ask(self, transaction_uid: str, instances: Sequence[tuple[str, str]]) -> None:
        """Ask to commit instances, each as SOP class UID and SOP instance UID.

        Raises:
            DeliveryRefused: the archive does not offer it.
            DestinationUnreachable: no association.
            DeliveryFailed: the archive did not take the request.
        """
        context = build_context(StorageCommitmentPushModel)
        association = request_association(self._peer, [context], self._tls, [BOUNDED, self._answers])
        if not association.is_established:
            if refuses_contexts(association):
                raise DeliveryRefused(f"{self.name} offers no storage commitment: set commitment = false")
            raise DestinationUnreachable(f"{self.name} cannot be asked for commitment: check its AE title and port")
        try:
            with parked_reactor(association):
                answer, _ = association.send_n_action(
                    _request(transaction_uid, instances),
                    _REQUEST,
                    StorageCommitmentPushModel,
                    StorageCommitmentPushModelInstance,
                )
            time.sleep(_LINGER_S)
        except AttributeError as error:  # pynetdicom looks for the reply in whatever came
            raise DeliveryFailed(f"{self.name} answered something else than was asked: see its log") from error
        finally:
            if association.is_established:
                association.release()
        if answer.get("Status") != _SUCCESS:
            raise DeliveryFailed(f"{self.name} did not take the request for commitment (status {answer.get('Status')})")


@contextmanager
def listening(settings: CommitmentSettings, take: TakeOutcome) -> Iterator[int]:
    """Hear answers on a port of their own; which one.

    Raises:
        ConfigError: the port cannot be had.
    """
    ae = AE(ae_title=settings.ae_title)
    ae.require_called_aet = True
    ae.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    handlers = [BOUNDED, (evt.EVT_N_EVENT_REPORT, _handler(take))]
    try:
        server = ae.start_server((settings.host, settings.port), block=False, evt_handlers=handlers)
    except OSError as error:
        raise ConfigError(
            f"port {settings.port} for storage commitment: {error.strerror}; set commitment.port"
        ) from error
    try:
        yield int(server.server_address[1]) if server else settings.port  # without blocking there is always a server
    finally:
        ae.shutdown()


def read_outcome(report: Dataset) -> Outcome:
    """The answer in an N-EVENT-REPORT (PS3.4 table J.3-2).

    Raises:
        AttributeError: it has no transaction UID, or an item without an instance.
    """
    committed = report.get("ReferencedSOPSequence") or []
    failed = report.get("FailedSOPSequence") or []
    return Outcome(
        transaction_uid=str(report.TransactionUID),
        committed=frozenset(str(item.ReferencedSOPInstanceUID) for item in committed),
        failed={str(item.ReferencedSOPInstanceUID): int(item.get("FailureReason") or 0) for item in failed},
    )


def _handler(take: TakeOutcome) -> Callable[[evt.Event], tuple[int, None]]:
    def handle(event: evt.Event) -> tuple[int, None]:
        try:
            outcome = read_outcome(event.event_information)
        except (AttributeError, TypeError, ValueError):
            return _PROCESSING_FAILURE, None
        return (_SUCCESS if take(outcome) else _PROCESSING_FAILURE), None

    return handle


def _request(transaction_uid: str, instances: Sequence[tuple[str, str]]) -> Dataset:
    request = Dataset()
    request.TransactionUID = transaction_uid
    request.ReferencedSOPSequence = []
    for sop_class_uid, sop_instance_uid in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
        request.ReferencedSOPSequence.append(item)
    return request
