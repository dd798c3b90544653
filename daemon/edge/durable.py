"""Files that are there whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.edge.private import create


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the place, flush, move there, flush the folder: a crash leaves the whole file or the one before.

    Only its owner may read it.
    """
    partial = path.with_suffix(".part")
    with create(partial) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    flush_folder(path.parent)


@contextmanager
def taking_place(path: Path) -> Iterator[Path]:
    """A file, only its owner's, to write beside the place, flushed and moved there; removed if the writing fails.

    Of several who write at once, on whatever machines, each has a file of its own, and the last one's stays.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        create(partial, os.O_EXCL).close()
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make the folder's entries durable: a flushed file in an unflushed folder is lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
