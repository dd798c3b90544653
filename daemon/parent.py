"""What ``scanside run`` becomes once its configuration was read: the parent of a receiver and of a working half.

Whichever of the two ends is started again, for ever, after growing pauses; the other is left alone. The parent holds
the standard library alone, opens no file and waits for nothing but signals, so that no disk, database or peer can
hang or end it. Killed, it takes both along at once (``processes.end_with``): an orphan would keep port and spool from
the next start, and a service manager ends what is left of a service in any case.
"""

import argparse
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

from daemon.edge.child import Child, Pauses, now
from daemon.edge.processes import Begun
from daemon.edge.telemetry.log_pipe import LogPipe, say_to

#: A receiver that has listened is back at once, however often it is killed; a working half costs CPU to start.
_RECEIVER_PAUSES = Pauses(first_s=0.1, most_s=10.0, well_s=0.0)
_WORKING_PAUSES = Pauses(first_s=0.5, most_s=10.0, well_s=10.0)
_RECEIVER_GRACE_S, _WORKING_GRACE_S = 15.0, 25.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Supervise until SIGTERM or SIGINT (0), or until one of the two cannot begin as configured (1).

    SIGHUP goes on to the working half, which reads the configuration again.
    """
    parser = argparse.ArgumentParser(prog="daemon.parent")
    parser.add_argument("--no-receive", action="store_true")
    parser.add_argument("--no-work", action="store_true")
    parser.add_argument("--config")
    options = parser.parse_args(arguments)
    say = say_to(LogPipe(sys.stderr.fileno()))
    config = ["--config", options.config] if options.config else []
    work = ["run", *config, *(["--no-work"] if options.no_work else [])]
    working = Child("working half", lambda restarts: _command(work, restarts), _WORKING_PAUSES, say)
    receiver = Child("receiver", lambda restarts: _command(["receive", *config], restarts), _RECEIVER_PAUSES, say)
    told = _signals()
    try:
        children = {Begun.RECEIVER: receiver, Begun.WORKING_HALF: working}
        if options.no_receive:
            del children[Begun.RECEIVER]
        return _supervise(children, told)
    finally:
        working.stop(_WORKING_GRACE_S)
        receiver.stop(_RECEIVER_GRACE_S)  # receiving ends last


def _command(command: list[str], restarts: int) -> list[str]:
    return [sys.executable, "-m", "daemon", *command, "--parent", str(os.getpid()), "--restarts", str(restarts)]


def _signals() -> socket.socket:
    """Where the number of each signal that comes can be read; nothing else wakes the parent."""
    reading, writing = socket.socketpair()
    os.set_blocking(writing.fileno(), False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, *Begun):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    return reading


def _supervise(children: Mapping[Begun, Child], told: socket.socket) -> int:
    while True:
        able = [child.tend(now()) for child in children.values()]
        if not all(able):
            return 1
        waits = [wait for child in children.values() if (wait := child.wait_s(now())) is not None]
        readable, _, _ = select.select([told], [], [], min(waits, default=None))
        numbers = {*told.recv(4096)} if readable else set()
        if {signal.SIGTERM, signal.SIGINT} & numbers:
            return 0
        if signal.SIGHUP in numbers:
            children[Begun.WORKING_HALF].tell(signal.SIGHUP)
        for begun, child in children.items():
            if begun in numbers:
                child.note_begun(now())


if __name__ == "__main__":
    sys.exit(main())
