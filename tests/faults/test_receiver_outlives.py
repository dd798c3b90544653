"""The receiver outlives everything beside it, and whatever ends is started again.

``SCANSIDE_KILLS`` sets how often the working half and the receiver are killed (a short run by default),
``SCANSIDE_KILL_SEED`` the moments.
"""

import os
import random
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from archive import free_port
from builders.peers.peer import Peer, mr_bytes
from builders.running.daemon import SCANSIDE, Daemon, running_daemon, wait_until
from builders.running.spool import events

from daemon.core.values import Arrival
from daemon.edge.processes import runs

KILLS = int(os.environ.get("SCANSIDE_KILLS", "4"))
SEED = int(os.environ.get("SCANSIDE_KILL_SEED", "1"))
SENDERS = 4
BACK_S = 5.0


class Sender(threading.Thread):
    """One association that stores instance after instance until told to release it; ``cut`` if it was not to."""

    def __init__(self, port: int, number: int) -> None:
        super().__init__()
        self._port, self._number = port, number
        self.enough = threading.Event()
        self.acknowledged: list[str] = []
        self.cut = True

    def run(self) -> None:
        content = mr_bytes(self._number, 32)
        with suppress(OSError, AssertionError), Peer(self._port) as peer:
            peer.associate()
            while not self.enough.is_set():
                uid = f"1.2.{self._number}.{len(self.acknowledged)}"
                if peer.store(uid, content) != 0x0000:
                    return
                self.acknowledged.append(uid)
                time.sleep(0.05)  # a scanner's pace: the kills are to meet them all
            peer.release()
            self.cut = False


@pytest.fixture
def daemon(tmp_path):
    with running_daemon(
        tmp_path, extra="[spool]\nfree_bytes_min = 0\nused_fraction_max = 1.0", options=("--no-work",)
    ) as running:
        yield running


def kill(pid: int | None) -> bool:
    """Whether there was one to kill."""
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return True


def test_no_association_is_cut_however_often_the_working_half_is_killed(daemon):
    rng = random.Random(SEED)
    senders = [Sender(daemon.dicom_port, number) for number in range(SENDERS)]
    receiver = daemon.living_receiver_pid()
    for sender in senders:
        sender.start()
    killed = 0
    while killed < KILLS:
        time.sleep(rng.uniform(0.0, 2.0))
        killed += kill(daemon.working_pid())
    for sender in senders:
        sender.enough.set()
    for sender in senders:
        sender.join()

    assert [False] * SENDERS == [sender.cut for sender in senders]
    assert receiver == daemon.living_receiver_pid()
    acknowledged = {uid for sender in senders for uid in sender.acknowledged}
    stored = {e.sop_instance_uid for e in events(daemon.config.parent / "storage" / "spool") if isinstance(e, Arrival)}
    assert acknowledged == stored
    daemon.wait_until_ready()
    assert any(line == f'scanside_restarts_total{{process="working_half"}} {killed}.0' for line in daemon.metrics())


def test_the_receiver_is_back_however_often_it_is_killed(daemon):
    rng = random.Random(SEED)
    working, away_s = daemon.working_pid(), []
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.0, 2.0))
        kill(daemon.living_receiver_pid())
        began = time.monotonic()
        wait_until(lambda: answers(daemon))
        away_s.append(time.monotonic() - began)
    print(f"away for {max(away_s):.2f} s at most, {sum(away_s) / len(away_s):.2f} s on average")  # noqa: T201 - with -s

    assert [] == [seconds for seconds in away_s if KILLS > 20 and seconds > BACK_S]
    assert working == daemon.working_pid()
    wait_until(lambda: f'scanside_restarts_total{{process="receiver"}} {KILLS}.0' in daemon.metrics())
    assert "scanside_receiver_up 1.0" in daemon.metrics()


def answers(daemon: Daemon) -> bool:
    try:
        with Peer(daemon.dicom_port) as peer:
            peer.associate().release()
    except OSError:
        return False
    return True


def test_a_receiver_that_hangs_is_said_and_one_that_is_back_is_not(daemon):
    os.kill(daemon.living_receiver_pid(), signal.SIGSTOP)
    wait_until(lambda: "the receiver does not run, or hangs" in daemon.obstacles())
    assert "scanside_receiver_up 0.0" in daemon.metrics()
    os.kill(daemon.living_receiver_pid(), signal.SIGCONT)

    wait_until(lambda: "ready" == daemon.obstacles().strip())


def test_a_killed_parent_leaves_no_orphan_that_keeps_port_and_spool(daemon):
    children = [daemon.living_receiver_pid(), daemon.working_pid()]
    daemon.process.kill()
    daemon.process.wait()
    wait_until(lambda: not any(runs(pid) for pid in children))
    daemon.start()

    assert answers(daemon)
    assert 0 == daemon.stop()


def test_short_of_memory_the_kernel_ends_the_working_half_before_the_receiver(daemon):
    scores = [
        int(Path(f"/proc/{pid}/oom_score_adj").read_text())
        for pid in (daemon.working_pid(), daemon.living_receiver_pid())
    ]

    assert scores[0] > scores[1]


def test_the_parent_ends_both_when_it_is_told_to_end(daemon):
    children = [daemon.living_receiver_pid(), daemon.working_pid()]

    assert 0 == daemon.stop()
    assert [False, False] == [runs(pid) for pid in children]


def test_a_second_daemon_on_the_same_storage_ends_with_the_reason(daemon, tmp_path):
    other = tmp_path / "other.toml"
    text = daemon.config.read_text().replace(str(daemon.dicom_port), str(free_port()))
    other.write_text(text.replace(str(daemon.web_port), str(free_port())))

    assert_ends_with("another receiver is using the spool", other)
    assert answers(daemon)


def write_config(
    folder: Path, storage: str = "storage", more: str = "", dicom_port: int = 0, web_port: int = 0
) -> Path:
    config = folder / "scanside.toml"
    config.write_text(
        f'storage = "{folder / storage}"\n{more}\n[dicom]\nhost = "127.0.0.1"\nport = {dicom_port or free_port()}\n'
        f"[web]\nport = {web_port or free_port()}\n"
    )
    return config


def start(config: Path) -> subprocess.CompletedProcess[str]:
    command = [*SCANSIDE, "run", "--no-work", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def assert_ends_with(reason: str, config: Path) -> None:
    done = start(config)

    assert (1, True, False) == (done.returncode, reason in done.stderr, "Traceback" in done.stderr), done.stderr


def test_a_key_that_does_not_exist_ends_the_start_with_its_sentence(tmp_path):
    assert_ends_with("quite_s", write_config(tmp_path, more="[completion]\nquite_s = 2.0"))


def test_a_storage_folder_that_is_a_file_ends_the_start_with_its_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    assert_ends_with("cannot write to", write_config(tmp_path, storage="file"))


def test_a_port_in_use_ends_the_start_of_both_with_its_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_ends_with("cannot listen", write_config(tmp_path, dicom_port=port))
        assert_ends_with("choose another", write_config(tmp_path, web_port=port))
