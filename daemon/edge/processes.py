"""Processes of this machine: whether another runs, and whose end is ours as well."""

import ctypes
import os
import signal
from contextlib import suppress
from enum import IntEnum
from pathlib import Path

_PR_SET_PDEATHSIG = 1
#: mallopt(3): the most heaps that threads allocate from.
_M_ARENA_MAX, _HEAPS = -8, 2


def runs(pid: int) -> bool:
    """Whether another process has this id, of whatever user; who had our own number before us is gone."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


class Begun(IntEnum):
    """What a child sends its parent once it has begun its work."""

    RECEIVER = signal.SIGUSR1
    WORKING_HALF = signal.SIGUSR2


def go_first() -> None:
    """Let the kernel, short of memory, end us before it ends the receiver (proc(5), oom_score_adj)."""
    with suppress(OSError):  # no Linux, or forbidden: then it chooses by size, which is ours too
        Path("/proc/self/oom_score_adj").write_text("500")


def share_heaps() -> None:
    """Let all threads allocate from two heaps: each of their own keeps what it once held (glibc, mallopt(3))."""
    with suppress(AttributeError):  # another C library, with heaps of its own
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)


def end_with(parent: int, number: signal.Signals) -> None:
    """Let the kernel send us a signal when ``parent``, which started us, ends in whatever way (prctl(2), Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), number)
