"""What the daemon says of itself, whatever its database does."""

import threading
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from daemon.core.values import Stage
from daemon.edge.metrics import make_metrics
from daemon.edge.migrations import connect
from daemon.edge.observer import Observer
from daemon.edge.results import Results

RECEIVER = "the receiver does not run"
GONE = "the database does not answer"


@pytest.fixture
def registry():
    return CollectorRegistry()


def test_a_database_that_refuses_is_an_obstacle_and_no_fault(registry, tmp_path):
    engine = connect("postgresql://tester@127.0.0.1:1/none")
    observer = Observer(make_metrics(registry), Results(engine), tmp_path, lambda _: None)
    observer.look()

    assert [True, True] == [
        said.startswith(start) for said, start in zip(observer.obstacles(), (GONE, RECEIVER), strict=True)
    ]
    assert 0.0 == registry.get_sample_value("scanside_database_up")
    assert 0.0 == registry.get_sample_value("scanside_series_waiting")
    engine.dispose()


def test_before_the_first_image_the_free_space_is_that_of_the_storage(registry, tmp_path):
    Observer(make_metrics(registry), SimpleNamespace(), tmp_path / "spool", lambda _: None)

    assert 0 < registry.get_sample_value("scanside_spool_free_bytes")


def test_a_database_that_hangs_is_an_obstacle_too_and_holds_up_no_metrics(registry, tmp_path, monkeypatch):
    monkeypatch.setattr("daemon.edge.observer._HANGS_S", 0.05)
    asked, answer = threading.Event(), threading.Event()

    def closed_times(_: list[Stage]) -> list[float]:
        asked.set()
        assert answer.wait(30)
        return [1.0]

    observer = Observer(make_metrics(registry), SimpleNamespace(closed_times=closed_times), tmp_path, lambda _: None)
    looking = threading.Thread(target=observer.look)
    looking.start()
    assert asked.wait(30)
    while not observer.obstacles():
        pass
    (said,) = observer.obstacles()

    assert said.startswith(GONE)
    assert 0.0 == registry.get_sample_value("scanside_series_waiting")
    answer.set()
    looking.join()
    assert 1.0 == registry.get_sample_value("scanside_series_waiting")
    assert [True] == [said.startswith(RECEIVER) for said in observer.obstacles()]
