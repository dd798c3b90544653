"""Pushing as a scanner does, to the real receiver: every instance is answered, at once, however many there are."""

import gc
import subprocess
import threading
import time

import pytest
from builders.images.push import peer, push_series, slices
from builders.peers.receiver import Receiver, encoded, mr_dataset
from builders.running.daemon import SCANSIDE
from pydicom import dcmread
from pydicom.uid import JPEG2000

from daemon.commands.scanner.push import golden_head, send_plainly
from daemon.config import shipped_bundles
from daemon.core.errors import DeliveryFailed
from daemon.core.reception.transmission import Deal, SendingOptions, plan
from daemon.dicom.protocol.outgoing import encode_outgoing, read_outgoing
from daemon.edge.delivery.scanner import push


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    with Receiver(tmp_path_factory.mktemp("receiver") / "spool") as started:
        yield started


@pytest.fixture
def left_connections(caplog):
    """pynetdicom leaves a connection that was refused or lost to the collector: let that warn here, and end here."""
    yield
    time.sleep(0.3)  # its threads still hold it
    caplog.clear()  # the records of the failure do too
    gc.collect()


def command(receiver, *arguments):
    options = ["push", "--to", f"127.0.0.1:{receiver.port}", *map(str, arguments)]
    return subprocess.run([*SCANSIDE, *options], capture_output=True, text=True, check=False, timeout=120)


def write(folder, numbers, **attributes):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        dataset = mr_dataset(number)
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)


def test_thousands_of_instances_are_answered_without_a_stall(receiver):
    """pynetdicom alone loses one response in some thousand, and the push ends in its timeout."""
    for batch in range(8):
        images = [encode_outgoing(mr_dataset(1 + 250 * batch + n)) for n in range(250)]
        send_plainly(images, peer(receiver.port, timeout_s=5.0))


def test_no_thread_is_left_behind(receiver):
    send_plainly([encode_outgoing(mr_dataset(1))], peer(receiver.port))
    before = threading.active_count()
    for number in range(2, 6):
        push_series(receiver.port, [encode_outgoing(mr_dataset(number))], associations=2, aborts=1)
    time.sleep(0.5)

    assert threading.active_count() <= before


@pytest.mark.usefixtures("left_connections")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_receiver_that_is_not_there_is_a_clear_error(tmp_path):
    with Receiver(tmp_path / "spool") as gone:
        port = gone.port

    with pytest.raises(DeliveryFailed, match="took 0 of 1 images: 1 x not sent: receiver cannot be reached"):
        send_plainly([encode_outgoing(mr_dataset(1))], peer(port))


@pytest.mark.usefixtures("left_connections")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_receiver_that_dies_in_the_middle_leaves_the_rest_not_stored(tmp_path):
    dying = Receiver(tmp_path / "spool")
    images = slices(40)
    killer = threading.Timer(1.0, dying.kill)
    killer.start()
    pushed = push(plan([images], SendingOptions(rate=20.0), lambda _: None), peer(dying.port, timeout_s=3.0))
    killer.join()

    assert 0 < pushed.stored < 40
    assert 40 == sum(pushed.answers.values())
    assert not pushed.complete


@pytest.mark.parametrize(
    "sending_options",
    [
        {},
        {"associations": 3},
        {"associations": 3, "deal": Deal.IMAGES, "shuffle": True},
        {"associations": 2, "deal": Deal.SERIES, "rate": 200.0},
        {"repeat": 3, "change": 2, "aborts": 2},
        {"late": 3, "aborts": 1, "associations": 2},
    ],
)
def test_whatever_the_options_every_instance_arrives_as_it_is(receiver, sending_options):
    series = [slices(), slices()]
    expected = {image.sop_instance_uid: image.encoded() for images in series for image in images}
    pushed = push_series(receiver.port, *series, **sending_options)
    stored = receiver.contents()

    assert all(part.complete for part in pushed)
    assert expected.keys() <= stored.keys()
    changed = sum(stored[uid] != content for uid, content in expected.items())
    # the spool keeps both, and contents() shows the last
    assert 2 * sending_options.get("change", 0) == changed


def test_aborted_associations_are_aborted_and_resumed(tmp_path):
    with Receiver(tmp_path / "spool") as alone:
        push_series(alone.port, slices(), associations=2, aborts=2)
        counts = alone.counts(aborted=4, released=2)

        assert (4, 2, 12) == (counts.aborted, counts.released, counts.instances)


def test_a_folder_goes_byte_for_byte_and_says_no_more_than_numbers(receiver, tmp_path):
    write(tmp_path / "own", range(9001, 9006), PatientName="SECRET^NAME", PatientID="SECRET-ID")
    (tmp_path / "own" / "SECRET.txt").write_text("no DICOM")
    finished = command(receiver, tmp_path / "own", "--seed", 5)
    stored = receiver.contents()

    assert (0, "") == (finished.returncode, finished.stderr)
    assert "stored 5 of 5 sent" in finished.stdout
    assert "SECRET" not in finished.stdout
    assert "1 file left out" in finished.stdout
    for number in range(9001, 9006):
        sent = dcmread(tmp_path / "own" / f"{number}.dcm")
        assert encoded(sent) == stored[f"1.2.3.{number}"]
        assert str(sent.SOPInstanceUID) not in finished.stdout


def test_without_a_folder_the_golden_head_of_a_bundle_with_a_task_goes(tmp_path):
    with Receiver(tmp_path / "spool") as receiver:
        sent = command(receiver, "--seed", 7)
        stored = receiver.contents()
    head = golden_head(shipped_bundles()["brain-t1"], "push 7")

    assert 0 == sent.returncode
    assert {str(one.SOPInstanceUID) for one in head} == set(stored)


def test_new_uids_make_a_new_series_the_same_for_the_same_seed(tmp_path):
    write(tmp_path / "own", range(3), ConcatenationUID="1.2.3.4.5")
    files = [path.read_bytes for path in sorted((tmp_path / "own").iterdir())]
    old = [read_outgoing(file) for file in files]
    first, again, other = ([read_outgoing(file, seed) for file in files] for seed in ("1", "1", "2"))

    assert [i.encoded() for i in first] == [i.encoded() for i in again]
    for images in (first, other):
        assert {i.study_instance_uid for i in old} == {i.study_instance_uid for i in images}
        assert 1 == len({i.series_instance_uid for i in images})
    assert 9 == len({i.sop_instance_uid for i in (*old, *first, *other)})
    assert 3 == len({i.series_instance_uid for i in (*old, *first, *other)})
    assert b"1.2.3.4.5\0" not in first[0].encoded()
    assert dcmread(tmp_path / "own" / "0.dcm").PixelData in first[0].encoded()


def test_what_is_not_accepted_is_said_and_ends_with_1(receiver, tmp_path):
    write(tmp_path / "own", [1])
    refused = command(receiver, tmp_path / "own", "--called", "NOBODY")
    lossy = mr_dataset(2)
    lossy.file_meta.TransferSyntaxUID, lossy.SOPClassUID = JPEG2000, "1.2.840.10008.5.1.4.1.1.2"  # CT
    pushed = push(plan([[encode_outgoing(lossy)]], SendingOptions(), lambda _: None), peer(receiver.port))

    assert 1 == refused.returncode
    assert "rejected the association" in refused.stdout
    assert "not accepted: 1 image\n" in refused.stdout
    assert {"not sent: receiver takes no such objects": 1} == pushed.answers


def test_one_kind_that_is_refused_does_not_keep_the_others(receiver):
    ct = mr_dataset(9100)
    ct.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    images = [encode_outgoing(ct), encode_outgoing(mr_dataset(9101))]
    pushed = push(plan([images], SendingOptions(), lambda _: None), peer(receiver.port))

    assert (1, False, 2) == (pushed.stored, pushed.complete, sum(pushed.answers.values()))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere/"], "there is no nowhere"),
        (["--to", "here"], "write --to HOST:PORT"),
        (["--artefact", "motion", "SINGLE"], "slice positions"),
    ],
)
def test_what_cannot_be_sent_is_a_clear_error(receiver, tmp_path, arguments, said):
    write(tmp_path / "SINGLE", [1])
    finished = command(receiver, *(tmp_path / a if a == "SINGLE" else a for a in arguments))

    assert 1 == finished.returncode
    assert finished.stderr.startswith("scanside: ")
    assert said in finished.stderr


def test_the_procedure_step_is_reported_once_and_a_refusal_ends_with_1(receiver, tmp_path):
    write(tmp_path / "own", range(9201, 9204))
    first, again = (command(receiver, tmp_path / "own", "--mpps", "completed", "--seed", 9) for _ in range(2))

    assert (0, "") == (first.returncode, first.stderr)
    assert 1 == again.returncode
    assert "not accepted: N-CREATE of the step answered 0111" in again.stdout
    assert "not accepted: N-SET of the step answered 0110" in again.stdout
