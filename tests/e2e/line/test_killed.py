"""kill -9 of receiver, working half, parent and worker at random moments while a scanner pushes: nothing acknowledged
is lost or told twice.

``SCANSIDE_PUSHES`` and ``SCANSIDE_KILLS`` set how many series and kills there are at least (a short run by default),
``SCANSIDE_KILL_SEED`` the moments; ``SCANSIDE_KILL_DATABASE=postgresql`` takes another database than SQLite, with a
worker beside the daemon.
"""

import os
import random
import signal
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from archive import running_archive
from builders.peers.postgres import running_postgres
from builders.running.daemon import Daemon, running_daemon, start_beside, write_series
from pydicom import dcmread

PUSHES = int(os.environ.get("SCANSIDE_PUSHES", "6"))
SEED = int(os.environ.get("SCANSIDE_KILL_SEED", "1"))
POSTGRES = os.environ.get("SCANSIDE_KILL_DATABASE") == "postgresql"
KILLS = int(os.environ.get("SCANSIDE_KILLS", "0"))
PAUSES_S = (0.5, 5.0)
#: So often a daemon is left alone until it is ready; else the next kill may meet it at its start.
PATIENCE = 0.7
#: A scanner takes its time between two series; without it, two hundred are pushed within a handful of kills.
PACE_S = 2.0


class Worker:
    """A worker beside the daemon, started again whenever it was killed."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.start()

    def start(self) -> None:
        self._process = start_beside(self._daemon, self._daemon.config.with_name("worker.log"), "work")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Killer(threading.Thread):
    """Kills processes at random moments, and starts them again, as systemd would."""

    def __init__(self, daemon: Daemon, worker: Worker | None) -> None:
        super().__init__()
        self._daemon, self._worker = daemon, worker
        self._rng = random.Random(SEED)
        self.enough = threading.Event()
        self.kills = {"receiver": 0, "working half": 0, "parent": 0, "all": 0} | ({"worker": 0} if worker else {})

    @property
    def count(self) -> int:
        return sum(self.kills.values())

    def run(self) -> None:
        while not self.enough.wait(self._rng.uniform(*PAUSES_S)):
            victim = self._rng.choice(list(self.kills))
            self.kills[victim] += self._kill(victim)

    def _kill(self, victim: str) -> bool:
        """Whether there was one to kill."""
        if victim in {"receiver", "working half"}:
            return self._kill_child(victim)
        if victim == "worker":
            self._worker.kill()
            self._worker.start()
            return True
        if victim == "parent":  # its children end with it
            self._daemon.process.kill()
            self._daemon.process.wait()
        else:
            self._daemon.kill()
        self._daemon.start(ready=self._rng.random() < PATIENCE)
        return True

    def _kill_child(self, victim: str) -> bool:
        """Its parent starts it again."""
        daemon = self._daemon
        pid = daemon.living_receiver_pid() if victim == "receiver" else daemon.working_pid()
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True


def push_until_acknowledged(daemon: Daemon, files: list[Path], folder: Path) -> int:
    """Push, and after every failure go on with what was not acknowledged: nothing else covers up a loss."""
    left, tries = list(files), 0
    while left:
        waiting = folder / f"try-{tries}"
        waiting.mkdir()
        for path in left:
            (waiting / path.name).symlink_to(path)
        tries += 1
        acknowledged, sending = set(), ""
        for line in daemon.push(waiting, "-v").stderr.splitlines():
            if "Sending file:" in line:
                sending = Path(line.split("Sending file:")[1].strip()).name
            elif "Received Store Response (Success)" in line:
                acknowledged.add(sending)
        left = [path for path in left if path.name not in acknowledged]
        if left:
            time.sleep(0.5)
    return tries


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory, record_testsuite_property):
    """Everything pushed while the killer was at work, and everything answered after it stopped."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "archive").mkdir()
    with ExitStack() as stack:
        database = f'database = "{stack.enter_context(running_postgres()).database()}"\n' if POSTGRES else ""
        archive = stack.enter_context(running_archive(folder / "archive"))
        extra = f"{database}[completion]\nquiet_s = 2.0\n[work]\nsilence_s = 10.0"
        daemon = stack.enter_context(running_daemon(folder, archive, extra))
        worker = Worker(daemon) if POSTGRES else None
        if worker:
            stack.callback(worker.kill)
        killer, pushed, tries = Killer(daemon, worker), {}, 0
        killer.start()
        try:
            while len(pushed) < PUSHES or killer.count < KILLS:
                assert killer.is_alive()
                number = len(pushed)
                uid, files = write_series(folder / f"series-{number}", number, f"killed {SEED}")
                (folder / f"push-{number}").mkdir()
                tries += push_until_acknowledged(daemon, files, folder / f"push-{number}")
                pushed[uid] = len(files)
                time.sleep(PACE_S)
        finally:
            killer.enough.set()
            killer.join()
        daemon.wait_until_ready()
        records = settled(daemon, pushed, 600 + 2 * len(pushed))
        record_testsuite_property("killed", f"{len(pushed)} series in {tries} pushes, kills {killer.kills}")
        yield killer, pushed, records, archive


def settled(daemon: Daemon, pushed: dict[str, int], seconds: float) -> list[dict]:
    """All records, once every series is whole and every revision is done."""
    deadline = time.monotonic() + seconds
    records: list[dict] = []
    while time.monotonic() < deadline:
        records = daemon.known()
        whole = {r["series"] for r in records if r["images"] == pushed.get(r["series"])}
        if whole == set(pushed) and all(r["state"] == "DONE" for r in records):
            return records
        time.sleep(1)
    return records


def test_the_killer_did_its_work(aftermath):
    killer, _, _, _ = aftermath

    assert killer.count >= max(KILLS, PUSHES // 6)


def test_every_acknowledged_image_is_in_the_newest_verdict_of_its_series(aftermath):
    _, pushed, records, _ = aftermath
    newest = {r["series"]: r["images"] for r in sorted(records, key=lambda r: r["revision"])}

    assert pushed == newest
    assert {"DONE"} == {r["state"] for r in records}


def test_every_report_is_in_the_archive_once(aftermath):
    _, _, records, archive = aftermath

    assert 2 * len(records) == archive.counts()[3]
    assert len(records) == len({dcmread(r["sr"]).SOPInstanceUID for r in records})
    for record in records:
        assert archive.instance(dcmread(record["sr"]).SOPInstanceUID)
