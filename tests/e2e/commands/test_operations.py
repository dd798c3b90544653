"""What an operator does to a running daemon: give it another configuration, take a copy of it, go on from the copy."""

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from archive import Archive, free_port, running_archive
from builders.images.phantoms import series, volume
from builders.peers.postgres import Server
from builders.running.daemon import CHEAP, SCANSIDE, running_daemon, wait_until, write_files, write_series
from pydicom import dcmread

BACKUP = Path(__file__).parents[3] / "deploy" / "backup.sh"
PATIENCE_S = 300


@pytest.fixture
def daemon(tmp_path):
    with running_daemon(tmp_path, extra=CHEAP, ready=False) as running:
        running.wait_until_ready(PATIENCE_S)
        yield running


def log(daemon):
    return daemon.config.with_name("daemon.log").read_text()


def words(daemon):
    """The page's words; nothing while the page is away."""
    try:
        return daemon.get("words.js")
    except OSError:
        return b""


def reload(daemon, before, after):
    """Another configuration, and the signal that `systemctl reload` sends."""
    daemon.config.write_text(daemon.config.read_text().replace(before, after, 1))
    daemon.process.send_signal(signal.SIGHUP)


def test_a_new_configuration_is_taken_up_without_a_scanner_noticing_and_a_bad_one_is_not(daemon, tmp_path):
    receiver, working = daemon.receiver_pid(), daemon.working_pid()
    reload(daemon, "scanners", 'language = "de"\nscanners')
    wait_until(lambda: "language: " in log(daemon), PATIENCE_S)
    wait_until(lambda: b'"de"' in words(daemon), PATIENCE_S)
    daemon.wait_until_ready(PATIENCE_S)
    uid, files = write_series(tmp_path / "series", 1, "reloaded")
    daemon.push(files[0].parent)

    assert len(files) == daemon.done(uid, seconds=PATIENCE_S)["images"]
    assert "language: en -> de" in log(daemon)
    reload(daemon, '"de"', '"nonsense"')
    wait_until(lambda: "configuration_refused" in log(daemon), PATIENCE_S)
    assert b'"de"' in words(daemon)
    assert (receiver, working) == (daemon.receiver_pid(), daemon.working_pid())
    assert 0 == daemon.stop()


@dataclass
class Database:
    """SQLite in the storage folder, which backup.sh copies; or PostgreSQL, copied by its own programs before."""

    server: Server | None = None
    url: str = ""

    def dump(self, file):
        if self.server:
            self._run("pg_dump", "--format=custom", f"--file={file}", self.url)

    def restore(self, file):
        """Into another database, as on another machine."""
        if self.server:
            self.url = self.server.database()
            self._run("pg_restore", "--exit-on-error", f"--dbname={self.url}", file)

    def _run(self, program, *options):
        subprocess.run([self.server.programs / program, *options], check=True, capture_output=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    if request.param == "sqlite":
        return Database()
    server = request.getfixturevalue("server")
    return Database(server, server.database())


def card_of(daemon, protocol):
    """What the page shows of a series."""
    cards = json.loads(daemon.get("cards?scanner=Trio"))["cards"]
    return next(card for card in cards if card["description"] == protocol)


def give_answer(daemon, card):
    """Answer a verdict as the page does."""
    sent = json.dumps({"choice": "accepted", "revision": card["revision"], "reason": "cough"}).encode()
    headers = {"Content-Type": "application/json", "X-Scanside-Token": json.loads(daemon.get("me"))["token"]}
    url = f"http://127.0.0.1:{daemon.web_port}/cards/{card['card_id']}/answer"
    with urllib.request.urlopen(urllib.request.Request(url, sent, headers), timeout=30) as answer:
        assert {"kept": True} == json.loads(answer.read())


def write_phantom(folder, name):
    """A series of one exam; its UID."""
    files = write_files(folder, series(volume(3), name, study="1.2.3"))
    return str(dcmread(files[0]).SeriesInstanceUID)


def received(daemon):
    counted = [line.split()[1] for line in daemon.metrics() if line.startswith("scanside_instances_received_total{")]
    return sum(map(float, counted))


def test_a_copy_taken_while_images_come_in_has_every_verdict_and_answer_and_what_is_still_owed(database, tmp_path):
    """The archive is away until the daemon goes on from the copy, whose database is another one."""
    away, storage, copy = Archive(free_port(), free_port()), tmp_path / "storage", tmp_path / "copy"
    first, second = (write_phantom(tmp_path / name, name) for name in ("before", "meanwhile"))
    with running_daemon(tmp_path, away, f'{CHEAP}\ndatabase = "{database.url}"') as daemon:
        daemon.push(tmp_path / "before")
        wait_until(lambda: daemon.known() and daemon.known()[0]["verdict"], PATIENCE_S)
        give_answer(daemon, card_of(daemon, "before"))
        (before,), answer = daemon.known(), card_of(daemon, "before")["answer"]
        report, images = Path(before["sr"]).read_bytes(), received(daemon)
        push = [*SCANSIDE, "push", "--config", daemon.config, "--calling", "MR1", "--rate", "2", tmp_path / "meanwhile"]
        pushing = subprocess.Popen(push)
        wait_until(lambda: received(daemon) > images, PATIENCE_S)
        database.dump(tmp_path / "dump")
        python = {"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"}
        subprocess.run(["sh", BACKUP, storage, copy], check=True, env=python)
        pushing.wait(PATIENCE_S)
        daemon.kill()
        shutil.rmtree(storage)
        copy.rename(storage)
        lost = database.url
        database.restore(tmp_path / "dump")
        daemon.config.write_text(daemon.config.read_text().replace(f'"{lost}"', f'"{database.url}"', 1))
        (tmp_path / "archive").mkdir()
        with running_archive(tmp_path / "archive", away) as archive:
            daemon.start(ready=False)
            daemon.wait_until_ready(PATIENCE_S)
            after = daemon.done(first, seconds=PATIENCE_S)

            assert [before[name] for name in ("verdict", "reasons", "sr")] == [
                after[name] for name in ("verdict", "reasons", "sr")
            ]
            assert answer == card_of(daemon, "before")["answer"]
            sr = dcmread(Path(before["sr"]))
            assert sr.SOPInstanceUID in archive.order()
            assert report == Path(after["sr"]).read_bytes()
            daemon.push(tmp_path / "meanwhile")  # as the scanner, or the archive, sends again what came after the copy
            wait_until(
                lambda: any(one["series"] == second and one["images"] == 14 for one in daemon.known()), PATIENCE_S
            )
            newest = max(one["revision"] for one in daemon.known() if one["series"] == second)
            assert 14 == daemon.done(second, newest, PATIENCE_S)["images"]
    assert [] == [path for path in storage.rglob("*") if path.stat().st_mode & 0o077]
