"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, on a free port of this host only."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest
from archive import free_port

VERSIONS = Path("/usr/lib/postgresql")


@dataclass(slots=True)
class Server:
    """A running server, which can be stopped and started again; each ``database`` is a new one."""

    port: int
    programs: Path
    folder: Path
    user: str | None
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=count)

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"scanside_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql://tester@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str, database: str = "postgres") -> str:
        """The first value of its answer as text; nothing where it has none."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="tester", dbname=database, autocommit=True
        ) as connection:
            found = connection.execute(statement)
            return str(found.fetchone()[0]) if found.description else ""

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        cluster = ["-D", self.folder / "cluster", "-p", self.port, "-h", "127.0.0.1", "-k", self.folder, "-F"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in (self.programs / "postgres", *cluster)],
                user=self.user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        _wait(self, self._process, self.folder)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # a fast shutdown: does not wait for clients
            self._process.wait(120)
            self._process = None


@contextmanager
def running_postgres() -> Iterator[Server]:
    """Make a cluster, start it as a user who is not root, and stop it by its process."""
    found = sorted(VERSIONS.glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    programs = found[-1].parent
    folder, user = Path(tempfile.mkdtemp(prefix="scanside-postgres-", dir="/tmp")), _unprivileged()
    try:
        if user:
            shutil.chown(folder, user)
        made = [programs / "initdb", "-D", folder / "cluster", "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(list(map(str, made)), user=user, cwd=folder, check=True, capture_output=True)
        server = Server(free_port(), programs, folder, user)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _wait(server: Server, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Until it takes connections; half a minute is far more than it ever needs."""
    ready = [server.programs / "pg_isready", "-h", "127.0.0.1", "-p", server.port]
    for _ in range(300):
        assert process.poll() is None, (folder / "log").read_text()
        if subprocess.run(list(map(str, ready)), capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    pytest.fail("PostgreSQL does not answer")


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root; its package brings a user of its own."""
    if os.getuid() != 0:
        return None
    return pwd.getpwnam("postgres").pw_name
