"""The receiver process: it receives, and does nothing else.

One busy Python thread beside it would cut its rate to a tenth, so it runs alone and imports nothing heavy.
"""

import os
import pickle
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pydicom.config
import structlog

from daemon.core.errors import SpoolError
from daemon.edge.listener import Listener, ListenerSettings
from daemon.edge.receiver_status import ReceiverStatus, beat, write_status
from daemon.edge.spool_writer import SpoolSettings, SpoolWriter

_STATUS_S = 1.0  # how old the status file may be


def receive(spool: SpoolSettings, listening: ListenerSettings, restarts: int = 0) -> None:
    """Receive until SIGTERM or SIGINT; the bound port stands in the status file of the spool.

    Args:
        spool: Where the instances go.
        listening: Where to listen, and to whom.
        restarts: How often a receiver was started again before this one; the status says so.

    Raises:
        SpoolError: the spool cannot be used.
        ConfigError: the listener cannot be set up as configured, or another receiver uses the spool.
    """
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # its warnings quote what a peer sent
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    writer = SpoolWriter(spool)
    try:
        _listen(writer, spool.folder, listening, stop, restarts)
    finally:
        writer.close()


def _listen(
    writer: SpoolWriter, folder: Path, listening: ListenerSettings, stop: threading.Event, restarts: int
) -> None:
    listener = Listener(listening, writer)
    status = ReceiverStatus(pid=os.getpid(), port=listener.port, started_at=time.time(), restarts=restarts)
    structlog.get_logger().info("receiver_started", port=listener.port)
    try:
        _report(folder, status)
        while not stop.wait(_STATUS_S):
            if status.counts != listener.counts:
                status = replace(status, counts=listener.counts)
                _report(folder, status)
            with suppress(OSError):  # no folder, no status; ``_report`` says so
                beat(folder)
            if not listener.alive:
                raise SpoolError("the listener has ended: see the log, then start the receiver again")
    finally:
        listener.close()
    _report(folder, replace(status, counts=listener.counts))
    structlog.get_logger().info("receiver_stopped")


def _report(folder: Path, status: ReceiverStatus) -> None:
    """Write the status file; on a full disk that waits, for receiving must not."""
    try:
        write_status(folder, status)
    except OSError as error:
        structlog.get_logger().warning("status_not_written", error=error.strerror)


if __name__ == "__main__":
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    receive(*pickle.load(sys.stdin.buffer))  # noqa: S301 - written by our own parent
