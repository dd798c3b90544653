"""The spool as other processes read it: the truth about what was received, while the receiver goes on appending."""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info

from daemon.core.errors import SpoolError
from daemon.core.steps import StepArrival
from daemon.core.values import Arrival, SpoolEvent
from daemon.dicom.uids import IMPLEMENTATION_CLASS_UID
from daemon.edge.spool.segments import (
    COMMITTED,
    SEGMENT_HEAD,
    START,
    Cursor,
    check_segment,
    decode_event,
    decode_mark,
    find_record,
    read_exactly,
    read_pieces,
    scan,
    segment_number,
    segment_paths,
)

_MARK_READS = 5  # a mark read while it is being written may be torn; not five times in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of the spool; only the newest may still grow. ``last_received_at``: when it was last written to."""

    name: str
    size_bytes: int
    last_received_at: float
    newest: bool


class StoredDataSet:
    """One encoded data set in a segment; as :class:`daemon.core.ports.Content`."""

    def __init__(self, segment: Path, offset: int, length: int, *, checked: bool = True) -> None:
        self._segment = segment
        self._offset = offset
        self._is_checked = checked
        self._is_sound = False
        self.length = length

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, fewer only at the end; not checked.

        Raises:
            SpoolError: its segment was removed, or a sector is bad.
        """
        with self._opened() as descriptor:
            return read_exactly(descriptor, max(min(length, self.length - offset), 0), self._offset + offset)

    def pieces(self) -> Iterator[bytes]:
        """All of it, a MiB at a time.

        Raises:
            SpoolError: its segment was removed, a sector is bad, or, at the end, the bytes are damaged.
        """
        with self._opened() as descriptor:
            yield from read_pieces(descriptor, self._offset, self.length, checked=self._is_checked)
        self._is_sound = True

    def check(self) -> None:
        """Read all of it, unless that was done before, and compare with its checksum.

        Raises:
            SpoolError: as ``pieces``.
        """
        if not self._is_sound:
            deque(self.pieces(), maxlen=0)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            with _opened(self._segment) as descriptor:
                yield descriptor
        except OSError as error:
            raise SpoolError(f"a segment cannot be read ({error.strerror}): check this disk") from error


class SpoolReader:
    """Reads the spool in ``folder``; any number of readers may, in any process.

    A reader sees what was committed: every record before the mark that the writer sets after each flush. What is
    being written, or was written and taken back because the disk was full, is never seen.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._skips: dict[Cursor, int] = {}

    def committed(self) -> Cursor:
        """The end of what is durable; a cursor that is smaller has news. Costs one small read.

        Raises:
            SpoolError: the mark is damaged.
        """
        for _ in range(_MARK_READS):
            try:
                content = (self._folder / COMMITTED).read_bytes()
            except FileNotFoundError:
                return START
            if not content:  # a receiver at its first start has made the file, and not written it yet
                return START
            cursor = decode_mark(content)
            if cursor is not None:
                return cursor
        raise SpoolError(f"the spool's file '{COMMITTED}' is damaged: restart the receiver, which writes it anew")

    def follow(self, cursor: Cursor = START) -> Iterator[tuple[SpoolEvent, Cursor]]:
        """The events behind ``cursor``, each with the cursor behind it; ends where the spool ends for now.

        Reads heads and metadata only, so that the whole spool is soon read again at a start. Damage is passed over
        and logged: one bad sector costs one record, not all behind it.
        """
        end = self.committed()
        for path in segment_paths(self._folder):
            number = segment_number(path)
            if cursor.segment <= number <= end.segment:
                start = cursor.offset if number == cursor.segment else 0
                yield from self._follow_segment(path, start, end if number == end.segment else None)

    def _follow_segment(self, path: Path, offset: int, end: Cursor | None) -> Iterator[tuple[SpoolEvent, Cursor]]:
        number = segment_number(path)
        with _opened(path) as descriptor:
            check_segment(descriptor)
            offset = max(offset, len(SEGMENT_HEAD))
            limit = end.offset if end else os.fstat(descriptor).st_size
            while offset < limit:
                for record in scan(descriptor, offset, limit):
                    offset = record.end
                    yield decode_event(record, path.name), Cursor(number, offset)
                if offset < limit:
                    offset = self._skip_damage(descriptor, Cursor(number, offset), limit)

    def _skip_damage(self, descriptor: int, damaged: Cursor, limit: int) -> int:
        """The offset behind the damage; looked for, and logged, once."""
        if damaged not in self._skips:
            self._skips[damaged] = find_record(descriptor, damaged.offset + 1, limit)
            skipped_bytes = self._skips[damaged] - damaged.offset
            structlog.get_logger().error(
                "spool_damaged", segment=damaged.segment, offset=damaged.offset, bytes=skipped_bytes
            )
        return self._skips[damaged]

    def dataset(self, arrival: Arrival | StepArrival, *, checked: bool = True) -> StoredDataSet:
        """The encoded data set as it was received, to be read where it lies; unless ``checked``, damaged or not."""
        return StoredDataSet(self._folder / arrival.segment, arrival.offset, arrival.length, checked=checked)

    def dataset_bytes(self, arrival: Arrival | StepArrival) -> bytes:
        """The encoded data set, byte for byte as it was received.

        Raises:
            SpoolError: its segment was removed, or the bytes are damaged.
        """
        return b"".join(self.dataset(arrival).pieces())

    def part10(self, arrival: Arrival) -> bytes:
        """The instance as a DICOM file: preamble, file meta information, data set (PS3.10 section 7.1).

        Raises:
            SpoolError: as ``dataset_bytes``.
        """
        meta = FileMetaDataset()
        for keyword, vr, value in (
            ("FileMetaInformationGroupLength", "UL", 0),  # the writer puts the length in
            ("FileMetaInformationVersion", "OB", b"\0\1"),
            ("ImplementationClassUID", "UI", IMPLEMENTATION_CLASS_UID),
            ("MediaStorageSOPClassUID", "UI", arrival.sop_class_uid),
            ("MediaStorageSOPInstanceUID", "UI", arrival.sop_instance_uid),
            ("TransferSyntaxUID", "UI", arrival.transfer_syntax_uid),
            ("SourceApplicationEntityTitle", "AE", arrival.calling_ae),
        ):
            # Not validated: what a scanner sent is kept as it is, even where it breaks the rules.
            meta.add(DataElement(keyword, vr, value, validation_mode=IGNORE))
        stream = DicomBytesIO()
        stream.write(b"\0" * 128 + b"DICM")
        write_file_meta_info(stream, meta, enforce_standard=False)
        return bytes(stream.getvalue()) + self.dataset_bytes(arrival)

    def segments(self) -> tuple[Segment, ...]:
        """The segments, oldest first."""
        newest = self.committed().segment
        found = []
        for path in segment_paths(self._folder):
            with suppress(FileNotFoundError):  # removed since the folder was read
                facts = path.stat()
                segment = Segment(
                    name=path.name,
                    size_bytes=facts.st_size,
                    last_received_at=facts.st_mtime,
                    newest=segment_number(path) >= newest,
                )
                found.append(segment)
        return tuple(found)

    def remove(self, segment: str) -> None:
        """Delete a segment; deciding that nobody needs it any more is the caller's part.

        Raises:
            SpoolError: it is the newest, which the receiver may be writing, or there is none of that name.
        """
        path = self._folder / segment
        if path not in segment_paths(self._folder):
            raise SpoolError(f"there is no segment {segment} in the spool: list the segments again")
        if segment_number(path) >= self.committed().segment:
            raise SpoolError(f"segment {segment} is the newest and may still grow: remove it once there is a newer one")
        path.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A segment open for reading; read-ahead is off, because payloads are mostly skipped."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise SpoolError(f"segment {path.name} is no longer in the spool: retention removed it") from error
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        yield descriptor
    finally:
        os.close(descriptor)
