"""Receipts and spools for the tests of the receiving side."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.core.values import Arrival, AssociationEnd
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.spool.segments import START, Receipt
from daemon.edge.spool.writer import SpoolSettings, SpoolWriter

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"


@contextmanager
def small_disk(parent: Path) -> Iterator[Path]:
    """A file system of 4 MiB; skips the test where none can be mounted."""
    path = parent / "small"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted as root")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def receipt(number: int = 1, **changes) -> Receipt:
    facts = {
        "sop_instance_uid": f"1.2.3.{number}",
        "sop_class_uid": MR_IMAGE_STORAGE,
        "transfer_syntax_uid": EXPLICIT_LITTLE_ENDIAN,
        "calling_ae": "SCANNER",
        "called_ae": "SCANSIDE",
        "association": "a1",
        "received_at": 1_700_000_000.25 + number,
    }
    return Receipt(**facts | changes)


def association_end(*, aborted: bool = False, association: str = "a1", at: float = 1_700_000_100.5) -> AssociationEnd:
    return AssociationEnd(association=association, ended_at=at, aborted=aborted)


def spool_settings(folder: Path, **changes) -> SpoolSettings:
    return SpoolSettings(**{"folder": folder, "free_bytes_min": 0, "used_fraction_max": 1.0} | changes)


def store(writer: SpoolWriter, number: int, payload: bytes, piece: int = 1 << 14) -> None:
    """Append one instance in pieces, as the network brings it, and wait until it is durable."""
    draft = writer.draft()
    try:
        for start in range(0, len(payload), piece):
            draft.add(payload[start : start + piece])
        writer.append(receipt(number), draft)
    finally:
        draft.close()


def events(folder: Path, cursor=START):
    return [event for event, _ in SpoolReader(folder).follow(cursor)]


def contents(folder: Path) -> dict[str, bytes]:
    """The data sets in the spool by SOP Instance UID."""
    reader = SpoolReader(folder)
    return {
        event.sop_instance_uid: reader.dataset_bytes(event)
        for event, _ in reader.follow()
        if isinstance(event, Arrival)
    }
