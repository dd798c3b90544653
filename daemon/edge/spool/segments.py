"""The spool's format: what was received, as records in append-only segment files.

A segment is a file named by its number, ``000000000001.spool``. All integers are little endian::

    segment  = "SCANSIDE SPOOL" version:u16  record*
    record   = "RECD" kind:u8 0:u8[3] metadata_length:u32 payload_length:u64    the head
               metadata                                                       a JSON object, UTF-8
               crc32(head + metadata):u32  crc32(payload):u32
               payload                                                        kinds 1 and 3: the encoded data set

A record is complete when all its bytes are there and its first checksum holds, and intact when the second holds too.
The first lets a reader trust a record whose payload it skips; the second lies right before the payload, so that who
knows the payload's place can check it.

The file ``committed`` beside the segments holds ``segment:u64 offset:u64 crc32:u32``: all records before that place
are durable. It is written after every flush, so it may lag behind the disk, and never leads.
"""

import json
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

from daemon.core.errors import SpoolError
from daemon.core.steps import StepArrival
from daemon.core.values import Arrival, AssociationEnd, SpoolEvent

VERSION = 1
SUFFIX = ".spool"
COMMITTED = "committed"

_MAGIC = struct.Struct("<14sH")
SEGMENT_HEAD = _MAGIC.pack(b"SCANSIDE SPOOL", VERSION)

_MARKER = b"RECD"
_HEAD = struct.Struct("<4sB3xIQ")
_CHECKSUMS = struct.Struct("<II")
_CHECKSUM = struct.Struct("<I")
_MARK = struct.Struct("<QQ")
_METADATA_LIMIT = 1 << 16  # bytes; ours are about 400
_GLANCE = 1024  # bytes read at once to see a record's head and metadata
_SECTOR = 4096
_STRIDE = 1 << 20  # bytes read at once when looking for the next record behind damage


class Kind(IntEnum):
    """What a record holds."""

    INSTANCE = 1
    ASSOCIATION_END = 2
    STEP = 3


class Cursor(NamedTuple):
    """A place in the spool, between two records; cursors order as the records do."""

    segment: int
    offset: int


START = Cursor(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What is known of an instance before it has a place in the spool: an ``Arrival`` without that place."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    calling_ae: str
    called_ae: str
    association: str
    received_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReceipt:
    """What is known of a procedure step's report before it has a place in the spool."""

    step_uid: str
    transfer_syntax_uid: str
    calling_ae: str
    received_at: float


Entry = Receipt | StepReceipt | AssociationEnd
_KINDS = {Receipt: Kind.INSTANCE, AssociationEnd: Kind.ASSOCIATION_END, StepReceipt: Kind.STEP}


class Record(NamedTuple):
    """A complete record found in a segment; ``payload`` and ``end`` are offsets in the file, in bytes."""

    kind: int
    metadata: bytes
    payload: int
    end: int

    @property
    def payload_length(self) -> int:
        """Bytes of the payload."""
        return self.end - self.payload


def segment_name(number: int) -> str:
    """The file name of segment ``number``."""
    return f"{number:012d}{SUFFIX}"


def segment_number(path: Path) -> int:
    """The number in a segment's name."""
    return int(path.stem)


def segment_paths(folder: Path) -> list[Path]:
    """The segments in ``folder``, oldest first."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.stem.isdecimal())


def check_segment(descriptor: int) -> None:
    """Whether a file is a segment of this version; a damaged head is passed over where a record of ours follows.

    Raises:
        SpoolError: it is not.
    """
    size = os.fstat(descriptor).st_size
    if _look(descriptor, len(SEGMENT_HEAD), 0) != SEGMENT_HEAD and find_record(descriptor, 0, size) >= size:
        raise SpoolError("the spool holds a segment of another version of Scanside, or a foreign file: move it away")


def encode_front(entry: Entry, payload_length: int, payload_checksum: int) -> bytes:
    """Everything of a record that comes before its payload."""
    kind = _KINDS[type(entry)]
    metadata = json.dumps(asdict(entry), ensure_ascii=False, separators=(",", ":")).encode()
    front = _HEAD.pack(_MARKER, kind, len(metadata), payload_length) + metadata
    return front + _CHECKSUMS.pack(zlib.crc32(front), payload_checksum)


def decode_event(record: Record, segment: str) -> SpoolEvent:
    """The event that a record holds.

    Raises:
        SpoolError: a kind, or facts, that this version does not know.
    """
    place: dict[str, Any] = {"segment": segment, "offset": record.payload, "length": record.payload_length}
    try:
        facts = json.loads(record.metadata) if record.kind in [*Kind] else {}
        if record.kind == Kind.INSTANCE:
            return Arrival(**place, **facts)
        if record.kind == Kind.STEP:
            return StepArrival(**place, **facts)
        if record.kind == Kind.ASSOCIATION_END:
            return AssociationEnd(**facts)
    except (TypeError, ValueError) as error:
        raise SpoolError(f"segment {segment} holds a record that this version cannot read: update Scanside") from error
    raise SpoolError(f"segment {segment} holds a record of unknown kind {record.kind}: update Scanside")


def scan(descriptor: int, offset: int, limit: int) -> Iterator[Record]:
    """The complete records from ``offset`` on, up to the first that is not; payloads are skipped, not read."""
    while (record := _read_record(descriptor, offset, limit)) is not None:
        yield record
        offset = record.end


def find_record(descriptor: int, offset: int, limit: int) -> int:
    """The offset of the first complete record at or behind ``offset``; ``limit`` if there is none."""
    while window := _look(descriptor, max(min(_STRIDE, limit - offset), 0), offset):
        found = window.find(_MARKER)
        if found < 0:
            offset += max(len(window) - len(_MARKER) + 1, 1)
        elif _read_record(descriptor, offset + found, limit) is not None:
            return offset + found
        else:
            offset += found + 1
    return limit


def _read_record(descriptor: int, offset: int, limit: int) -> Record | None:
    """The record at ``offset`` if it is complete before ``limit``, else None."""
    glance = _look(descriptor, _GLANCE, offset)
    if len(glance) < _HEAD.size:
        return None
    marker, kind, metadata_length, payload_length = _HEAD.unpack_from(glance)
    front_length = _HEAD.size + metadata_length + _CHECKSUMS.size
    end = offset + front_length + payload_length
    if marker != _MARKER or metadata_length > _METADATA_LIMIT or end > limit:
        return None
    front = glance if front_length <= len(glance) else _look(descriptor, front_length, offset)
    covered = front[: _HEAD.size + metadata_length]
    if len(front) < front_length or zlib.crc32(covered) != _CHECKSUM.unpack_from(front, len(covered))[0]:
        return None
    return Record(kind, covered[_HEAD.size :], offset + front_length, end)


def _look(descriptor: int, length: int, offset: int) -> bytes:
    """At most ``length`` bytes, zeros for those that the disk does not give: one bad sector costs one record."""
    try:
        return os.pread(descriptor, length, offset)
    except OSError:
        if length <= _SECTOR:
            return bytes(length)
    places = range(offset, offset + length, _SECTOR)
    return b"".join(_look(descriptor, min(_SECTOR, offset + length - place), place) for place in places)


def read_pieces(descriptor: int, offset: int, length: int, *, checked: bool = True) -> Iterator[bytes]:
    """The payload at ``offset``, piece by piece, ``checked`` at its end.

    Raises:
        SpoolError: the bytes are not those that were written.
    """
    expected, checksum, end = os.pread(descriptor, _CHECKSUM.size, offset - _CHECKSUM.size), 0, offset + length
    while offset < end and (piece := os.pread(descriptor, min(_STRIDE, end - offset), offset)):
        checksum = zlib.crc32(piece, checksum)
        offset += len(piece)
        yield piece
    if checked and (offset < end or _CHECKSUM.pack(checksum) != expected):
        raise SpoolError("a stored data set does not match its checksum: check this disk, then send the series again")


def is_intact(descriptor: int, record: Record) -> bool:
    """Whether the payload of a complete record matches its checksum; read piece by piece."""
    try:
        deque(read_pieces(descriptor, record.payload, record.payload_length), maxlen=0)
    except SpoolError:
        return False
    return True


def read_exactly(descriptor: int, length: int, offset: int) -> bytes:
    """``length`` bytes from ``offset``, fewer only at the end of the file (one read call ends at 2 GiB)."""
    pieces = []
    while length > 0 and (piece := os.pread(descriptor, length, offset)):
        pieces.append(piece)
        length -= len(piece)
        offset += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def encode_mark(cursor: Cursor) -> bytes:
    """The content of the file ``committed``."""
    body = _MARK.pack(*cursor)
    return body + _CHECKSUM.pack(zlib.crc32(body))


def decode_mark(content: bytes) -> Cursor | None:
    """The cursor in the file ``committed``; None where it is torn."""
    body, checksum = content[: _MARK.size], content[_MARK.size :]
    if len(body) != _MARK.size or checksum != _CHECKSUM.pack(zlib.crc32(body)):
        return None
    return Cursor(*_MARK.unpack(body))
