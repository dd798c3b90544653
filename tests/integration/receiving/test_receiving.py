"""The receiver process and well-meaning peers: DCMTK, pynetdicom and a plain socket."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from builders.peers.peer import ECHO, MR, USER_ABORT, Peer, data_pdu, echo_command, mr_bytes, store_command, store_pdus
from builders.peers.receiver import ROOT, Receiver, echoscu, encoded, mr_dataset, storescu, write_series
from builders.running.spool import events, small_disk, spool_settings
from pydicom import dcmread
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, MRImageStorage
from pynetdicom import AE, _config

from daemon.core.errors import ConfigError
from daemon.core.values import Arrival, AssociationEnd
from daemon.dicom.protocol.pdu import HEAD, PduType, encode_command
from daemon.edge.delivery.reactor import parked_reactor
from daemon.edge.receiving.listener import Listener
from daemon.edge.receiving.settings import ListenerSettings
from daemon.edge.receiving.status import STATUS, read_status
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.spool.segments import COMMITTED, segment_name
from daemon.edge.spool.writer import SpoolWriter

DATA = Path(os.environ.get("SCANSIDE_DATA", ROOT / "../shared/data"))


@pytest.fixture
def receiver(tmp_path):
    with Receiver(tmp_path / "spool") as running:
        yield running


def test_dcmtk_is_echoed(receiver):
    assert 0 == echoscu(receiver.port).returncode
    assert 1 == receiver.counts(echoes=1).echoes


def test_what_dcmtk_sends_is_stored_byte_for_byte(receiver, tmp_path):
    sent = write_series(tmp_path / "series", 20, size=200)
    done = storescu(receiver.port, "+sd", tmp_path / "series")

    assert 0 == done.returncode, done.stderr
    assert sent == receiver.contents()


def test_what_pynetdicom_sends_is_stored_byte_for_byte(receiver):
    ae = AE("SCANNER")
    ae.add_requested_context(MRImageStorage, "1.2.840.10008.1.2.1")
    association = ae.associate("127.0.0.1", receiver.port, ae_title="SCANSIDE")
    datasets = [mr_dataset(number) for number in range(1, 4)]
    with parked_reactor(association):
        statuses = [association.send_c_store(dataset).Status for dataset in datasets]
    association.release()

    assert [0x0000] * 3 == statuses
    assert {dataset.SOPInstanceUID: encoded(dataset) for dataset in datasets} == receiver.contents()


def test_the_spool_tells_who_sent_and_how_it_ended(receiver, tmp_path):
    write_series(tmp_path / "series", 2)
    storescu(receiver.port, "+sd", tmp_path / "series")
    receiver.stop()

    first, second, end = events(receiver.folder)

    assert isinstance(first, Arrival)
    assert ("SCANNER", "SCANSIDE", MRImageStorage) == (first.calling_ae, first.called_ae, first.sop_class_uid)
    assert first.association == second.association
    assert AssociationEnd(association=first.association, ended_at=end.ended_at, aborted=False) == end


def test_an_echo_alone_leaves_nothing_in_the_spool(receiver):
    echoscu(receiver.port)
    receiver.stop()

    assert [] == events(receiver.folder)


def test_the_same_instance_sent_twice_is_acknowledged_and_kept_twice(receiver, tmp_path):
    write_series(tmp_path / "series", 1)
    done = [storescu(receiver.port, "+sd", tmp_path / "series").returncode for _ in range(2)]
    arrivals = [event for event in events(receiver.folder) if isinstance(event, Arrival)]

    assert [0, 0] == done
    assert ["1.2.3.1", "1.2.3.1"] == [arrival.sop_instance_uid for arrival in arrivals]


def test_eight_associations_at_once_lose_nothing(receiver, tmp_path):
    sent = {}
    for client in range(8):
        for number in range(1, 11):
            dataset = mr_dataset(client * 100 + number, 128)
            sent[dataset.SOPInstanceUID] = encoded(dataset)
            (tmp_path / str(client)).mkdir(exist_ok=True)
            dataset.save_as(tmp_path / str(client) / f"{number}.dcm", enforce_file_format=True)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda client: storescu(receiver.port, "+sd", tmp_path / str(client)), range(8)))

    assert [0] * 8 == [client.returncode for client in done]
    assert sent == receiver.contents()
    assert 8 == receiver.counts(released=8).released


@pytest.mark.parametrize("piece", [1, 7, 4096, 130_000])
def test_fragments_of_any_size_make_the_same_data_set(receiver, piece):
    dataset = mr_bytes(1, 24 if piece == 1 else 300)
    with Peer(receiver.port) as peer:
        peer.associate()
        assert 0x0000 == peer.store("1.2.3.1", dataset, piece)
        peer.release()

    assert {"1.2.3.1": dataset} == receiver.contents()


def test_a_message_packed_into_one_pdu_is_understood(receiver):
    dataset = mr_bytes()
    bodies = b"".join(pdu[HEAD.size :] for pdu in store_pdus("1.2.3.1", dataset, 1000))
    with Peer(receiver.port) as peer:
        peer.associate().send(HEAD.pack(PduType.DATA, len(bodies)) + bodies)
        assert 0x0000 == peer.status()

    assert {"1.2.3.1": dataset} == receiver.contents()


def test_a_command_set_in_two_fragments_is_understood(receiver):
    command = store_command("1.2.3.1")
    first, second = (
        (len(part) + 2).to_bytes(4, "big") + bytes([MR, control]) + part
        for part, control in ((command[:50], 1), (command[50:], 3))
    )
    with Peer(receiver.port) as peer:
        peer.associate().send(HEAD.pack(PduType.DATA, len(first)) + first)
        peer.send(HEAD.pack(PduType.DATA, len(second)) + second, data_pdu(b"data", last=True))
        assert 0x0000 == peer.status()


def test_echo_and_store_take_turns_on_one_association(receiver):
    with Peer(receiver.port) as peer:
        peer.associate().send(encode_command(ECHO, echo_command()))
        statuses = [peer.status(), peer.store("1.2.3.1", mr_bytes())]
        peer.send(encode_command(ECHO, echo_command()))
        statuses.append(peer.status())

    assert [0x0000] * 3 == statuses


def test_content_is_never_refused(receiver):
    rubbish = os.urandom(5000)
    with Peer(receiver.port) as peer:
        statuses = [
            peer.associate().store("1.2.3.1", rubbish),
            peer.store("1.2.3.2", b"\0"),
            peer.store("9" * 64, b"\xff" * 99),
        ]

    assert [0x0000] * 3 == statuses
    assert {"1.2.3.1": rubbish, "1.2.3.2": b"\0", "9" * 64: b"\xff" * 99} == receiver.contents()


def test_a_large_object_goes_through_little_memory(tmp_path):
    dataset = os.urandom(1 << 20) * 96
    with Receiver(tmp_path / "spool", spool={"memory_bytes": 4 << 20}) as receiver, Peer(receiver.port) as peer:
        before = peak_memory_mb(receiver)
        assert 0x0000 == peer.associate().store("1.2.3.1", dataset, 130_000)
        grown = peak_memory_mb(receiver) - before

        assert 30 > grown
        assert {"1.2.3.1": dataset} == receiver.contents()


def peak_memory_mb(receiver: Receiver) -> int:
    status = Path(f"/proc/{receiver.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def test_an_aborted_association_keeps_what_was_acknowledged(receiver):
    with Peer(receiver.port) as peer:
        peer.associate().store("1.2.3.1", mr_bytes())
        peer.send(*store_pdus("1.2.3.2", mr_bytes())[:-1], USER_ABORT)
        assert peer.read() is None
    receiver.counts(aborted=1)
    receiver.stop()

    arrival, end = events(receiver.folder)

    assert "1.2.3.1" == arrival.sop_instance_uid
    assert (arrival.association, True) == (end.association, end.aborted)


def test_dcmtks_abort_after_sending_is_recorded_as_aborted(receiver, tmp_path):
    sent = write_series(tmp_path / "series", 3)
    storescu(receiver.port, "--abort", "+sd", tmp_path / "series")
    receiver.counts(aborted=1)
    receiver.stop()

    *arrivals, end = events(receiver.folder)

    assert set(sent) == {arrival.sop_instance_uid for arrival in arrivals}
    assert end.aborted


def test_a_connection_lost_in_the_middle_is_an_aborted_association(receiver):
    with Peer(receiver.port) as peer:
        peer.associate().store("1.2.3.1", mr_bytes())
        peer.send(*store_pdus("1.2.3.2", mr_bytes())[:-1])
    receiver.counts(aborted=1)
    receiver.stop()

    _, end = events(receiver.folder)

    assert end.aborted


@pytest.mark.parametrize("number", range(1, 10))
def test_every_transfer_syntax_is_stored_as_it_was_sent(receiver, number):
    path = DATA / "dicom/transfer-syntaxes" / f"{number}.dcm"
    if not path.exists():
        pytest.skip("the shared data are not here: set SCANSIDE_DATA")
    head = dcmread(path)
    _send_file(receiver.port, path)
    (arrival,) = (event for event in events(receiver.folder) if isinstance(event, Arrival))

    assert head.file_meta.TransferSyntaxUID == arrival.transfer_syntax_uid
    assert path.read_bytes().endswith(SpoolReader(receiver.folder).dataset_bytes(arrival))
    assert head == dcmread(BytesIO(SpoolReader(receiver.folder).part10(arrival)))


def _send_file(port: int, path: Path) -> None:
    """Send a file's data set as it is, in its own transfer syntax."""
    meta = dcmread(path).file_meta
    ae = AE("SCANNER")
    ae.add_requested_context(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID)
    association = ae.associate("127.0.0.1", port, ae_title="SCANSIDE")
    _config.STORE_SEND_CHUNKED_DATASET = True
    try:
        with parked_reactor(association):
            assert 0x0000 == association.send_c_store(path).Status
    finally:
        _config.STORE_SEND_CHUNKED_DATASET = False
        association.release()


def _accepted(port: int, *proposals, title: str = "SCANNER") -> dict[str, str]:
    """Transfer syntaxes by SOP class, as accepted of the proposals."""
    ae = AE(title)
    for sop_class, syntaxes in proposals:
        ae.add_requested_context(sop_class, syntaxes)
    association = ae.associate("127.0.0.1", port, ae_title="SCANSIDE")
    accepted = {context.abstract_syntax: context.transfer_syntax[0] for context in association.accepted_contexts}
    association.release()
    return accepted


def test_of_several_syntaxes_the_uncompressed_is_chosen(receiver):
    jpeg, implicit, explicit = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"

    assert {MRImageStorage: explicit} == _accepted(receiver.port, (MRImageStorage, [jpeg, implicit, explicit]))
    assert {MRImageStorage: jpeg} == _accepted(receiver.port, (MRImageStorage, [jpeg]))


def test_what_is_not_supported_is_declined_alone(receiver):
    explicit = "1.2.840.10008.1.2.1"

    assert {MRImageStorage: explicit} == _accepted(
        receiver.port, (CTImageStorage, [explicit]), (MRImageStorage, ["1.2.3.4", explicit])
    )


def test_a_scanner_can_be_kept_to_classic_images(tmp_path):
    proposals = [(EnhancedMRImageStorage, ["1.2.840.10008.1.2"]), (MRImageStorage, ["1.2.840.10008.1.2"])]
    with Receiver(tmp_path / "spool", classic_only=frozenset({"OLD"})) as receiver:
        assert {MRImageStorage} == set(_accepted(receiver.port, *proposals, title="OLD"))
        assert {EnhancedMRImageStorage, MRImageStorage} == set(_accepted(receiver.port, *proposals, title="NEW"))


def test_success_is_answered_only_after_the_flush(tmp_path, monkeypatch):
    flushing, go_on, flush = threading.Event(), threading.Event(), os.fdatasync

    def slow_flush(descriptor):
        flushing.set()
        go_on.wait(timeout=120)
        flush(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow_flush)
    writer = SpoolWriter(spool_settings(tmp_path / "spool"))
    listener = Listener(ListenerSettings(host="127.0.0.1", port=0), writer)
    try:
        with Peer(listener.port) as peer:
            peer.associate().send(*store_pdus("1.2.3.1", mr_bytes()))
            flushing.wait(timeout=120)
            peer.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                peer.read()
            go_on.set()
            peer.socket.settimeout(60)
            assert 0x0000 == peer.status()
    finally:
        go_on.set()
        listener.close()
        writer.close()


def test_a_full_disk_is_answered_with_a700_and_passes(tmp_path):
    with small_disk(tmp_path) as disk, Receiver(disk / "spool") as receiver, Peer(receiver.port) as peer:
        fill(disk / "ballast", leaving=500_000)
        peer.associate().send(*store_pdus("1.2.3.1", os.urandom(2_000_000)))
        refused = peer.response()
        small = peer.store("1.2.3.2", b"small")
        (disk / "ballast").unlink()
        large = peer.store("1.2.3.3", b"x" * 2_000_000)

        assert (0xA700, "1.2.3.1") == (refused.Status, refused.AffectedSOPInstanceUID)
        assert "Not stored: the receiver could not write to its disk" == refused.ErrorComment
        assert [0x0000, 0x0000] == [small, large]
        assert {"1.2.3.2": b"small", "1.2.3.3": b"x" * 2_000_000} == receiver.contents()
        assert 1 == receiver.counts(write_failures=1).write_failures


def test_a_disk_without_one_free_byte_does_not_end_the_receiver(tmp_path):
    with small_disk(tmp_path) as disk, Receiver(disk / "spool") as receiver, Peer(receiver.port) as peer:
        fill(disk / "ballast", leaving=0)
        statuses = [peer.associate().store("1.2.3.1", mr_bytes())]
        while receiver.process.poll() is None and "status_not_written" not in str(receiver.log()):
            time.sleep(0.1)
        (disk / "ballast").unlink()
        statuses.append(peer.store("1.2.3.2", mr_bytes()))

        assert [0xA700, 0x0000] == statuses


def fill(ballast: Path, leaving: int) -> None:
    """Leave so many bytes of the disk free."""
    with ballast.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while file.write(bytes(1 << 14)):
                pass
        file.truncate(file.tell() - leaving)


def test_asked_to_end_it_tells_the_peer_and_ends_well(receiver):
    with Peer(receiver.port) as peer:
        peer.associate().store("1.2.3.1", mr_bytes())
        assert 0 == receiver.stop()
        pdu = peer.read()

    assert pdu
    assert PduType.ABORT == pdu[0]
    assert [False, True] == [isinstance(event, AssociationEnd) and event.aborted for event in events(receiver.folder)]


def test_the_status_file_counts(receiver, tmp_path):
    sent = write_series(tmp_path / "series", 5)
    storescu(receiver.port, "+sd", tmp_path / "series")
    echoscu(receiver.port)
    receiver.counts(released=2)
    status = read_status(receiver.folder)

    assert (receiver.process.pid, receiver.port) == (status.pid, status.port)
    assert (2, 5, 1, 0, 0) == (
        status.counts.accepted,
        status.counts.instances,
        status.counts.echoes,
        status.counts.active,
        status.counts.aborted,
    )
    assert sum(map(len, sent.values())) == status.counts.bytes


def test_the_last_counts_are_written_when_it_ends(receiver):
    echoscu(receiver.port)
    receiver.stop()

    assert 1 == read_status(receiver.folder).counts.released


def test_the_log_names_no_patient_and_no_study(receiver, tmp_path):
    write_series(tmp_path / "series", 3)
    storescu(receiver.port, "+sd", tmp_path / "series")
    storescu(receiver.port, "--abort", "+sd", tmp_path / "series")
    receiver.counts(aborted=1)
    receiver.stop()
    log = str(receiver.log())

    assert "association_released" in log
    assert "association_aborted" in log
    assert [] == [secret for secret in ("Nobody", "nobody", "1.2.3") if secret in log]


def test_after_a_restart_the_spool_goes_on(tmp_path):
    for number in (1, 2):
        with Receiver(tmp_path / "spool") as receiver, Peer(receiver.port) as peer:
            peer.associate().store(f"1.2.3.{number}", mr_bytes(number))
            peer.release()

    assert {"1.2.3.1": mr_bytes(1), "1.2.3.2": mr_bytes(2)} == receiver.contents()
    names = {path.name for path in receiver.folder.iterdir()}
    assert {COMMITTED, STATUS, "steps", segment_name(1), segment_name(2)} == names


def test_a_port_in_use_is_a_named_error(receiver, tmp_path):
    writer = SpoolWriter(spool_settings(tmp_path / "other"))
    try:
        with pytest.raises(ConfigError, match="choose another"):
            Listener(ListenerSettings(host="127.0.0.1", port=receiver.port), writer)
    finally:
        writer.close()


def test_a_pdu_limit_that_cannot_be_kept_is_a_named_error(tmp_path):
    writer = SpoolWriter(spool_settings(tmp_path / "spool"))
    try:
        with pytest.raises(ConfigError, match="lower it"):
            Listener(ListenerSettings(host="127.0.0.1", port=0, pdu_bytes_max=1 << 22), writer)
    finally:
        writer.close()


def test_the_receiver_imports_nothing_heavy():
    heavy = "{'torch', 'onnxruntime', 'scipy', 'dbos', 'highdicom', 'sqlalchemy', 'starlette'}"
    command = f"import daemon.line.intake, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", command], check=True, capture_output=True, text=True, cwd=ROOT)

    assert "set()\n" == done.stdout
