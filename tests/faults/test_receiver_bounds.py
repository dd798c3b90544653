"""Whatever a peer opens, sends or holds, the receiver stays small and a configured scanner is served."""

import errno
import resource
import shutil
import threading
import tracemalloc
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from builders.peers.peer import ECHO, MR, Peer, association_request, echo_command, mr_bytes, step_pdus, store_command
from builders.peers.receiver import Receiver, encoded
from builders.running.daemon import wait_until
from builders.running.spool import contents, spool_settings

from daemon.core.errors import ProtocolError
from daemon.dicom.protocol.mpps import begun
from daemon.dicom.protocol.pdu import HEAD, PduType, encode_command
from daemon.edge.receiving.listener import Listener
from daemon.edge.receiving.negotiation import decode_proposal
from daemon.edge.receiving.settings import ListenerSettings
from daemon.edge.spool.draft import Draft
from daemon.edge.spool.segments import segment_number, segment_paths
from daemon.edge.spool.writer import SpoolWriter

SCANNER, STRANGER = "SCANNER", "STRANGER"
OUT_OF_RESOURCES = 0xA700
MIB = 1 << 20


@pytest.fixture
def folder(tmp_path):
    storage = tmp_path / "storage"
    storage.mkdir()
    return storage / "spool"


def memory_of(receiver: Receiver) -> float:
    """The largest resident set that the receiver ever had, in MiB."""
    status = Path(f"/proc/{receiver.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def fragments_pdu(contents_of_each: bytes, count: int) -> bytes:
    """A P-DATA-TF with so many fragments of a data set, none of them the last."""
    value = (len(contents_of_each) + 2).to_bytes(4, "big") + bytes([MR, 0]) + contents_of_each
    return HEAD.pack(PduType.DATA, len(value) * count) + value * count


@pytest.mark.parametrize("fragment", [b"", b"x"], ids=["empty", "one byte"])
def test_a_draft_takes_no_more_memory_than_bytes_came(tmp_path, fragment):
    draft = Draft(tmp_path, 4 * MIB)
    tracemalloc.start()
    for _ in range(200_000):
        draft.add(fragment)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 200_000 * len(fragment) == draft.length == len(draft.content())
    assert peak < MIB


def test_a_large_fragment_among_empty_ones_does_not_hold_their_pdu(tmp_path):
    draft = Draft(tmp_path, 4 * MIB)
    tracemalloc.start()
    for _ in range(100):
        draft.add(memoryview(bytes(MIB))[:8192])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert bytes(100 * 8192) == draft.content()
    assert peak < 4 * MIB


def test_what_is_never_finished_does_not_fill_the_disk(tmp_path):
    draft = Draft(tmp_path, 1000, has_room=lambda: False)
    for _ in range(100):
        draft.add(bytes(10_000))

    assert errno.ENOSPC == draft.error.errno
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("fragment", [b"", b"x"], ids=["empty", "one byte"])
def test_a_flood_of_tiny_fragments_holds_up_nobody_and_costs_no_memory(folder, fragment):
    with Receiver(folder) as receiver, Peer(receiver.port) as flooder, Peer(receiver.port) as scanner:
        scanner.associate()
        before = memory_of(receiver)
        flooder.associate().send(encode_command(MR, store_command("1.2.3")))
        flooder.socket.settimeout(0.5)
        with suppress(TimeoutError):
            for _ in range(400):
                flooder.send(fragments_pdu(fragment, 15_000))
        stored = [scanner.store(f"1.2.3.{number}", mr_bytes(number)) for number in range(50)]

        assert [0x0000] * 50 == stored
        assert memory_of(receiver) - before < 20


def test_a_hundred_thousand_items_of_a_request_are_refused_before_they_are_decoded():
    request = association_request()[HEAD.size :]
    for item in (b"\x20\x00\x00\x04\x01\x00\x00\x00", b"\x50\x00\x00\x00", b"\x99\x00\x00\x00"):
        with pytest.raises(ProtocolError, match="absurdly many items"):
            decode_proposal(request + item * 100_000)


def test_connections_that_request_nothing_give_way(folder):
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(folder, connections_waiting_max=20))
        silent = [stack.enter_context(Peer(receiver.port)) for _ in range(100)]
        with Peer(receiver.port) as peer:
            assert 0x0000 == peer.associate().store("1.2.3", mr_bytes())
            peer.release()
        assert 81 <= receiver.counts(turned_away=81).turned_away <= 82
        assert [None] * 80 == [peer.read() for peer in silent[:80]]
        threads = len(list(Path(f"/proc/{receiver.process.pid}/task").iterdir()))
        assert threads < 20 + 10


def test_a_connection_that_requests_nothing_in_time_is_closed(folder):
    with Receiver(folder, request_timeout_s=1.0) as receiver, Peer(receiver.port) as peer:
        for byte in association_request()[:8]:
            with suppress(OSError):
                peer.send(bytes([byte]))
        assert peer.read() is None


def test_with_few_file_descriptors_fewer_connections_wait(folder):
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(folder, files=128))
        for _ in range(200):
            stack.enter_context(Peer(receiver.port))
        with Peer(receiver.port) as peer:
            assert 0x0000 == peer.associate().store("1.2.3", mr_bytes())


def test_when_no_file_descriptor_is_left_those_that_only_wait_give_theirs(folder):
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(folder))
        for _ in range(20):
            stack.enter_context(Peer(receiver.port))
        receiver.counts(connections=20)
        files = len(list(Path(f"/proc/{receiver.process.pid}/fd").iterdir()))
        resource.prlimit(receiver.process.pid, resource.RLIMIT_NOFILE, (files, files))
        with Peer(receiver.port) as peer:
            peer.associate().release()


def echo_on(peer: Peer, enough: threading.Event) -> None:
    """Echo until told to end, or dropped."""
    with suppress(OSError, AssertionError):
        while not enough.is_set():
            peer.send(encode_command(ECHO, echo_command()))
            if peer.status() is None:
                return


def test_strangers_who_echo_cannot_hold_out_a_configured_scanner(folder):
    enough = threading.Event()
    with ExitStack() as stack:
        limits = {"associations_max": 8, "associations_reserved": 3, "associations_per_peer": 8}
        receiver = stack.enter_context(Receiver(folder, scanners=(SCANNER,), **limits))
        threads = []
        for _ in range(5):
            peer = stack.enter_context(Peer(receiver.port)).associate(calling=STRANGER)
            threads.append(threading.Thread(target=echo_on, args=(peer, enough)))
            threads[-1].start()
        with Peer(receiver.port) as refused, pytest.raises(AssertionError):
            refused.associate(calling=STRANGER)
        for number in range(3):
            peer = stack.enter_context(Peer(receiver.port)).associate(calling=SCANNER)
            assert 0x0000 == peer.store(f"1.2.{number}", mr_bytes(number))
        enough.set()
        for thread in threads:
            thread.join()


def test_one_peer_gets_no_more_than_its_part(folder):
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(folder, scanners=(SCANNER,), associations_per_peer=2))
        for _ in range(2):
            stack.enter_context(Peer(receiver.port)).associate(calling=STRANGER)
        with Peer(receiver.port) as refused, pytest.raises(AssertionError):
            refused.associate(calling="ANOTHER")
        stack.enter_context(Peer(receiver.port)).associate(calling=SCANNER)


def test_whoever_stores_nothing_makes_room_for_another_and_whoever_stores_does_not(folder):
    enough = threading.Event()
    with Receiver(folder, associations_max=2, idle_s=1.0) as receiver, Peer(receiver.port) as idle:
        idle.associate()
        echoing = threading.Thread(target=echo_on, args=(idle, enough))
        echoing.start()
        with Peer(receiver.port) as storing:
            storing.associate()
            while echoing.is_alive():  # the echoing one is dropped for the third, in the end
                assert 0x0000 == storing.store("1.2.3", mr_bytes())
                with suppress(AssertionError), Peer(receiver.port) as third:
                    third.associate()
            assert 0x0000 == storing.store("1.2.4", mr_bytes())
        enough.set()
        wait_until(lambda: "another needs its place" in str(receiver.log()))


def test_whoever_stores_nothing_for_too_long_is_dropped(folder):
    with Receiver(folder, idle_limit_s=1.0) as receiver, Peer(receiver.port) as peer:
        echo_on(peer.associate(), threading.Event())

        wait_until(lambda: "nothing was stored for too long" in str(receiver.log()))


def test_the_book_of_steps_forgets_the_oldest(folder):
    step = encoded(begun("1.2.3", "MR1", "20260101120000"))
    with Receiver(folder, steps_max=10) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        for number in range(15):
            peer.send(*step_pdus(f"1.2.{number}", step))
            assert 0x0000 == peer.status()
        assert 10 == len(list((folder / "steps").iterdir()))
        peer.send(*step_pdus("1.2.14", step))
        assert 0x0111 == peer.status()  # known
        peer.send(*step_pdus("1.2.0", step))
        assert 0x0000 == peer.status()  # forgotten


def stored_again(peer: Peer, number: int) -> int | None:
    return peer.store(f"1.2.{number}", mr_bytes(number))


def test_nothing_is_acknowledged_into_a_folder_that_was_removed(folder):
    with Receiver(folder) as receiver, Peer(receiver.port) as peer:
        assert 0x0000 == stored_again(peer.associate(), 1)
        before = max(map(segment_number, segment_paths(folder)))
        shutil.rmtree(folder)

        assert OUT_OF_RESOURCES == stored_again(peer, 2)
        assert 0x0000 == stored_again(peer, 3)
        with Peer(receiver.port) as other:
            assert 0x0000 == stored_again(other.associate(), 4)
        assert {"1.2.3": mr_bytes(3), "1.2.4": mr_bytes(4)} == contents(folder)
        assert min(map(segment_number, segment_paths(folder))) > before
        peer.send(*step_pdus("1.2.9", encoded(begun("1.2.3", "MR1", "20260101120000"))))
        assert 0x0000 == peer.status()


def test_a_storage_folder_that_is_gone_is_waited_for(folder, tmp_path):
    with Receiver(folder) as receiver, Peer(receiver.port) as peer:
        assert 0x0000 == stored_again(peer.associate(), 1)
        folder.parent.rename(tmp_path / "away")

        assert [OUT_OF_RESOURCES] * 2 == [stored_again(peer, number) for number in (2, 3)]
        with Peer(receiver.port) as other, pytest.raises(AssertionError):
            other.associate()
        (tmp_path / "away").rename(folder.parent)
        assert 0x0000 == stored_again(peer, 4)
        with Peer(receiver.port) as other:
            assert 0x0000 == stored_again(other.associate(), 5)
        assert {f"1.2.{number}": mr_bytes(number) for number in (1, 4, 5)} == contents(folder)
        assert receiver.counts(instances=3).instances == 3


def test_a_segment_that_was_removed_takes_no_more(folder):
    with Receiver(folder) as receiver, Peer(receiver.port) as peer:
        assert 0x0000 == stored_again(peer.associate(), 1)
        for path in segment_paths(folder):
            path.unlink()

        assert OUT_OF_RESOURCES == stored_again(peer, 2)
        assert 0x0000 == stored_again(peer, 3)
        assert {"1.2.3": mr_bytes(3)} == contents(folder)


def test_a_spool_that_another_receiver_took_over_is_left_to_it(folder, tmp_path):
    with Receiver(folder) as first, Peer(first.port) as peer:
        assert 0x0000 == stored_again(peer.associate(), 1)
        folder.rename(tmp_path / "away")
        with Receiver(folder) as second, Peer(second.port) as other:
            assert [OUT_OF_RESOURCES] * 2 == [stored_again(peer, number) for number in (2, 3)]
            assert 0x0000 == stored_again(other.associate(), 4)
            assert {"1.2.4": mr_bytes(4)} == contents(folder)


def test_a_listener_that_gets_no_thread_goes_on(folder, monkeypatch):
    start, refused = threading.Thread.start, []

    def start_later(thread):
        if thread.name == "association" and len(refused) < 2:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_later)
    writer = SpoolWriter(spool_settings(folder))
    listener = Listener(ListenerSettings(host="127.0.0.1", port=0), writer)
    try:
        for _ in range(2):
            with Peer(listener.port) as turned_away:
                assert turned_away.read() is None
        with Peer(listener.port) as peer:
            assert 0x0000 == peer.associate().store("1.2.3", mr_bytes())
    finally:
        listener.close()
        writer.close()
