"""What is kept names patients: files 0600 and folders 0700, whatever the umask, also those of an older version."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from daemon.core.errors import ConfigError

_FILE: Final = 0o600
_FOLDER: Final = 0o700
_OTHERS: Final = 0o077
_LOCK: Final = "daemon.lock"
#: What Scanside keeps in its storage folder; nothing else in there is touched.
_KEPT: Final = ("spool", "reports", "site.key", "references*.json", "harm-*", "artefacts-*", "scanside.sqlite*")


def begin_private() -> None:
    """Let nothing that this process makes be readable by others: libraries make files, too."""
    os.umask(_OTHERS)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, if they are not there yet."""
    path.mkdir(mode=_FOLDER, parents=True, exist_ok=True)


def create(path: Path, flags: int = os.O_TRUNC) -> BinaryIO:
    """Open a file for writing that only its owner may read, new or not."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, _FILE)
    try:
        os.fchmod(descriptor, _FILE)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "wb")


@contextmanager
def alone(storage: Path) -> Iterator[None]:
    """As the one daemon of a storage folder; workers and commands may be beside it.

    Raises:
        ConfigError: another one is there.
    """
    told = f"another daemon is using {storage}: stop it, configure another `storage`, or run `scanside work` beside it"
    with held(storage / _LOCK, told):
        yield


@contextmanager
def held(path: Path, otherwise: str) -> Iterator[None]:
    """With the lock of a file, which ends with the process, however that ends.

    Raises:
        ConfigError: another process has it, in the words of ``otherwise``.
    """
    with create(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(otherwise) from error
        yield


def claim_storage(storage: Path) -> None:
    """Make the storage folder, or take from all others the rights that an older version left them in it.

    A folder that everybody may write to (sticky, as /tmp) belongs to others as well, and keeps its own mode.
    """
    make_folder(storage)
    tightened = sum(_tighten(path) for path in exposed(storage))
    if tightened:
        structlog.get_logger().warning("storage_tightened", files=tightened)


def exposed(storage: Path) -> Iterator[Path]:
    """What is kept in ``storage`` and others than its owner have a right to: empty where all is well."""
    if not storage.stat().st_mode & stat.S_ISVTX:
        yield from _open_to_others(storage)
    for path in (path for pattern in _KEPT for path in storage.glob(pattern)):
        yield from _open_to_others(path)
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                yield from _open_to_others(Path(folder, name))


def _open_to_others(path: Path) -> Iterator[Path]:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:  # retention, or the receiver, was faster
        return
    if mode & _OTHERS and not stat.S_ISLNK(mode):
        yield path


def _tighten(path: Path) -> bool:
    try:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
    except FileNotFoundError:
        return False
    except OSError as error:
        structlog.get_logger().error("storage_open_to_others", detail=error.strerror)
        return False
    return True
