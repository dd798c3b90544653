"""What scanners never send: junk, silence, lies about lengths, and a seeded mutation fuzz of real traffic.

``SCANSIDE_FUZZ_CASES`` sets the number of mutated conversations (a short run by default), ``SCANSIDE_FUZZ_SEED`` the
first seed.
"""

import os
import random
import socket
import time
from pathlib import Path

import pytest
from builders.peers.fuzz import converse
from builders.peers.peer import (
    ECHO,
    MR,
    Peer,
    association_request,
    data_pdu,
    mr_bytes,
    store_command,
    store_pdus,
)
from builders.peers.receiver import Receiver, echoscu
from builders.running.spool import events

from daemon.core.values import Arrival
from daemon.dicom.protocol.pdu import HEAD, AbortReason, PduType, encode_command

FUZZ_CASES = int(os.environ.get("SCANSIDE_FUZZ_CASES", "300"))
FUZZ_SEED = int(os.environ.get("SCANSIDE_FUZZ_SEED", "1"))


@pytest.fixture
def receiver(tmp_path):
    limits = {"request_timeout_s": 2, "network_timeout_s": 2, "object_bytes_max": 300_000}
    with Receiver(tmp_path / "spool", spool={"memory_bytes": 1000}, **limits) as running:
        yield running
        assert 0 == running.counts().faults
    assert "ResourceWarning" not in str(running.log())


@pytest.fixture
def peer(receiver):
    with Peer(receiver.port) as connected:
        yield connected


def abort_of(peer: Peer) -> int | None:
    """The reason in the A-ABORT that the receiver sends; None where it sends something else."""
    pdu = peer.read()
    return pdu[1][3] if pdu and pdu[0] == PduType.ABORT else None


def test_a_port_scan_leaves_no_trace(receiver):
    for _ in range(60):
        socket.create_connection(("127.0.0.1", receiver.port), timeout=60).close()

    assert 0 == echoscu(receiver.port).returncode
    assert (61, 0) == (receiver.counts(connections=61).connections, receiver.counts().aborted)


@pytest.mark.parametrize(
    "junk", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 20, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"\xff" * 300]
)
def test_junk_instead_of_a_request_is_answered_with_an_abort(peer, junk):
    peer.send(junk)

    assert AbortReason.UNRECOGNIZED_PDU == abort_of(peer)
    assert peer.read() is None


def test_a_request_that_makes_no_sense_is_answered_with_an_abort(peer):
    peer.send(HEAD.pack(PduType.ASSOCIATE_REQUEST, 100) + bytes(100))

    assert AbortReason.INVALID_PARAMETER == abort_of(peer)


def test_data_before_the_association_is_answered_with_an_abort(peer):
    peer.send(*store_pdus("1.2.3.1", b"early"))

    assert AbortReason.UNEXPECTED_PDU == abort_of(peer)


@pytest.mark.parametrize("pdu_type", [PduType.ASSOCIATE_REQUEST, PduType.DATA])
def test_an_absurd_length_is_refused_before_it_is_read(receiver, pdu_type):
    with Peer(receiver.port) as peer:
        if pdu_type == PduType.DATA:
            peer.associate()
        peer.send(HEAD.pack(pdu_type, 0xFFFFFFFF))

        assert AbortReason.INVALID_PARAMETER == abort_of(peer)


def test_an_object_above_the_limit_is_refused_and_nothing_of_it_kept(receiver):
    with Peer(receiver.port) as peer:
        stored = peer.associate().store("1.2.3.1", bytes(300_000))
        peer.send(*store_pdus("1.2.3.2", bytes(300_001)))

        assert (0x0000, AbortReason.NOT_SPECIFIED) == (stored, abort_of(peer))
    assert {"1.2.3.1"} == set(receiver.contents())
    assert 1 == receiver.counts(aborted=1).aborted


def test_an_endless_object_is_cut_off_while_it_is_being_sent(receiver):
    with Peer(receiver.port) as peer:
        peer.associate().send(encode_command(MR, store_command("1.2.3.1")))
        with pytest.raises(ConnectionError):  # noqa: PT012 - it takes some of them
            while True:
                peer.send(data_pdu(bytes(16_000), last=False))


def test_an_endless_command_is_cut_off(receiver):
    value = (1002).to_bytes(4, "big") + bytes([MR, 1]) + bytes(1000)
    with Peer(receiver.port) as peer:
        peer.associate().send(HEAD.pack(PduType.DATA, 20 * len(value)) + 20 * value)

        assert AbortReason.INVALID_PARAMETER == abort_of(peer)


STORE = encode_command(MR, store_command("1.2.3.9"))
STORE_WITHOUT_DATA = STORE.replace(b"\0\x08\x02\0\0\0\x01\0", b"\0\x08\x02\0\0\0\x01\x01")
WRONG = {
    "data set without a command": ([data_pdu(b"data", last=True)], AbortReason.UNEXPECTED_PARAMETER),
    "two commands in a row": ([STORE, STORE], AbortReason.UNEXPECTED_PARAMETER),
    "context nobody accepted": ([encode_command(99, store_command("1.2.3.9"))], AbortReason.INVALID_PARAMETER),
    "data set on another context": ([STORE, data_pdu(b"x", last=True, context_id=ECHO)], AbortReason.INVALID_PARAMETER),
    "no command set": ([encode_command(MR, b"\x01\0\0\0\0\0\0\0")], AbortReason.INVALID_PARAMETER),
    "store without data set": ([STORE_WITHOUT_DATA], AbortReason.INVALID_PARAMETER),
    "cut value": ([HEAD.pack(PduType.DATA, 3) + b"abc"], AbortReason.INVALID_PARAMETER),
    "second request": ([association_request()], AbortReason.UNEXPECTED_PDU),
    "accept from the requestor": ([HEAD.pack(PduType.ASSOCIATE_ACCEPT, 4) + bytes(4)], AbortReason.UNEXPECTED_PDU),
    "unknown PDU": ([HEAD.pack(0x42, 4) + bytes(4)], AbortReason.UNRECOGNIZED_PDU),
}


@pytest.mark.parametrize(("wrong", "reason"), WRONG.values(), ids=WRONG)
def test_breaking_the_protocol_aborts_with_its_reason_and_keeps_what_was_stored(receiver, wrong, reason):
    with Peer(receiver.port) as peer:
        peer.associate().store("1.2.3.1", mr_bytes())
        peer.send(*wrong)

        assert reason == abort_of(peer)
        assert peer.read() is None
    assert {"1.2.3.1": mr_bytes()} == receiver.contents()


@pytest.mark.parametrize("cut", [3, 6, 7, 60, 150])
def test_a_connection_that_ends_inside_a_pdu_is_given_up(receiver, cut):
    with Peer(receiver.port) as peer:
        peer.associate().send(store_pdus("1.2.3.1", mr_bytes())[0][:cut])
        peer.socket.shutdown(socket.SHUT_WR)

        assert peer.read() is None
    assert 1 == receiver.counts(aborted=1).aborted


def test_one_who_connects_and_says_nothing_is_let_go(peer):
    assert peer.read() is None


def test_one_who_falls_silent_in_an_association_is_let_go(receiver, peer):
    peer.associate().store("1.2.3.1", mr_bytes())

    assert peer.read() is None
    assert 1 == receiver.counts(aborted=1).aborted


def test_one_who_feeds_a_pdu_byte_by_byte_without_end_is_let_go(peer):
    pdu = store_pdus("1.2.3.1", mr_bytes())[0]
    peer.associate()
    with pytest.raises((ConnectionError, TimeoutError)):  # noqa: PT012 - it may take some of them
        for byte in pdu[:40]:
            peer.send(bytes([byte]))
            time.sleep(0.3)


def test_a_slow_peer_is_waited_for(receiver, peer):
    dataset = mr_bytes(1, 100)
    peer.associate()
    for pdu in store_pdus("1.2.3.1", dataset, 5000):
        half = len(pdu) // 2
        peer.send(pdu[:half])
        time.sleep(0.4)
        peer.send(pdu[half:])
        time.sleep(0.4)

    assert 0x0000 == peer.status()
    assert {"1.2.3.1": dataset} == receiver.contents()


def test_a_peer_that_stops_does_not_hold_up_another(receiver):
    with Peer(receiver.port) as stopped, Peer(receiver.port) as other:
        stopped.associate().send(*store_pdus("1.2.3.1", mr_bytes())[:-1])

        assert 0x0000 == other.associate().store("1.2.3.2", mr_bytes())


def test_nothing_is_left_open_after_many_bad_ends(receiver):
    threads = _threads(receiver)
    with Peer(receiver.port) as peer:
        peer.associate().store("1.2.3.1", mr_bytes())
    _until_quiet(receiver, threads)
    descriptors = _descriptors(receiver)
    for number in range(40):
        with Peer(receiver.port) as peer:
            if number % 4:
                peer.associate()
            peer.send([b"\xff" * 30, *store_pdus("1.2.3.1", mr_bytes()), b"\x04\0"][number % 3])
    receiver.counts(active=0)
    _until_quiet(receiver, threads)

    assert (threads, descriptors) == (_threads(receiver), _descriptors(receiver))


def test_mutated_conversations_neither_stop_nor_fatten_nor_fool_the_receiver(receiver):
    threads = _threads(receiver)
    with Peer(receiver.port) as peer:
        assert 0x0000 == peer.associate().store("1.2.3.4.5.6", mr_bytes())
    _until_quiet(receiver, threads)
    descriptors, memory = _descriptors(receiver), _memory_mb(receiver)
    for seed in range(FUZZ_SEED, FUZZ_SEED + FUZZ_CASES):
        converse(receiver.port, random.Random(seed))
    receiver.counts(active=0)
    _until_quiet(receiver, threads)

    assert 0 == echoscu(receiver.port).returncode
    assert (threads, descriptors) == (_threads(receiver), _descriptors(receiver))
    assert 40 > _memory_mb(receiver) - memory
    arrivals = [event for event in events(receiver.folder) if isinstance(event, Arrival)]
    assert receiver.counts(instances=len(arrivals)).instances == len(arrivals)
    assert mr_bytes() == receiver.contents()["1.2.3.4.5.6"]


def _until_quiet(receiver: Receiver, threads: int) -> None:
    """Wait a while for threads that are on their way out."""
    for _ in range(100):
        if _threads(receiver) <= threads:
            return
        time.sleep(0.1)


def _status(receiver: Receiver, name: str) -> int:
    status = Path(f"/proc/{receiver.process.pid}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0])


def _threads(receiver: Receiver) -> int:
    return _status(receiver, "Threads")


def _memory_mb(receiver: Receiver) -> int:
    return _status(receiver, "VmRSS") // 1024


def _descriptors(receiver: Receiver) -> int:
    return len(list(Path(f"/proc/{receiver.process.pid}/fd").iterdir()))
