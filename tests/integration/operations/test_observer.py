"""What the daemon says of itself, whatever its database does."""

import os
import shutil
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from daemon.core.errors import SpoolError
from daemon.core.values import Stage
from daemon.edge.database.alerts import Alerts
from daemon.edge.database.migrations import connect
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.results import Results
from daemon.edge.receiving.status import STATUS, ReceiverStatus, write_status
from daemon.edge.telemetry.lateness import Lateness
from daemon.edge.telemetry.metrics import make_metrics
from daemon.edge.telemetry.observer import Observer

RECEIVER = "the receiver does not run"
GONE = "the database does not answer"
NOTHING_LATE = SimpleNamespace(sentences=lambda _now: [])


@pytest.fixture
def registry():
    return CollectorRegistry()


def test_a_database_that_refuses_is_an_obstacle_and_no_fault(registry, tmp_path):
    engine = connect("postgresql://tester@127.0.0.1:1/none")
    observer = Observer(
        make_metrics(registry), Results(engine), Lateness(Outbox(engine), Alerts(engine), ("pacs",)), tmp_path
    )
    observer.look()

    assert [True, True] == [
        said.startswith(start) for said, start in zip(observer.obstacles(), (GONE, RECEIVER), strict=True)
    ]
    assert 0.0 == registry.get_sample_value("scanside_database_up")
    assert 0.0 == registry.get_sample_value("scanside_receiver_up")
    assert 0.0 == registry.get_sample_value("scanside_series_waiting")
    engine.dispose()


def test_before_the_first_image_the_free_space_is_that_of_the_storage(registry, tmp_path):
    Observer(make_metrics(registry), SimpleNamespace(), NOTHING_LATE, tmp_path / "spool")

    assert 0 < registry.get_sample_value("scanside_spool_free_bytes")


def test_a_storage_folder_that_vanishes_is_said_and_the_metrics_go_on(registry, tmp_path):
    storage = tmp_path / "storage"
    (storage / "spool").mkdir(parents=True)
    results = SimpleNamespace(closed_times=lambda _: [])
    observer = Observer(make_metrics(registry), results, NOTHING_LATE, storage / "spool")
    observer.look()
    before = observer.obstacles()
    shutil.rmtree(storage)
    observer.look()

    assert not any("storage folder" in said for said in before)
    assert [True] == ["the storage folder is gone" in said for said in observer.obstacles()]
    assert 0 < registry.get_sample_value("scanside_spool_free_bytes")


def test_a_status_that_cannot_be_read_is_no_database_that_hangs(registry, tmp_path, monkeypatch):
    monkeypatch.setattr("daemon.edge.telemetry.observer._HANGS_S", -1.0)
    (tmp_path / STATUS).write_text("{")
    observer = Observer(make_metrics(registry), SimpleNamespace(), NOTHING_LATE, tmp_path)

    with pytest.raises(SpoolError):
        observer.look()
    assert [] == observer.obstacles()


def test_a_database_that_hangs_is_an_obstacle_too_and_holds_up_no_metrics(registry, tmp_path, monkeypatch):
    monkeypatch.setattr("daemon.edge.telemetry.observer._HANGS_S", 0.05)
    asked, answer = threading.Event(), threading.Event()

    def closed_times(_: list[Stage]) -> list[float]:
        asked.set()
        assert answer.wait(120)
        return [1.0]

    observer = Observer(make_metrics(registry), SimpleNamespace(closed_times=closed_times), NOTHING_LATE, tmp_path)
    looking = threading.Thread(target=observer.look)
    looking.start()
    assert asked.wait(120)
    while not observer.obstacles():
        pass
    (said,) = observer.obstacles()

    assert said.startswith(GONE)
    assert 0.0 == registry.get_sample_value("scanside_series_waiting")
    answer.set()
    looking.join()
    assert 1.0 == registry.get_sample_value("scanside_series_waiting")
    assert [True] == [said.startswith(RECEIVER) for said in observer.obstacles()]


@pytest.fixture
def looked(registry, tmp_path):
    """What is said after a look at the status that a receiver of this process id left, silent for so many seconds."""
    observer = Observer(make_metrics(registry), SimpleNamespace(closed_times=lambda _: []), NOTHING_LATE, tmp_path)

    def look(pid: int, silent_s: float = 0.0, restarts: int = 0) -> list[str]:
        write_status(tmp_path, ReceiverStatus(pid=pid, port=1, started_at=0.0, restarts=restarts))
        then = time.time() - silent_s
        os.utime(tmp_path / STATUS, (then, then))
        observer.look()
        return observer.obstacles()

    return look


def test_a_receiver_that_is_gone_or_silent_is_an_obstacle_and_down(looked, registry):
    process = subprocess.Popen(["/usr/bin/sleep", "60"])
    seen = []
    for silent_s in (0.0, 30.0, -30.0):
        said = looked(process.pid, silent_s)
        seen.append((len(said), registry.get_sample_value("scanside_receiver_up")))
    process.kill()
    process.wait()

    assert [(0, 1.0), (1, 0.0), (1, 0.0)] == seen
    assert [True] == [said.startswith(RECEIVER) for said in looked(process.pid)]


def test_restarts_of_the_receiver_are_counted_once(looked, registry):
    for restarts in (0, 2, 2, 3):
        looked(1, restarts=restarts)

    assert 3.0 == registry.get_sample_value("scanside_restarts_total", {"process": "receiver"})
