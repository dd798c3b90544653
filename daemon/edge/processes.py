"""Whether another process of this machine runs."""

import os


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
