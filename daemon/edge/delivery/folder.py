"""A folder that other software watches: whole files only, named by UID, never one in the place of another."""

import errno
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daemon.core.errors import DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.values import ReportObject
from daemon.edge.durable import flush_folder
from daemon.edge.private import create

#: What a person must mend; the rest (no space, a share that is away) passes.
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
#: File systems without hard links (some shares) say one of these.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


@dataclass(frozen=True, slots=True, kw_only=True)
class DropFolder:
    """An existing folder; ours to add to, never to make: a share that is not mounted must not be written beside."""

    name: str
    path: Path


class FolderWriter:
    """Delivers each object as ``<SOP instance UID>.dcm``."""

    def __init__(self, folder: DropFolder) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        """How the configuration calls it."""
        return self._folder.name

    def deliver(self, report_object: ReportObject) -> str:
        """Write one object, durably and whole; the same content that lies there already is a delivery.

        Raises:
            DeliveryRefused: other content lies under the name, or the folder may not be written.
            DestinationUnreachable: the folder is not there, or is none.
            DeliveryFailed: the disk is full, or fails.
        """
        final = self._folder.path / f"{report_object.sop_instance_uid}.dcm"
        partial = final.with_name(f".{report_object.sop_instance_uid}.{secrets.token_hex(4)}.part")
        try:
            if os.path.lexists(final) or not _place(partial, final, report_object.payload):
                self._compare(final, report_object.payload)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DestinationUnreachable(
                f"{self.name} is no folder, or not there: mount or make {self._folder.path}"
            ) from error
        except OSError as error:
            if error.errno in _FORBIDDEN:
                raise DeliveryRefused(f"{self.name} may not be written: give us the right to, then requeue") from error
            raise DeliveryFailed(f"{self.name} cannot be written ({error.strerror})") from error
        finally:
            with suppress(OSError):  # the trouble above is the one to tell
                partial.unlink()
        return ""

    def _compare(self, final: Path, payload: bytes) -> None:
        try:
            found = final.lstat()  # a pipe would never end, nor would a link to a device
            same = stat.S_ISREG(found.st_mode) and found.st_size == len(payload) and final.read_bytes() == payload
        except FileNotFoundError as error:
            raise DeliveryFailed(f"{self.name}: what lay under this name was taken away just now") from error
        if not same:
            raise DeliveryRefused(f"{self.name} holds other content under this name: move it away, then requeue")


def _place(partial: Path, final: Path, content: bytes) -> bool:
    """Write beside the place and link it there; False where something lies by now, for the caller to compare.

    What was placed is not looked at again: whoever watches the folder may have taken it.
    """
    with create(partial) as file:
        # as its folder, who may read: other software, under another user, watches it
        os.fchmod(file.fileno(), 0o600 | final.parent.stat().st_mode & 0o044)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        final.hardlink_to(partial)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        partial.rename(final)
    flush_folder(final.parent)
    return True
