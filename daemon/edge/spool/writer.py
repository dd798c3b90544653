"""The spool as the receiver writes it: group commit into append-only segments.

Every association hands over its record and then waits for its turn to commit. Who gets the turn appends all records
that wait by then, flushes once for all of them, and sets the mark for the readers; the others find theirs done. Eight
instances that arrive together cost one flush, not eight, and one that arrives alone waits for nobody.

After any failure the segment is cut back to its last flush and left; the next record begins a new one, because after
a failed flush the kernel may have forgotten which of the old one's pages are not on disk.
"""

import errno
import os
import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import structlog

from daemon.core.errors import SpoolError
from daemon.edge.durable import flush_folder
from daemon.edge.spool.claim import claim, claim_again, recover
from daemon.edge.spool.draft import Draft, write_fully
from daemon.edge.spool.segments import (
    COMMITTED,
    SEGMENT_HEAD,
    Cursor,
    Entry,
    encode_front,
    encode_mark,
    segment_name,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolSettings:
    """Where the spool lies and how much it may take.

    ``folder`` is created if need be, readable by its owner only. A segment that holds ``segment_bytes`` is closed. A
    data set above ``memory_bytes`` waits in an unnamed file of the folder, not in memory. The disk is low below
    ``free_bytes_min``, and above ``used_fraction_max`` (as ``df`` counts it: of what is not reserved). An empty spool
    begins with segment ``first_segment``; above all that were there before, an index that outlived them confuses none.
    """

    folder: Path
    segment_bytes: int = 128 << 20
    memory_bytes: int = 4 << 20
    free_bytes_min: int = 5 * 10**9
    used_fraction_max: float = 0.95
    first_segment: int = 1


def shortage(settings: SpoolSettings, margin: float = 0.0) -> int:
    """Bytes that the disk is short of; 0 where it has room. ``margin``: share of the disk that is wanted besides."""
    usage = shutil.disk_usage(settings.folder)
    whole = usage.used + usage.free
    over = usage.used - settings.used_fraction_max * whole
    under = settings.free_bytes_min - usage.free
    return max(0, ceil(max(over, under) + margin * whole))


class _Waiting:
    """A record on its way to the disk; settled when it is durable, or is not to be."""

    __slots__ = ("draft", "error", "front", "settled")

    def __init__(self, front: bytes, draft: Draft | None) -> None:
        self.front = front
        self.draft = draft
        self.settled = False
        self.error: SpoolError | None = None


class SpoolWriter:
    """The one writer of a spool; its methods may be called from any thread.

    Raises:
        SpoolError: the folder cannot be used.
        ConfigError: another receiver is using it.
    """

    def __init__(self, settings: SpoolSettings) -> None:
        self._settings = settings
        try:
            self._mark = claim(settings.folder)
            self._publish(recover(settings.folder))
        except OSError as error:
            raise SpoolError(
                f"the spool {settings.folder} cannot be used ({error.strerror}): check the disk"
            ) from error
        self._number = self._committed.segment or settings.first_segment - 1
        self._lost = False
        self._segment: int | None = None
        self._waiting: list[_Waiting] = []
        self._queue = threading.Lock()  # guards the records that wait
        self._turn = threading.Lock()  # held by who commits
        self._closed = False

    @property
    def folder(self) -> Path:
        """Where the spool lies."""
        return self._settings.folder

    def draft(self) -> Draft:
        """A new data set to fill and hand over."""
        return Draft(self._settings.folder, self._settings.memory_bytes, self._has_disk)

    def append(self, entry: Entry, draft: Draft | None = None) -> None:
        """Make a record durable; returns when it is.

        Raises:
            SpoolError: it could not be made durable, and is not kept.
        """
        if draft is not None and draft.error is not None:
            raise _spool_error(draft.error)
        waiting = _Waiting(encode_front(entry, draft.length if draft else 0, draft.checksum if draft else 0), draft)
        with self._queue:
            self._waiting.append(waiting)
        with self._turn:
            if self._closed:
                raise SpoolError("the receiver is ending: send the instance again once it has started")
            if not waiting.settled:
                with self._queue:
                    batch, self._waiting = self._waiting, []
                self._commit(batch)
        if waiting.error is not None:
            raise waiting.error

    def has_room(self) -> bool:
        """Whether the folder is there, or there again, and its disk still above the configured floor."""
        try:
            with self._turn:
                if not self._closed and not self._holds(self._mark, COMMITTED):
                    self._reclaim()
            return self._has_disk()
        except (OSError, SpoolError) as error:
            structlog.get_logger().error("spool_gone", error=type(error).__name__)
            return False

    def _has_disk(self) -> bool:
        """Whether the disk is above the floor.

        Raises:
            OSError: the folder is gone.
        """
        return shortage(self._settings) == 0

    def close(self) -> None:
        """Stop, after the records that are being committed; one that comes later is refused."""
        with self._turn:
            if self._closed:
                return
            self._closed = True
            self._leave_segment()
            os.close(self._mark)

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        """Settle a batch: all of it is durable, or none of it is kept."""
        error: SpoolError | None = SpoolError("the spool failed unexpectedly: see the log, then send again")
        try:
            self._publish(self._append(batch))
            error = None
        except SpoolError as refusal:
            error = refusal
        except OSError as failure:
            structlog.get_logger().error("spool_write_failed", error=failure.strerror, records=len(batch))
            error = _spool_error(failure)
        finally:
            if error is not None:
                self._abandon_segment()
            for entry in batch:
                entry.error, entry.settled = error, True

    def _append(self, batch: Sequence[_Waiting]) -> Cursor:
        """Write and flush; returns the new end, once it is certain that readers will find it."""
        if self._lost:
            self._reclaim()
        segment = self._writable_segment()
        for entry in batch:
            if entry.draft is None:
                write_fully(segment, [entry.front])
            else:
                entry.draft.write(segment, entry.front)
        os.fdatasync(segment)
        self._check_place(segment)
        return Cursor(self._number, os.lseek(segment, 0, os.SEEK_CUR))

    def _check_place(self, segment: int) -> None:
        """A folder that was removed or replaced takes writes without a word, into files that nobody will ever find.

        Raises:
            OSError: mark or segment no longer lie where readers look for them.
        """
        if not (self._holds(self._mark, COMMITTED) and self._holds(segment, segment_name(self._number))):
            self._lost = True
            raise OSError(errno.ESTALE, "its folder was removed or replaced")

    def _holds(self, descriptor: int, name: str) -> bool:
        """Whether an open file is still the one of that name in the folder."""
        try:
            return os.path.samestat(os.fstat(descriptor), (self._settings.folder / name).stat())
        except FileNotFoundError:
            return False

    def _reclaim(self) -> None:
        """Take the folder anew, once what it lies in is back; its segments go on behind all that were there before.

        Raises:
            OSError: it cannot be used yet.
            SpoolError: what lies there now is no spool, or is another receiver's.
        """
        if not self._holds(self._mark, COMMITTED):
            self._leave_segment()
            mark = claim_again(self._settings.folder)
            os.close(self._mark)
            self._mark = mark
            self._publish(recover(self._settings.folder))
            self._number = max(self._number, self._committed.segment)
        self._lost = False
        structlog.get_logger().warning("spool_claimed_again", segment=self._number + 1)

    def _writable_segment(self) -> int:
        """The open segment, or a new one where there is none or it is full."""
        if self._segment is not None and self._committed.offset >= self._settings.segment_bytes:
            os.close(self._segment)
            self._segment = None
        if self._segment is None:
            self._number += 1
            self._segment = _create_file(self._settings.folder / segment_name(self._number))
            write_fully(self._segment, [SEGMENT_HEAD])
            flush_folder(self._settings.folder)
        return self._segment

    def _abandon_segment(self) -> None:
        """Take back what was not flushed and leave the segment; this may fail too, on a disk that is failing."""
        if self._segment is None:
            return
        with suppress(OSError):
            if self._committed.segment == self._number:
                os.ftruncate(self._segment, self._committed.offset)
            elif not self._lost:
                (self._settings.folder / segment_name(self._number)).unlink()
        self._leave_segment()

    def _leave_segment(self) -> None:
        if self._segment is not None:
            os.close(self._segment)
            self._segment = None

    def _publish(self, cursor: Cursor) -> None:
        """Let the readers see everything up to ``cursor``, which is durable."""
        os.pwrite(self._mark, encode_mark(cursor), 0)
        self._committed = cursor


def _create_file(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _spool_error(error: OSError) -> SpoolError:
    return SpoolError(f"an instance could not be written to the spool ({error.strerror}): free or check its disk")
