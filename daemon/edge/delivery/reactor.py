"""pynetdicom's reactor, parked while we send: its own pause loses a response now and then.

An association's reactor thread says that it is paused just before it looks whether it has to pause. A sender that looks
between the two goes on, and the reactor takes the response off the queue: the sender waits for it until its timeout
(pynetdicom 3.0.4, some one in a thousand messages to a peer that answers within a millisecond).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom.association import Association

#: The reactor comes round every millisecond.
_ROUND_S = 0.02


class _Gate(threading.Event):
    """A checkpoint that stays closed while pynetdicom opens it after every message."""

    def set(self) -> None:
        """Stay closed."""

    def leave(self) -> None:
        """Open for good."""
        super().set()


@contextmanager
def parked_reactor(association: Association) -> Iterator[None]:
    """Keep the reactor of an established association out of the way; release and abort it afterwards, not within."""
    checkpoint, gate = association._reactor_checkpoint, _Gate()  # noqa: SLF001 - there is no public way
    association._reactor_checkpoint = gate  # noqa: SLF001
    time.sleep(_ROUND_S)
    try:
        yield
    finally:
        association._reactor_checkpoint = checkpoint  # noqa: SLF001
        checkpoint.set()
        gate.leave()
