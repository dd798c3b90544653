"""The spool on real disks: durable, recovered, readable while it grows."""

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from builders.running.spool import association_end, contents, events, receipt, small_disk, spool_settings, store
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset

from daemon.core.errors import ConfigError, SpoolError
from daemon.core.values import Arrival, AssociationEnd
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.spool.segments import COMMITTED, SEGMENT_HEAD, START, Cursor, segment_name
from daemon.edge.spool.writer import SpoolWriter


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def full_soon(tmp_path):
    with small_disk(tmp_path) as disk:
        yield disk


@pytest.fixture
def opened(folder):
    """Make writers that are closed at the end."""
    writers = []

    def make(**changes) -> SpoolWriter:
        writers.append(SpoolWriter(spool_settings(folder, **changes)))
        return writers[-1]

    yield make
    for writer in writers:
        writer.close()


def test_what_was_appended_comes_back_byte_for_byte_and_in_order(folder, opened):
    writer = opened()
    payloads = [os.urandom(size) for size in (0, 1, 70_000, 300_001)]
    for number, payload in enumerate(payloads):
        store(writer, number, payload)
    writer.append(association_end(aborted=True))

    *arrivals, end = events(folder)

    assert [f"1.2.3.{number}" for number in range(4)] == [arrival.sop_instance_uid for arrival in arrivals]
    assert payloads == [SpoolReader(folder).dataset_bytes(arrival) for arrival in arrivals]
    assert AssociationEnd(association="a1", ended_at=1_700_000_100.5, aborted=True) == end


def test_a_reader_goes_on_from_its_cursor(folder, opened):
    writer, reader = opened(segment_bytes=1000), SpoolReader(folder)
    seen, cursor = [], START
    for number in range(7):
        store(writer, number, b"x" * 600)
        assert cursor < reader.committed()
        for event, behind in reader.follow(cursor):
            seen.append(event.sop_instance_uid)
            cursor = behind

    assert [f"1.2.3.{number}" for number in range(7)] == seen
    assert cursor == reader.committed()
    assert [] == list(reader.follow(cursor))


def test_a_folder_no_receiver_has_used_yet_is_empty(tmp_path):
    reader = SpoolReader(tmp_path)

    assert START == reader.committed()
    assert [] == list(reader.follow())
    assert () == reader.segments()


def test_a_mark_that_is_made_but_not_written_yet_is_the_start(tmp_path):
    """The daemon reads while its receiver starts for the first time."""
    (tmp_path / COMMITTED).touch()

    assert START == SpoolReader(tmp_path).committed()


def test_a_record_is_seen_only_after_its_flush(folder, opened, monkeypatch):
    writer, reader, flushing, go_on = opened(), SpoolReader(folder), threading.Event(), threading.Event()
    flush = os.fdatasync

    def slow_flush(descriptor):
        flushing.set()
        go_on.wait(timeout=120)
        flush(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow_flush)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(store, writer, 1, b"x")
        flushing.wait(timeout=120)
        try:
            assert SEGMENT_HEAD != (folder / segment_name(1)).read_bytes()
            assert not done.done()
            assert [] == list(reader.follow())
        finally:
            go_on.set()
        done.result(timeout=120)
    assert 1 == len(list(reader.follow()))


def test_records_that_wait_together_share_one_flush(folder, opened, monkeypatch):
    writer, flushes, go_on = opened(), [], threading.Event()
    flush = os.fdatasync

    def counted_flush(descriptor):
        flushes.append(descriptor)
        go_on.wait(timeout=120)
        flush(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted_flush)
    with ThreadPoolExecutor(9) as pool:
        stored = [pool.submit(store, writer, 0, b"x")]
        while not flushes:
            time.sleep(0.001)
        stored += [pool.submit(store, writer, number, b"x") for number in range(1, 9)]
        while len(writer._waiting) < 8:  # noqa: SLF001 - that they wait is what this is about
            time.sleep(0.001)
        go_on.set()
        for done in stored:
            done.result(timeout=120)

    assert 2 == len(flushes)
    assert 9 == len(events(folder))


def test_segments_rotate_at_their_size_and_all_are_read(folder, opened):
    writer = opened(segment_bytes=5000)
    for number in range(20):
        store(writer, number, b"x" * 1000)

    segments = SpoolReader(folder).segments()

    assert 4 == len(segments)
    assert [False] * 3 + [True] == [segment.newest for segment in segments]
    assert all(5000 <= segment.size_bytes < 7000 for segment in segments[:-1])
    assert 20 == len(events(folder))


def test_a_data_set_in_thousands_of_pieces_arrives_whole(folder, opened):
    payload = os.urandom(5000)
    store(opened(), 1, payload, piece=1)

    assert {"1.2.3.1": payload} == contents(folder)


def test_a_large_data_set_waits_on_disk_and_arrives_whole(folder, opened):
    writer, payload = opened(memory_bytes=1 << 16), os.urandom(3_000_000)
    tracemalloc.start()
    store(writer, 7, payload)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert 500_000 > peak
    assert {"1.2.3.7": payload} == contents(folder)
    assert {COMMITTED, segment_name(1)} == {path.name for path in folder.iterdir()}


def test_many_threads_append_at_once_and_nothing_is_lost(folder, opened):
    writer = opened(segment_bytes=100_000)
    payloads = {f"1.2.3.{number}": os.urandom(number * 37) for number in range(200)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store(writer, number, payloads[f"1.2.3.{number}"]), range(200)))

    assert payloads == contents(folder)


@pytest.mark.parametrize("lost_mark", [False, True])
def test_a_torn_tail_is_cut_at_the_start_and_what_was_whole_stays(folder, opened, lost_mark):
    writer = opened()
    for number in range(3):
        store(writer, number, b"x" * 5000)
    writer.close()
    if lost_mark:
        (folder / COMMITTED).write_bytes(b"")
    torn = (folder / segment_name(1)).read_bytes()[len(SEGMENT_HEAD) :][:4000]
    with (folder / segment_name(1)).open("ab") as segment:
        segment.write(torn)
    size_torn = (folder / segment_name(1)).stat().st_size

    opened()

    assert 3 == len(events(folder))
    assert size_torn - 4000 == (folder / segment_name(1)).stat().st_size


def test_a_whole_record_behind_the_mark_is_kept_at_the_start(folder, opened):
    writer = opened()
    store(writer, 1, b"x" * 5000)
    mark = (folder / COMMITTED).read_bytes()
    store(writer, 2, b"y" * 5000)
    writer.close()
    (folder / COMMITTED).write_bytes(mark)
    assert 1 == len(events(folder))

    opened()

    assert ["1.2.3.1", "1.2.3.2"] == [event.sop_instance_uid for event in events(folder)]


def test_a_record_whose_payload_did_not_reach_the_disk_is_cut(folder, opened):
    writer = opened()
    store(writer, 1, b"x" * 5000)
    mark = (folder / COMMITTED).read_bytes()
    store(writer, 2, b"y" * 5000)
    writer.close()
    (folder / COMMITTED).write_bytes(mark)
    with (folder / segment_name(1)).open("r+b") as segment:
        segment.seek(-100, os.SEEK_END)
        segment.write(b"\0" * 100)

    opened()

    assert ["1.2.3.1"] == [event.sop_instance_uid for event in events(folder)]


def test_damage_before_the_mark_costs_one_record_and_cuts_nothing(folder, opened):
    writer = opened()
    for number in range(3):
        store(writer, number, b"x" * 5000)
    writer.close()
    middle = events(folder)[1]
    with (folder / middle.segment).open("r+b") as segment:
        segment.seek(middle.offset - 20)
        segment.write(b"\xff" * 4)

    writer, reader = opened(), SpoolReader(folder)
    store(writer, 3, b"x" * 5000)

    expected = ["1.2.3.0", "1.2.3.2", "1.2.3.3"]
    assert expected == [event.sop_instance_uid for event, _ in reader.follow()]
    assert expected == [event.sop_instance_uid for event, _ in reader.follow()]


def test_damage_at_the_very_end_does_not_hide_what_comes_later(folder, opened):
    writer, reader = opened(), SpoolReader(folder)
    store(writer, 0, b"x" * 5000)
    (first,) = events(folder)
    with (folder / first.segment).open("r+b") as segment:
        segment.seek(len(SEGMENT_HEAD))
        segment.write(b"\xff" * 4)
    assert [] == list(reader.follow())

    store(writer, 1, b"x" * 5000)

    assert ["1.2.3.1"] == [event.sop_instance_uid for event, _ in reader.follow()]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 4), st.integers(0, 4))
def test_whatever_a_power_cut_leaves_behind_the_last_flush_costs_nothing_acknowledged(seed, committed, later):
    rng = random.Random(seed)
    payloads = [rng.randbytes(rng.randrange(20_000)) for _ in range(committed + later)]
    with tempfile.TemporaryDirectory() as name:
        _write_with_power_cut(Path(name), payloads, committed, rng)
        SpoolWriter(spool_settings(Path(name))).close()
        kept = list(contents(Path(name)).values())

    assert payloads[: len(kept)] == kept
    assert committed <= len(kept)


def _write_with_power_cut(folder: Path, payloads: list[bytes], committed: int, rng: random.Random) -> None:
    """Flush some records, write the others, lose any pages of those, and any length; the mark may lag behind."""
    writer = SpoolWriter(spool_settings(folder))
    marks = [(folder / COMMITTED).read_bytes()]
    flushed = 0
    for number, payload in enumerate(payloads):
        store(writer, number, payload)
        if number < committed:
            marks.append((folder / COMMITTED).read_bytes())
            flushed = (folder / segment_name(1)).stat().st_size
    writer.close()
    (folder / COMMITTED).write_bytes(rng.choice(marks))
    if flushed:
        with (folder / segment_name(1)).open("r+b") as segment:
            size = rng.randint(flushed, os.fstat(segment.fileno()).st_size)
            segment.truncate(size)
            for page in range(flushed, size, 4096):
                if rng.random() < 0.3:
                    segment.seek(page)
                    segment.write(bytes(min(4096, size - page)))


def test_a_receiver_that_died_making_a_segment_starts_again(folder, opened):
    writer = opened()
    store(writer, 1, b"x")
    writer.close()
    (folder / segment_name(2)).write_bytes(SEGMENT_HEAD[:5])

    store(opened(), 2, b"y")

    assert {"1.2.3.1": b"x", "1.2.3.2": b"y"} == contents(folder)


def test_a_foreign_newest_segment_stops_the_start_with_advice(folder, opened):
    folder.mkdir()
    (folder / segment_name(1)).write_bytes(b"something else entirely")

    with pytest.raises(SpoolError, match="move it away"):
        opened()


def test_one_spool_has_one_receiver(opened, monkeypatch):
    monkeypatch.setattr("daemon.edge.spool.claim._CLAIM_S", 0.2)
    opened()

    with pytest.raises(ConfigError, match="another receiver"):
        opened()


def test_a_receiver_waits_for_one_that_is_ending(opened):
    ending = opened()
    threading.Timer(0.3, ending.close).start()

    store(opened(), 1, b"x")


def test_a_folder_that_cannot_be_made_is_a_named_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(SpoolError, match="check the disk"):
        SpoolWriter(spool_settings(tmp_path / "file" / "spool"))


def test_a_full_disk_refuses_shows_nothing_half_and_recovers(full_soon):
    writer, reader, ballast = (
        SpoolWriter(spool_settings(full_soon / "spool")),
        SpoolReader(full_soon / "spool"),
        full_soon / "b",
    )
    try:
        store(writer, 1, b"x" * 1_000_000)
        ballast.write_bytes(b"b" * 2_000_000)
        for number in (2, 3):
            with pytest.raises(SpoolError, match="free or check"):
                store(writer, number, b"y" * 1_500_000)
        assert ["1.2.3.1"] == [event.sop_instance_uid for event, _ in reader.follow()]
        ballast.unlink()
        store(writer, 4, b"z" * 1_500_000)
    finally:
        writer.close()

    assert {"1.2.3.1": b"x" * 1_000_000, "1.2.3.4": b"z" * 1_500_000} == contents(full_soon / "spool")


def test_a_disk_that_fills_while_a_large_data_set_arrives_refuses_it_at_its_end(full_soon):
    writer = SpoolWriter(spool_settings(full_soon / "spool", memory_bytes=1000))
    try:
        with pytest.raises(SpoolError, match="free or check"):
            store(writer, 1, b"x" * 6_000_000)
        store(writer, 2, b"y" * 1_000_000)
    finally:
        writer.close()

    assert {"1.2.3.2": b"y" * 1_000_000} == contents(full_soon / "spool")


def test_a_writer_that_was_closed_takes_nothing_more(folder, opened):
    writer = opened()
    writer.close()

    with pytest.raises(SpoolError, match="is ending"):
        store(writer, 1, b"x")
    assert [] == events(folder)


def test_a_failed_flush_takes_the_record_back_and_begins_a_new_segment(folder, opened, monkeypatch):
    writer = opened()
    store(writer, 1, b"x")

    def failing_flush(_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing_flush)
        with pytest.raises(SpoolError):
            store(writer, 2, b"y")
    store(writer, 3, b"z")

    assert {"1.2.3.1": b"x", "1.2.3.3": b"z"} == contents(folder)
    assert [segment_name(1), segment_name(2)] == [segment.name for segment in SpoolReader(folder).segments()]


def test_a_fault_of_ours_acknowledges_nothing_either(folder, opened, monkeypatch):
    writer, flushing, go_on = opened(), threading.Event(), threading.Event()
    store(writer, 1, b"x")

    def faulty_flush(_):
        flushing.set()
        go_on.wait(timeout=120)
        raise ZeroDivisionError

    with monkeypatch.context() as patch, ThreadPoolExecutor(3) as pool:
        patch.setattr(os, "fdatasync", faulty_flush)
        first = pool.submit(store, writer, 2, b"y")
        flushing.wait(timeout=120)
        others = [pool.submit(store, writer, number, b"z") for number in (3, 4)]
        go_on.set()
        errors = [done.exception(timeout=120) for done in (first, *others)]
    store(writer, 5, b"w")

    assert all(isinstance(error, ZeroDivisionError | SpoolError) for error in errors)
    assert {"1.2.3.1": b"x", "1.2.3.5": b"w"} == contents(folder)


def test_old_segments_can_be_removed_and_the_newest_not(folder, opened):
    writer, reader = opened(segment_bytes=1000), SpoolReader(folder)
    for number in range(3):
        store(writer, number, b"x" * 1000)
    first, *_, newest = events(folder)

    reader.remove(first.segment)

    with pytest.raises(SpoolError, match="may still grow"):
        reader.remove(newest.segment)
    with pytest.raises(SpoolError, match="no segment"):
        reader.remove(COMMITTED)
    with pytest.raises(SpoolError, match="no longer in the spool"):
        reader.dataset_bytes(first)
    assert ["1.2.3.1", "1.2.3.2"] == [event.sop_instance_uid for event in events(folder)]


def test_numbers_are_never_used_twice_even_when_all_segments_are_gone(folder, opened):
    writer = opened()
    store(writer, 1, b"x")
    writer.close()
    (folder / segment_name(1)).unlink()

    store(opened(), 2, b"y")

    assert [segment_name(2)] == [segment.name for segment in SpoolReader(folder).segments()]


def test_a_damaged_mark_is_a_named_error_until_the_receiver_starts(folder, opened):
    store(opened(), 1, b"x")
    (folder / COMMITTED).write_bytes(b"nonsense")

    with pytest.raises(SpoolError, match="restart the receiver"):
        SpoolReader(folder).committed()


def test_room_is_judged_by_free_bytes_and_by_fraction(folder, opened):
    free = opened().has_room()
    in_bytes = SpoolWriter(spool_settings(folder / "bytes", free_bytes_min=1 << 60))
    in_fraction = SpoolWriter(spool_settings(folder / "fraction", used_fraction_max=0.0))
    rooms = [free, in_bytes.has_room(), in_fraction.has_room()]
    in_bytes.close()
    in_fraction.close()

    assert [True, False, False] == rooms


def test_only_the_owner_can_read_what_patients_entrusted(folder, opened):
    store(opened(), 1, b"x")

    assert 0o700 == folder.stat().st_mode & 0o777
    assert {0o600} == {path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_a_part_10_file_holds_the_data_set_unchanged(folder, opened):
    dataset = Dataset()
    dataset.PatientName = "Nobody^At All"
    dataset.SOPInstanceUID = "1.2.3.1"
    stream = BytesIO()
    dataset.save_as(stream, implicit_vr=False, little_endian=True)
    store(opened(), 1, stream.getvalue())
    (arrival,) = events(folder)

    file = SpoolReader(folder).part10(arrival)
    read = dcmread(BytesIO(file))

    assert file.endswith(stream.getvalue())
    assert dataset == read
    assert ("1.2.3.1", "SCANNER") == (
        read.file_meta.MediaStorageSOPInstanceUID,
        read.file_meta.SourceApplicationEntityTitle,
    )


def test_a_part_10_file_is_made_even_of_an_instance_with_an_illegal_uid(folder, opened):
    writer = opened()
    draft = writer.draft()
    draft.add(b"")
    writer.append(receipt(sop_instance_uid="1.2.not-a-uid." + "9" * 80), draft)
    (arrival,) = events(folder)

    assert b"not-a-uid" in SpoolReader(folder).part10(arrival)


_FOLLOWER = """
import sys, time
from pathlib import Path
from daemon.edge.spool.segments import START
from daemon.edge.spool.reader import SpoolReader
reader, cursor, seen = SpoolReader(Path(sys.argv[1])), START, 0
while seen < int(sys.argv[2]):
    for arrival, cursor in reader.follow(cursor):
        assert reader.dataset_bytes(arrival) == bytes([seen % 256]) * (seen * 50)
        seen += 1
    time.sleep(0.001)
print("all", seen)
"""


def test_another_process_follows_while_the_writer_appends(folder, opened):
    writer = opened(segment_bytes=50_000)
    follower = subprocess.Popen(
        [sys.executable, "-c", _FOLLOWER, folder, "150"], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    for number in range(150):
        store(writer, number, bytes([number % 256]) * (number * 50))

    assert ("all 150\n", None) == follower.communicate(timeout=60)


def test_rebuilding_reads_heads_and_not_payloads(folder, opened):
    writer = opened()
    for number in range(20):
        store(writer, number, b"x" * 1_000_000)
    before = _bytes_read()
    found = events(folder)

    assert 20 == len(found)
    assert 100_000 > _bytes_read() - before
    assert all(isinstance(event, Arrival) for event in found)


def _bytes_read() -> int:
    """What this process asked the kernel to read (rchar of proc(5))."""
    with Path("/proc/self/io").open() as io:
        return int(io.readline().split()[1])


def test_the_cursor_of_the_end_is_where_the_last_record_ends(folder, opened):
    store(opened(), 1, b"x" * 10)
    (arrival,) = events(folder)

    assert Cursor(1, arrival.offset + arrival.length) == SpoolReader(folder).committed()
