"""Who works on this database: each process beats, and each sees by itself who has fallen silent.

No clocks are compared: a worker is silent when its count of beats has not changed for some seconds of the observer's
own clock. A process that ended on the observer's own machine is known at once.
"""

import hashlib
import os
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from daemon.edge.database import schema
from daemon.edge.processes import runs

_TABLE = schema.workers


class Roster:
    """This process among the workers; ``silence_s``: how long one may be silent before it counts as lost."""

    def __init__(self, engine: sa.Engine, silence_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._silence_s = silence_s
        self._now = now
        self._machine = machine()
        self._heard: dict[str, tuple[int, float]] = {}
        self._looked_at = now()
        self._looks = True
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"

    def enter(self) -> None:
        """Join."""
        row = {"worker": self.worker, "machine": self._machine, "pid": os.getpid(), "beats": 0}
        with self._engine.begin() as connection:
            connection.execute(sa.insert(_TABLE), row)

    def beat(self) -> bool:
        """Say that we live; False if the others have given us up, and taken over what we had."""
        if not self._looks:  # the database went away in the last turn
            self._heard.clear()
        self._looks = False
        ours = sa.update(_TABLE).where(_TABLE.c.worker == self.worker).values(beats=_TABLE.c.beats + 1)
        with self._engine.begin() as connection:
            return connection.execute(ours).rowcount > 0

    def leave(self) -> None:
        """Go; what is left undone is for the others at once."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_TABLE).where(_TABLE.c.worker == self.worker))

    def living(self) -> set[str]:
        """Everybody who is not lost, ourselves among them; those who are lost leave the roster.

        While we could not look ourselves, nobody was silent: when a database comes back, all may beat again first.
        """
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(_TABLE)).mappings().all()
        if self._now() - self._looked_at > self._silence_s:
            self._heard.clear()
        self._looked_at, self._looks = self._now(), True
        lost = {row["worker"] for row in rows if self._lost(row)}
        if lost:
            with self._engine.begin() as connection:
                connection.execute(sa.delete(_TABLE).where(_TABLE.c.worker.in_(lost)))
        return {row["worker"] for row in rows} - lost

    def _lost(self, row: sa.RowMapping) -> bool:
        worker, now = row["worker"], self._now()
        if worker == self.worker:
            return False
        if row["machine"] == self._machine and not runs(row["pid"]):
            return True
        beats, since = self._heard.get(worker, (None, now))
        if beats != row["beats"]:
            since = now
        self._heard[worker] = (row["beats"], since)
        return now - since > self._silence_s


def machine() -> str:
    """Where process ids mean the same: host name, boot and process namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    here = f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    return hashlib.sha256(here.encode()).hexdigest()[:16]
