"""The spool's format, on files in memory."""

import os
import zlib
from contextlib import contextmanager

import pytest
from builders.running.spool import association_end, receipt
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import SpoolError
from daemon.core.values import Arrival, AssociationEnd
from daemon.edge.spool.segments import (
    SEGMENT_HEAD,
    START,
    Cursor,
    Receipt,
    Record,
    check_segment,
    decode_event,
    decode_mark,
    encode_front,
    encode_mark,
    find_record,
    is_intact,
    read_pieces,
    scan,
    segment_name,
)

_TEXT = st.text(st.characters(codec="latin-1"), max_size=70)
_TIME = st.floats(0, 4e9)
_RECEIPTS = st.builds(
    Receipt,
    sop_instance_uid=_TEXT,
    sop_class_uid=_TEXT,
    transfer_syntax_uid=_TEXT,
    calling_ae=_TEXT,
    called_ae=_TEXT,
    association=_TEXT,
    received_at=_TIME,
)
_INSTANCES = st.tuples(_RECEIPTS, st.binary(max_size=3000))
_ENDS = st.tuples(st.builds(AssociationEnd, association=_TEXT, ended_at=_TIME, aborted=st.booleans()), st.just(b""))
_ENTRIES = st.lists(_INSTANCES | _ENDS, max_size=8)


def encode(entry, payload: bytes = b"") -> bytes:
    return encode_front(entry, len(payload), zlib.crc32(payload)) + payload


@contextmanager
def in_memory(content: bytes):
    descriptor = os.memfd_create("segment")
    try:
        os.write(descriptor, content)
        yield descriptor
    finally:
        os.close(descriptor)


@given(_ENTRIES)
def test_what_was_written_is_read_back(entries):
    content = SEGMENT_HEAD + b"".join(encode(*entry) for entry in entries)
    with in_memory(content) as descriptor:
        records = list(scan(descriptor, len(SEGMENT_HEAD), len(content)))
        payloads = [b"".join(read_pieces(descriptor, record.payload, record.payload_length)) for record in records]

    assert [payload for _, payload in entries] == payloads
    assert [_described(entry, record) for (entry, _), record in zip(entries, records, strict=True)] == [
        decode_event(record, "s") for record in records
    ]


def _described(entry, record):
    if isinstance(entry, AssociationEnd):
        return entry
    facts = {name: getattr(entry, name) for name in Receipt.__slots__}
    return Arrival(segment="s", offset=record.payload, length=record.payload_length, **facts)


@given(_ENTRIES, st.data())
def test_a_segment_cut_at_any_byte_reads_back_exactly_its_complete_records(entries, data):
    ends = [len(SEGMENT_HEAD)]
    content = SEGMENT_HEAD
    for entry in entries:
        content += encode(*entry)
        ends.append(len(content))
    cut = data.draw(st.integers(len(SEGMENT_HEAD), len(content)))
    with in_memory(content[:cut]) as descriptor:
        found = [record.end for record in scan(descriptor, len(SEGMENT_HEAD), cut)]

    assert [end for end in ends[1:] if end <= cut] == found


@given(st.lists(_INSTANCES, min_size=1, max_size=3), st.data())
def test_one_flipped_bit_is_never_read_as_good_data(entries, data):
    content = bytearray(SEGMENT_HEAD + b"".join(encode(*entry) for entry in entries))
    bit = data.draw(st.integers(len(SEGMENT_HEAD) * 8, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    with in_memory(bytes(content)) as descriptor:
        whole = 0
        for record in scan(descriptor, len(SEGMENT_HEAD), len(content)):
            whole += is_intact(descriptor, record)

    assert len(entries) > whole


def test_a_damaged_payload_is_not_handed_out():
    content = bytearray(SEGMENT_HEAD + encode(receipt(), b"voxels"))
    content[-1] ^= 1
    with in_memory(bytes(content)) as descriptor, pytest.raises(SpoolError, match="checksum"):
        list(read_pieces(descriptor, len(content) - 6, 6))


def test_the_record_behind_damage_is_found():
    first, second = encode(receipt(1), b"RECD" * 9), encode(association_end())
    content = SEGMENT_HEAD + b"\xff" + first[1:] + second
    with in_memory(content) as descriptor:
        found = find_record(descriptor, len(SEGMENT_HEAD) + 1, len(content))

    assert len(content) - len(second) == found


@pytest.mark.parametrize("tail", [b"", b"R", b"RECD", b"x" * 5000])
def test_where_no_record_follows_the_search_ends_at_the_limit(tail):
    with in_memory(SEGMENT_HEAD + tail) as descriptor:
        assert len(SEGMENT_HEAD + tail) == find_record(descriptor, len(SEGMENT_HEAD), len(SEGMENT_HEAD + tail))


def test_metadata_longer_than_the_first_glance_is_read_whole():
    long = receipt(sop_instance_uid="1" * 5000)
    content = SEGMENT_HEAD + encode(long, b"voxels")
    with in_memory(content) as descriptor:
        (record,) = scan(descriptor, len(SEGMENT_HEAD), len(content))

    assert long.sop_instance_uid == decode_event(record, "s").sop_instance_uid


@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_the_mark_survives_its_encoding_and_no_tearing(segment, offset):
    mark = encode_mark(Cursor(segment, offset))

    assert Cursor(segment, offset) == decode_mark(mark)
    assert all(decode_mark(mark[:length]) is None for length in range(len(mark)))


def test_cursors_order_by_segment_then_offset():
    assert [START, Cursor(1, 99), Cursor(2, 16)] == sorted([Cursor(2, 16), START, Cursor(1, 99)])


def test_a_record_of_unknown_kind_asks_for_an_update():
    with pytest.raises(SpoolError, match="update Scanside"):
        decode_event(Record(kind=9, metadata=b"{}", payload=0, end=0), segment_name(1))


@pytest.mark.parametrize("content", [b"", b"DICM", SEGMENT_HEAD[:-2] + b"\x02\x00"])
def test_a_foreign_file_is_no_segment(content):
    with in_memory(content) as descriptor, pytest.raises(SpoolError, match="move it away"):
        check_segment(descriptor)
