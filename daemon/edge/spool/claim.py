"""Taking a spool folder: made if need be, locked against other receivers, its torn end cut off."""

import fcntl
import os
import time
from pathlib import Path

import structlog

from daemon.core.errors import ConfigError, SpoolError
from daemon.edge.durable import flush_folder
from daemon.edge.private import make_folder
from daemon.edge.spool.segments import (
    COMMITTED,
    SEGMENT_HEAD,
    START,
    Cursor,
    check_segment,
    decode_mark,
    is_intact,
    scan,
    segment_number,
    segment_paths,
)

#: A receiver that was told to end, or whose parent was killed, takes until then to finish what it is storing.
_CLAIM_S, _CLAIM_AGAIN_S = 12.0, 0.1


def recover(folder: Path) -> Cursor:
    """Find the end of what is whole in a spool that nobody writes, and cut off the torn rest.

    What lies before the mark was flushed and is never cut. Behind it, records may be whole (the receiver was killed
    before it set the mark) or torn (the power failed before the flush).

    Raises:
        SpoolError: the newest segment is no spool segment of this version.
        OSError: the disk fails.
    """
    mark = decode_mark((folder / COMMITTED).read_bytes()) or START
    newest = max(segment_paths(folder), default=None)
    if newest is None or segment_number(newest) < mark.segment:
        return mark
    number = segment_number(newest)
    descriptor = os.open(newest, os.O_RDWR | os.O_CLOEXEC)
    try:
        end = _cut_torn_tail(descriptor, mark.offset if mark.segment == number else 0)
    finally:
        os.close(descriptor)
    return Cursor(number, end)


def _cut_torn_tail(descriptor: int, whole: int) -> int:
    """Cut a segment behind its last whole record, looking from offset ``whole`` on; returns its new end."""
    size = os.fstat(descriptor).st_size
    if size < len(SEGMENT_HEAD):
        os.pwrite(descriptor, SEGMENT_HEAD, 0)  # the receiver ended while it made this segment
    check_segment(descriptor)
    end = max(min(whole, size), len(SEGMENT_HEAD))
    for record in scan(descriptor, end, size):
        if not is_intact(descriptor, record):
            break
        end = record.end
    if end < size:
        structlog.get_logger().warning("spool_tail_cut", bytes=size - end)
        os.ftruncate(descriptor, end)
    os.fsync(descriptor)
    return end


def claim(folder: Path, patience_s: float | None = None) -> int:
    """Make the folder and take its mark, open and locked: one spool has one receiver; one that ends is awaited."""
    if not folder.exists():
        make_folder(folder)
        flush_folder(folder.parent)
    mark = os.open(folder / COMMITTED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + (_CLAIM_S if patience_s is None else patience_s)
    while not _locked(mark):
        if time.monotonic() > end:
            os.close(mark)
            raise ConfigError(f"another receiver is using the spool {folder}: stop it, or configure another folder")
        time.sleep(_CLAIM_AGAIN_S)
    return mark


def claim_again(folder: Path) -> int:
    """The same while receiving, where nobody is awaited: what the folder lies in may be a disk that will come back."""
    if not folder.parent.exists():
        raise SpoolError(f"the folder {folder.parent} is gone: bring it back")
    try:
        return claim(folder, patience_s=0.0)
    except ConfigError as error:
        raise SpoolError(str(error)) from error


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
