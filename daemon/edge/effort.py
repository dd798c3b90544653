"""What a thread was given to work with: a busy host takes wall time from it, but no CPU seconds."""

import threading
import time


class Effort:
    """Counts from its making, for the thread that makes it; any thread may read it."""

    def __init__(self) -> None:
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._cpu_s = time.clock_gettime(self._clock)
        self._wall_s = time.monotonic()

    @property
    def cpu_s(self) -> float:
        """CPU seconds since; none where the thread has ended."""
        try:
            return time.clock_gettime(self._clock) - self._cpu_s
        except OSError:
            return 0.0

    @property
    def wall_s(self) -> float:
        """Seconds since."""
        return time.monotonic() - self._wall_s
