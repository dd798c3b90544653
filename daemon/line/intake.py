"""The receiver process: it receives, and does nothing else.

One busy Python thread beside it would cut its rate to a tenth, so it runs alone and imports nothing heavy.
"""

import os
import pickle
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pydicom.config
import structlog

from daemon.core.errors import SpoolError
from daemon.edge.receiving.listener import Listener
from daemon.edge.receiving.settings import ListenerSettings
from daemon.edge.receiving.status import ReceiverStatus, beat, write_status
from daemon.edge.spool.writer import SpoolSettings, SpoolWriter

#: A thread that computes hands over after so long, not after 5 ms: the others wait for it after each read and write.
_SWITCH_S = 0.0005
_STATUS_S = 1.0  # how old the status file may be


def receive(
    spool: SpoolSettings,
    listening: ListenerSettings,
    scanners: Collection[str] = (),
    begun: Callable[[], None] = lambda: None,
    restarts: int = 0,
) -> None:
    """Receive until SIGTERM or SIGINT; the bound port stands in the status file of the spool.

    Args:
        spool: Where the instances go.
        listening: Where to listen, and to whom.
        scanners: Calling AE titles of the site's scanners, which strangers cannot hold out.
        begun: Called once it listens.
        restarts: How often a receiver was started again before this one; the status says so.

    Raises:
        SpoolError: the spool cannot be used.
        ConfigError: the listener cannot be set up as configured, or another receiver uses the spool.
    """
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # its warnings quote what a peer sent
    sys.setswitchinterval(_SWITCH_S)
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    writer = SpoolWriter(spool)
    try:
        listener = Listener(listening, writer, scanners)
        begun()
        _watch(listener, spool.folder, stop, restarts)
    finally:
        writer.close()


def _watch(listener: Listener, folder: Path, stop: threading.Event, restarts: int) -> None:
    """Until told to stop, say how the listener is doing."""
    status = ReceiverStatus(pid=os.getpid(), port=listener.port, started_at=time.time(), restarts=restarts)
    structlog.get_logger().info("receiver_started", port=listener.port)
    try:
        written = _report(folder, status)
        while not stop.wait(_STATUS_S):
            if status.counts != listener.counts or not written:
                status = replace(status, counts=listener.counts)
                written = _report(folder, status, again=not written)
            written = _beat(folder) and written
            if not listener.alive:
                raise SpoolError("the listener has ended: see the log, then start the receiver again")
    finally:
        listener.close()
    _report(folder, replace(status, counts=listener.counts))
    structlog.get_logger().info("receiver_stopped")


def _report(folder: Path, status: ReceiverStatus, *, again: bool = False) -> bool:
    """Write the status file; on a full disk, or without its folder, that waits, for receiving must not."""
    try:
        write_status(folder, status)
    except OSError as error:
        if not again:
            structlog.get_logger().warning("status_not_written", error=error.strerror)
        return False
    return True


def _beat(folder: Path) -> bool:
    """Touch the status file; False where it is not there any more."""
    try:
        beat(folder)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    receive(*pickle.load(sys.stdin.buffer))  # noqa: S301 - written by our own parent
