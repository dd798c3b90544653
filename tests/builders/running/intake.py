"""Receiving as the daemon does it, up to the complete series: a receiver process, the spool, assembly."""

import time
from pathlib import Path
from typing import Self

from builders.peers.receiver import Receiver
from builders.running.assembly import assembled
from daemon.core.reception.completion import Completion, Patience
from daemon.core.values import Series
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_database

_IDLE_S = 0.02  # as in daemon.app


class Intake:
    """Everything from the network to complete series; ``closed`` are all of them in order."""

    def __init__(self, folder: Path, **patience: float) -> None:
        self.folder, self.patience = folder, Patience(**patience)
        self.receiver = Receiver(folder / "spool")
        self.closed: list[Series] = []
        self.closed_at: dict[str, float] = {}  # when each series was last told to be complete, on the wall clock
        self.start()

    @property
    def port(self) -> int:
        return self.receiver.port

    def start(self) -> None:
        """Begin, or begin again after a restart of the daemon."""
        self.engine = open_database(f"sqlite:///{self.folder}/scanside.sqlite")
        self.index = Index(self.engine, b"key")
        self.completion = Completion(self.patience)
        self.assembly = assembled(self.folder / "spool", self.index, self.completion)
        self.assembly.restore(time.time())

    def restart(self) -> None:
        """End the daemon's half and begin it again."""
        self.engine.dispose()
        self.start()

    def run(self, count: int = 0, seconds: float = 120.0, *, idle: float = 0.0) -> list[Series]:
        """Until ``count`` series (or revisions) were closed in all and nothing happened for ``idle`` seconds."""
        deadline, quiet = time.monotonic() + seconds, time.monotonic()
        while len(self.closed) < count or time.monotonic() - quiet < idle:
            assert time.monotonic() < deadline, (len(self.closed), self.assembly.incoming)
            read, closed = self.assembly.turn(time.time())
            self.closed += closed
            self.closed_at |= {series.series_instance_uid: time.time() for series in closed}
            if read or closed:
                quiet = time.monotonic()
            else:
                time.sleep(_IDLE_S)
        return self.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.engine.dispose()
        self.receiver.__exit__(*failure)
