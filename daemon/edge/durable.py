"""Files that are there whole or not at all."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from daemon.edge.private import create


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the place, flush, move there, flush the folder: a crash leaves the whole file or the one before.

    Only its owner may read it.
    """
    partial = path.with_suffix(".part")
    _write(partial, content)
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


@contextmanager
def drafted(files: Mapping[Path, bytes]) -> Iterator[Callable[[Callable[[], object]], None]]:
    """Files that lie flushed beside their places; what is yielded moves them there.

    It is told what to ask where a place is taken already: that raises if somebody else's file is to stay. Whoever is
    stopped on the way, for however long, replaces nothing afterwards without having asked.
    """
    token = secrets.token_hex(8)
    drafts = {path: path.with_name(f".{path.name}.{token}.part") for path in files}

    def place(ask: Callable[[], object]) -> None:
        for path, draft in drafts.items():
            _place(draft, path, ask)
        for folder in {path.parent for path in drafts}:
            flush_folder(folder)

    try:
        for path, content in files.items():
            _write(drafts[path], content, os.O_EXCL)
        yield place
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Make the folder's entries durable: a flushed file in an unflushed folder is lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes, flags: int = os.O_TRUNC) -> None:
    """A flushed file; its name is not durable yet."""
    with create(path, flags) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _place(draft: Path, path: Path, ask: Callable[[], object]) -> None:
    """Move a file to a free place at once, by a link: that fails where another lies, and where there are no links."""
    try:
        os.link(draft, path)
    except OSError:
        ask()
        draft.replace(path)
