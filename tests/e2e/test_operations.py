"""What an operator does to a running daemon: give it another configuration, take a copy of it, go on from the copy."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from builders.daemon import SCANSIDE, running_daemon, wait_until, write_series

BACKUP = Path(__file__).parents[2] / "deploy" / "backup.sh"
PATIENCE_S = 300


@pytest.fixture
def daemon(tmp_path):
    with running_daemon(tmp_path, ready=False) as running:
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


def test_a_copy_taken_while_images_come_in_is_enough_to_go_on_from(daemon, tmp_path):
    first, files = write_series(tmp_path / "first", 1, "before")
    daemon.push(files[0].parent)
    verdict = daemon.done(first, seconds=PATIENCE_S)["verdict"]
    second, more = write_series(tmp_path / "second", 2, "meanwhile")
    pushing = subprocess.Popen(
        [*SCANSIDE, "push", "--config", daemon.config, "--calling", "MR1", "--rate", "2", more[0].parent]
    )
    wait_until(lambda: any(line.startswith("scanside_instances_received_total{") for line in daemon.metrics()))
    storage, copy = tmp_path / "storage", tmp_path / "copy"
    subprocess.run(["sh", BACKUP, storage, copy], check=True, env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"})
    pushing.wait(PATIENCE_S)
    daemon.kill()
    shutil.rmtree(storage)
    copy.rename(storage)
    daemon.start(ready=False)
    daemon.wait_until_ready(PATIENCE_S)

    assert verdict == daemon.done(first, seconds=PATIENCE_S)["verdict"]
    daemon.push(more[0].parent)  # as the scanner, or the archive, sends again what came after the copy
    wait_until(
        lambda: any(one["series"] == second and one["images"] == len(more) for one in daemon.known()), PATIENCE_S
    )
    newest = max(one["revision"] for one in daemon.known() if one["series"] == second)
    assert len(more) == daemon.done(second, newest, PATIENCE_S)["images"]
    assert [] == [path for path in storage.rglob("*") if path.stat().st_mode & 0o077]
