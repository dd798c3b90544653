"""Archives that talk nonsense: passing trouble or a refusal, in words and in bounded time, and never an exception.

The peers speak the upper layer by hand.
"""

import gc
import socket
import struct
import threading
import time
from contextlib import suppress

import pytest
from builders.peers.acceptor import HEAD, acceptance, message, peer, read, rejection, stored
from builders.peers.nonsense import serving
from builders.running.outbox import save
from pynetdicom import AE, build_role
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from daemon.core.errors import DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.edge.delivery.commitment import CommitmentScu, CommitmentSettings, listening
from daemon.edge.delivery.dicom import Peer, StorageScu
from daemon.edge.files.reports import Reports

# pynetdicom's own thread of an association ends by what a peer should not have said
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # and leaves a socket whose peer was faster to gc
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TIMEOUT_S = 1.0


@pytest.fixture
def report(tmp_path):
    yield save(Reports(tmp_path / "reports"), 1)
    gc.collect()


def deliver(report, serve) -> str:
    """Deliver to a peer; its remark, or what it raises."""
    with serving(serve) as port:
        archive = Peer(name="pacs", host="127.0.0.1", port=port, ae_title="A", calling_ae="B", timeout_s=TIMEOUT_S)
        return StorageScu(archive).deliver(report)


def first(content: bytes):
    """Answers a request for an association with these bytes."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            read(connection)
            connection.sendall(content)
            read(connection)

    return serve


@pytest.mark.parametrize("most", [0, 256, 16384, 2**32 - 1])
def test_a_peer_that_takes_parts_of_any_sensible_size_gets_the_object(report, most):
    assert "" == deliver(report, peer(acceptance(most=most)))


def test_the_instance_may_be_left_out_of_the_answer(report):
    assert "" == deliver(report, peer(acceptance(), lambda _: stored(None)))


ABSURD = {
    **{f"parts of {most}": peer(acceptance(most=most)) for most in (1, 2, 3, 4, 5, 6, 7, None)},
    "another transfer syntax": peer(acceptance(syntax="1.2.840.10008.1.2.2")),
    "no transfer syntax": peer(acceptance(syntax="1.2.3")),
    "empty transfer syntax": peer(acceptance(syntax="")),
    "junk for a transfer syntax": peer(acceptance(syntax="\0hello")),
    "unknown context": peer(acceptance([(99, 0)])),
    "even context": peer(acceptance([(2, 0)])),
    "no context": peer(acceptance([])),
    "unknown result": peer(acceptance([(1, 9)])),
    "AC of zeros": first(HEAD.pack(2, 100) + bytes(100)),
    "AC of ones": first(HEAD.pack(2, 200) + b"\xff" * 200),
    "empty AC": first(HEAD.pack(2, 0)),
    "cut AC": first(acceptance()[:90]),
    "HTTP": first(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10),
    "transient rejection": first(rejection(2, 1, 1)),
    "congestion": first(rejection(1, 3, 2)),
    "rejection of zeros": first(rejection(0, 0, 0)),
    "unknown rejection": first(rejection(77, 88, 99)),
    "abort": first(HEAD.pack(7, 4) + bytes(4)),
    "release": first(HEAD.pack(5, 4) + bytes(4)),
    "a request": first(HEAD.pack(1, 100) + bytes(100)),
    "data": first(stored("1.2")),
    "nothing": first(b""),
}


@pytest.mark.parametrize("serve", ABSURD.values(), ids=ABSURD)
def test_nonsense_for_an_acceptance_is_passing_trouble_of_the_peer(report, serve):
    with pytest.raises(DestinationUnreachable, match="check"):
        deliver(report, serve)


@pytest.mark.parametrize("serve", [peer(acceptance([(1, result)])) for result in (1, 2, 3, 4)])
def test_a_peer_that_names_our_context_and_does_not_take_it_refuses_for_good(report, serve):
    with pytest.raises(DeliveryRefused, match="enable the SOP class"):
        deliver(report, serve)


ANSWERS = {
    "another message": lambda uid: stored(uid, MessageIDBeingRespondedTo=7),
    "another instance": lambda _: stored("1.2.3"),
    "another context": lambda uid: stored(uid, context=77),
    "an echo": lambda uid: stored(uid, CommandField=0x8030),
    "a find": lambda uid: stored(uid, CommandField=0x8020),
    "a request": lambda uid: stored(uid, CommandField=0x0001),
    "unknown command": lambda uid: stored(uid, CommandField=0x7777),
    "no message": lambda uid: stored(uid, MessageIDBeingRespondedTo=None),
    "no status": lambda uid: stored(uid, Status=None),
    "two statuses": lambda uid: stored(uid, Status=[0, 0]),
    "an event": lambda uid: message(
        CommandField=0x0100, MessageID=1, AffectedSOPClassUID="1.2", AffectedSOPInstanceUID=uid, EventTypeID=1
    ),
    "empty PDV": lambda _: HEAD.pack(4, 6) + b"\0\0\0\2\1\3",
    "absurd PDV": lambda _: HEAD.pack(4, 6) + b"\xff\xff\xff\xff\1\3",
    "junk command": lambda _: HEAD.pack(4, 26) + struct.pack(">IBB", 22, 1, 3) + b"\xff" * 20,
    "abort": lambda _: HEAD.pack(7, 4) + bytes(4),
    "release": lambda _: HEAD.pack(5, 4) + bytes(4),
    "too many": lambda uid: stored(uid, MessageIDBeingRespondedTo=9) * 20_000,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_to_something_else_is_no_delivery_and_worth_another_try(report, answer):
    with pytest.raises(DeliveryFailed, match="answer"):
        deliver(report, peer(acceptance(), answer))


@pytest.mark.parametrize("status", [0x0001, 0x0117, 0x0122, 0xA900, 0xB123, 0xC000, 0xFE00, 0xFF00, 0xFFFF])
def test_a_status_that_promises_nothing_is_parked_in_words(report, status):
    with pytest.raises(DeliveryRefused, match=f"{status:04X}"):
        deliver(report, peer(acceptance(), lambda uid: stored(uid, Status=status)))


def dripping(accepts: bytes, answers: bytes):
    """Sends the last of these byte by byte, each within any timeout, for as long as it is listened to."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            read(connection)
            connection.sendall(accepts)
            for number in range(600):
                connection.sendall(answers[number % len(answers)].to_bytes(1, "big"))
                time.sleep(0.05)

    return serve


@pytest.mark.parametrize(
    ("accepts", "answers"),
    [(b"", HEAD.pack(2, 5000) + bytes(5000)), (acceptance(), HEAD.pack(4, 5000) + bytes(5000))],
    ids=["acceptance", "answer"],
)
def test_a_peer_that_drips_is_let_go_with_its_threads_while_it_still_drips(report, accepts, answers):
    before = threading.active_count()
    with pytest.raises(DeliveryFailed):
        deliver(report, dripping(accepts, answers))

    assert before + 1 >= threading.active_count()  # that of the peer, which does not know yet


def test_a_length_of_four_gibibytes_is_not_waited_for(report):
    sent = []

    def flood(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            read(connection)
            connection.sendall(HEAD.pack(2, 2**32 - 1))
            while True:
                connection.sendall(bytes(1 << 20))
                sent.append(1)

    with pytest.raises(DestinationUnreachable):
        deliver(report, flood)

    assert len(sent) < 64


def ask(serve) -> None:
    """Ask such an archive to commit one object."""
    with serving(serve) as port:
        archive = Peer(name="pacs", host="127.0.0.1", port=port, ae_title="A", calling_ae="B", timeout_s=TIMEOUT_S)
        CommitmentScu(archive, bool).ask("2.25.1", [("1.2.3", "2.25.2")])
    gc.collect()


IMPLICIT = "1.2.840.10008.1.2"


#: Of a request for commitment every uncompressed transfer syntax is proposed.
UNASKED = {name: serve for name, serve in ABSURD.items() if name != "another transfer syntax"}


@pytest.mark.parametrize("serve", UNASKED.values(), ids=UNASKED)
def test_an_archive_that_accepts_with_nonsense_is_asked_for_commitment_later(serve):
    with pytest.raises(DestinationUnreachable):
        ask(serve)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_archive_that_answers_a_request_for_commitment_with_nonsense_raises_nothing_unforeseen(answer):
    with suppress(DeliveryFailed):  # an answer that reads as one only means that it is waited for
        ask(peer(acceptance(syntax=IMPLICIT), answer))


def report_raw(port: int, dataset: bytes, **command: object) -> None:
    """Report about commitment with any bytes for a data set."""
    ae = AE(ae_title="ORTHANC")
    ae.acse_timeout = ae.dimse_timeout = 2
    ae.add_requested_context(StorageCommitmentPushModel, IMPLICIT)
    role = build_role(StorageCommitmentPushModel, scp_role=True)
    association = ae.associate("127.0.0.1", port, ae_title="SCANSIDE_SC", ext_neg=[role])
    assert association.is_established
    usual = {
        "CommandField": 0x0100,
        "MessageID": 1,
        "AffectedSOPClassUID": StorageCommitmentPushModel,
        "AffectedSOPInstanceUID": StorageCommitmentPushModelInstance,
        "EventTypeID": 1,
    }
    pieces = [dataset[at : at + 8000] for at in range(0, len(dataset), 8000)]
    pdus = [message(data=True, **(usual | command))]
    for number, piece in enumerate(pieces):
        value = struct.pack(">IBB", len(piece) + 2, 1, 2 * (number == len(pieces) - 1)) + piece
        pdus.append(HEAD.pack(4, len(value)) + value)
    association.dul.socket.send(b"".join(pdus))
    time.sleep(0.2)
    association.abort()


def nested(depth: int) -> bytes:
    """Sequences within sequences, of undefined length."""
    return depth * struct.pack("<HHIHHI", 0x0008, 0x1199, 2**32 - 1, 0xFFFE, 0xE000, 2**32 - 1)


REPORTS = {
    "junk": b"\xff" * 5000,
    "cut": struct.pack("<HHI", 0x0008, 0x1195, 5000) + b"1.2",
    "deep": nested(3000),
    "no text": struct.pack("<HHI", 0x0008, 0x1195, 4) + b"\xff\xfe\0\0",
    "long": bytes(900_000),
    "too long": bytes(2_000_000),
}


@pytest.mark.parametrize("dataset", REPORTS.values(), ids=REPORTS)
def test_whatever_is_said_of_commitment_the_next_who_says_something_is_heard(dataset):
    heard = []

    def take(outcome) -> bool:
        heard.append(outcome.transaction_uid)
        return True

    said = struct.pack("<HHI", 0x0008, 0x1195, 6) + b"2.25.1"
    with listening(CommitmentSettings(host="127.0.0.1", port=0), take) as port:
        report_raw(port, dataset)
        report_raw(port, dataset, EventTypeID=77, MessageID=None)
        before = len(heard)
        report_raw(port, said)
    gc.collect()

    assert ["2.25.1"] == heard[before:]
    assert before <= 1  # zeros read as no more than an answer without a transaction
