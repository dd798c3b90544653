"""The receiver as a child process: started, watched, started again when it dies, stopped in the end.

Or as a process of its own, that others start and this one only looks at.
"""

import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence

import structlog

from daemon.edge.processes import runs
from daemon.edge.receiver_status import ReceiverStatus

#: So many deaths within so many seconds, and it is left dead: something outside must be mended first.
_DEATHS_MAX, _WINDOW_S = 5, 60.0
_PAUSE_S, _GRACE_S = 0.5, 15.0

_log = structlog.get_logger()


def standing_receiver(status: ReceiverStatus | None) -> int | None:
    """The process id of the receiver that wrote ``status``, whoever started it; None while none runs."""
    return status.pid if status is not None and runs(status.pid) else None


class ReceiverProcess:
    """Runs ``command`` in a process of its own until ``stop``."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._deaths: deque[float] = deque(maxlen=_DEATHS_MAX)
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._process = subprocess.Popen(self._command)  # noqa: S603 - our own interpreter and module
        self._watch = threading.Thread(target=self._keep, name="receiver-watch", daemon=True)
        self._watch.start()

    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        process = self._process
        return process.pid if process.poll() is None else None

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        with self._starting:  # not while another is being started in its place
            self._stopping.set()
        self._process.terminate()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._watch.join()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            code = self._process.wait()
            if self._stopping.is_set():
                return
            _log.error("receiver_died", exit_code=code)
            self._deaths.append(time.monotonic())
            if len(self._deaths) == _DEATHS_MAX and self._deaths[-1] - self._deaths[0] < _WINDOW_S:
                _log.error("receiver_given_up", attempts=_DEATHS_MAX)
                return
            self._stopping.wait(_PAUSE_S)
            with self._starting:
                if not self._stopping.is_set():
                    self._process = subprocess.Popen(self._command)  # noqa: S603 - as above
