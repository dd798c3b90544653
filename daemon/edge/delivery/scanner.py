"""A scanner, as far as a receiver can tell: sends a transmission by C-STORE, and reports its steps by MPPS."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]

from daemon.core.errors import DeliveryFailed
from daemon.core.reception.transmission import Batch, Sending, Transmission
from daemon.dicom.protocol.outgoing import Outgoing, altered
from daemon.edge.delivery.dicom import SUCCESS, WARNINGS, Peer, request_association, tls_arguments
from daemon.edge.delivery.reactor import parked_reactor

_STORED: Final = frozenset(f"{status:04X}" for status in (SUCCESS, *WARNINGS))
_NOT_SENT: Final = "not sent: the association had ended"
_NO_ANSWER: Final = "sent, but not answered"
_NO_CONTEXT: Final = "not sent: the receiver does not take this kind of object, or not so encoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What became of every C-STORE: ``answers`` counts them by status, four hex digits, or by words without one."""

    answers: Mapping[str, int]
    sent_bytes: int
    seconds: float

    @property
    def stored(self) -> int:
        """How many the receiver says it has stored."""
        return sum(count for answer, count in self.answers.items() if answer in _STORED)

    @property
    def complete(self) -> bool:
        """Whether everything was stored."""
        return set(self.answers) <= _STORED


def push(transmission: Transmission[Outgoing], peer: Peer) -> Pushed:
    """Send everything but what comes late, the lines in parallel."""
    start = time.monotonic()
    with ThreadPoolExecutor(max_workers=max(1, len(transmission.lines)), thread_name_prefix="scanner") as pool:
        sent = [pool.submit(_send_line, line, peer, start) for line in transmission.lines]
        return _summed([line.result() for line in sent], start)


def push_late(transmission: Transmission[Outgoing], peer: Peer) -> Pushed:
    """Send what comes late."""
    start = time.monotonic()
    return _summed([_send_line(transmission.late, peer, start)], start)


def create_step(peer: Peer, step_uid: str, attributes: Dataset) -> int:
    """Report a step by N-CREATE (PS3.4 F.7.2.1); the status answered.

    Raises:
        DeliveryFailed: the peer cannot be reached, takes no MPPS, or does not answer.
    """
    with _step_association(peer) as association:
        answer, _ = association.send_n_create(attributes, ModalityPerformedProcedureStep, step_uid)
    return _step_status(answer, peer)


def set_step(peer: Peer, step_uid: str, changes: Dataset) -> int:
    """Report a step's change by N-SET (PS3.4 F.7.2.2); the status answered.

    Raises:
        DeliveryFailed: the peer cannot be reached, takes no MPPS, or does not answer.
    """
    with _step_association(peer) as association:
        answer, _ = association.send_n_set(changes, ModalityPerformedProcedureStep, step_uid)
    return _step_status(answer, peer)


def _summed(answers: list[tuple[Counter[str], int]], start: float) -> Pushed:
    return Pushed(
        answers=sum((counts for counts, _ in answers), Counter()),
        sent_bytes=sum(length for _, length in answers),
        seconds=time.monotonic() - start,
    )


def _send_line(line: tuple[Batch[Outgoing], ...], peer: Peer, start: float) -> tuple[Counter[str], int]:
    """Answers and bytes of the associations of one line, one after the other."""
    answers, sent_bytes = Counter[str](), 0
    for batch in line:
        contexts = {(sending.image.sop_class_uid, sending.image.transfer_syntax_uid) for sending in batch.sendings}
        try:
            association = _associate(peer, contexts)
        except DeliveryFailed as error:
            answers[f"not sent: {error}"] += len(batch.sendings)
            continue
        lost = False
        with parked_reactor(association):
            for sending in batch.sendings:
                answer, length = (_NOT_SENT, 0) if lost else _store(association, sending, start)
                lost = lost or answer == _NO_ANSWER
                answers[answer] += 1
                sent_bytes += length
        connection = association.dul.socket and association.dul.socket.socket
        if batch.aborted or lost:
            association.abort()
        else:
            association.release()
        if connection:
            connection.close()  # pynetdicom leaves one open that the peer has reset
    return answers, sent_bytes


def _store(association: Association, sending: Sending[Outgoing], start: float) -> tuple[str, int]:
    """Send one instance, its data set as it is; the answer and the bytes sent."""
    time.sleep(max(0.0, start + sending.at_s - time.monotonic()))
    image = sending.image
    context_id = _context_id(association, image)
    if context_id is None:
        return _NO_CONTEXT, 0
    encoded = altered(image.encoded()) if sending.changed else image.encoded()
    request = C_STORE()
    request.MessageID, request.Priority = 1, 0
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = map(
        UID, (image.sop_class_uid, image.sop_instance_uid)
    )
    request.DataSet = BytesIO(encoded)
    association.dimse.send_msg(request, context_id)
    _, response = association.dimse.get_msg(block=True)
    if not isinstance(response, C_STORE) or response.Status is None:
        return _NO_ANSWER, len(encoded)
    return f"{response.Status:04X}", len(encoded)


def _context_id(association: Association, image: Outgoing) -> int | None:
    wanted = (image.sop_class_uid, image.transfer_syntax_uid)
    found = (c.context_id for c in association.accepted_contexts if (c.abstract_syntax, *c.transfer_syntax) == wanted)
    return next(found, None)


def _associate(peer: Peer, contexts: set[tuple[str, str]]) -> Association:
    offered = [build_context(sop_class, syntax) for sop_class, syntax in sorted(contexts)]
    association = request_association(peer, offered, tls_arguments(peer))
    if association.is_established:
        return association
    if association.is_rejected:
        raise DeliveryFailed(f"{peer.name} rejected the association: check both AE titles, and its disk")
    if association.rejected_contexts:  # all of them: pynetdicom then aborts by itself
        raise DeliveryFailed(f"{peer.name} takes no such objects")
    raise DeliveryFailed(f"{peer.name} cannot be reached: check that it runs and listens on its port")


@contextmanager
def _step_association(peer: Peer) -> Iterator[Association]:
    association = _associate(peer, {(ModalityPerformedProcedureStep, "1.2.840.10008.1.2.1")})
    try:
        with parked_reactor(association):
            yield association
    finally:
        if association.is_established:
            association.release()


def _step_status(answer: Dataset, peer: Peer) -> int:
    status: int | None = answer.get("Status")
    if status is None:
        raise DeliveryFailed(f"{peer.name} did not answer about the procedure step: see its log")
    return status
