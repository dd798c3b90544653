"""kill -9 of receiver and daemon at random moments while a scanner pushes: nothing acknowledged is lost or told twice.

``SCANSIDE_PUSHES`` sets the number of series (a short run by default), ``SCANSIDE_KILL_SEED`` the moments,
``SCANSIDE_KILL_DATABASE=postgresql`` another database than SQLite.
"""

import os
import random
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from archive import running_archive
from builders_daemon import Daemon, running_daemon, write_series
from builders_postgres import running_postgres
from pydicom import dcmread

PUSHES = int(os.environ.get("SCANSIDE_PUSHES", "6"))
SEED = int(os.environ.get("SCANSIDE_KILL_SEED", "1"))
PAUSES_S = (1.0, 6.0)
#: A scanner takes its time between two series; without it, two hundred are pushed within a handful of kills.
PACE_S = 2.0


class Killer(threading.Thread):
    """Kills the receiver, the daemon or both at random moments, and starts the daemon again, as systemd would."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__()
        self._daemon = daemon
        self._rng = random.Random(SEED)
        self.enough = threading.Event()
        self.kills = {"receiver": 0, "daemon": 0, "both": 0}

    def run(self) -> None:
        while not self.enough.wait(self._rng.uniform(*PAUSES_S)):
            victim = self._rng.choice(list(self.kills))
            self.kills[victim] += 1
            if victim == "receiver":
                self._kill_receiver()
                continue
            if victim == "daemon":
                os.kill(self._daemon.process.pid, signal.SIGKILL)
                self._daemon.process.wait()
            else:
                self._daemon.kill()
            self._daemon.start()

    def _kill_receiver(self) -> None:
        try:
            os.kill(self._daemon.receiver_pid(), signal.SIGKILL)
        except ProcessLookupError:  # it has just died with its daemon
            self.kills["receiver"] -= 1


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
        database = ""
        if os.environ.get("SCANSIDE_KILL_DATABASE") == "postgresql":
            database = f'database = "{stack.enter_context(running_postgres()).database()}"\n'
        archive = stack.enter_context(running_archive(folder / "archive"))
        daemon = stack.enter_context(running_daemon(folder, archive, f"{database}[completion]\nquiet_s = 2.0"))
        killer, pushed, tries = Killer(daemon), {}, 0
        killer.start()
        try:
            for number in range(PUSHES):
                uid, files = write_series(folder / f"series-{number}", number, f"killed {SEED}")
                (folder / f"push-{number}").mkdir()
                tries += push_until_acknowledged(daemon, files, folder / f"push-{number}")
                pushed[uid] = len(files)
                time.sleep(PACE_S)
        finally:
            killer.enough.set()
            killer.join()
        records = settled(daemon, pushed)
        record_testsuite_property("killed", f"{PUSHES} series in {tries} pushes, kills {killer.kills}")
        yield killer, pushed, records, archive


def settled(daemon: Daemon, pushed: dict[str, int], seconds: float = 600) -> list[dict]:
    """All records, once every series is whole and every revision is done."""
    deadline = time.monotonic() + seconds
    records: list[dict] = []
    while time.monotonic() < deadline:
        records = daemon.series()
        whole = {r["series"] for r in records if r["images"] == pushed.get(r["series"])}
        if whole == set(pushed) and all(r["state"] == "DONE" for r in records):
            return records
        time.sleep(1)
    return records


def test_the_killer_did_its_work(aftermath):
    killer, _, _, _ = aftermath

    assert sum(killer.kills.values()) >= PUSHES // 6


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
