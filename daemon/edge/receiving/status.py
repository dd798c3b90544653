"""How the receiver is doing, told to the other processes through one small file in the spool."""

import json
import os
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from daemon.core.errors import SpoolError
from daemon.edge.private import create
from daemon.edge.processes import runs

STATUS = "receiver.json"

_SILENT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerCounts:
    """What the listener has seen since it started; only ``active`` goes down as well as up.

    ``connections`` counts TCP connections; ``turned_away`` those closed before a word: address not allowed, too many,
    no TLS; ``rejected`` A-ASSOCIATE-RJ; ``released`` and ``aborted`` how accepted associations ended; ``instances``
    and ``bytes`` what was acknowledged; ``steps`` reports of procedure steps that were; ``write_failures`` what the
    disk did not take; ``faults`` our own unexpected errors.
    """

    connections: int = 0
    turned_away: int = 0
    rejected: int = 0
    accepted: int = 0
    active: int = 0
    released: int = 0
    aborted: int = 0
    echoes: int = 0
    steps: int = 0
    instances: int = 0
    bytes: int = 0
    write_failures: int = 0
    faults: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverStatus:
    """One look at the receiver: where it listens and what it has counted.

    ``restarts``: how often its parent has started a receiver again.
    """

    pid: int
    port: int
    started_at: float
    restarts: int = 0
    counts: ListenerCounts = field(default_factory=ListenerCounts)


class Counters:
    """Counts from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = ListenerCounts()

    @property
    def counts(self) -> ListenerCounts:
        """The counts at this moment."""
        return self._counts

    def add(self, **changes: int) -> None:
        """Add to the counts named."""
        with self._lock:
            sums = {name: getattr(self._counts, name) + change for name, change in changes.items()}
            self._counts = replace(self._counts, **sums)


def write_status(folder: Path, status: ReceiverStatus) -> None:
    """Replace the status file; a reader sees the old one or the new one."""
    draft = folder / f"{STATUS}.new"
    with create(draft) as file:
        file.write(json.dumps(asdict(status)).encode())
    draft.replace(folder / STATUS)


def read_status(folder: Path) -> ReceiverStatus | None:
    """The latest status; None where no receiver has ever run.

    Raises:
        SpoolError: the file is damaged.
    """
    try:
        status = json.loads((folder / STATUS).read_text())
        return ReceiverStatus(**status | {"counts": ListenerCounts(**status["counts"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise SpoolError(
            f"the spool's file '{STATUS}' is damaged: restart the receiver, which writes it anew"
        ) from error


def beat(folder: Path) -> None:
    """Touch the status file: its writer lives. It takes no room: a full disk is not to look like a dead receiver."""
    now = time.time()
    os.utime(folder / STATUS, (now, now))


def running_pid(folder: Path, status: ReceiverStatus | None) -> int | None:
    """The process id of the receiver that wrote ``status``, whoever started it; None while none runs, or it hangs."""
    try:
        silent_s = abs(time.time() - (folder / STATUS).stat().st_mtime)  # either way, where the clock was set
    except OSError:
        return None
    return status.pid if status is not None and silent_s < _SILENT_S and runs(status.pid) else None
