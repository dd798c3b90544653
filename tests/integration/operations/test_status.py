"""``/status``: how the daemon is, as JSON, without login and without a patient."""

import httpx
from builders.page.board import MemoryBoard, gate, mixture, sources
from prometheus_client import CollectorRegistry

from daemon.edge.telemetry.metrics import make_metrics
from daemon.edge.web.server import Address, serve


def status(*obstacles, **more):
    registry = CollectorRegistry()
    metrics = make_metrics(registry)
    metrics.build.labels("0.1.0").set(1)
    metrics.bundle.labels("brain", "1", "CPU").set(1)
    metrics.last_image.labels("MR 1").set(1_770_000_000)
    metrics.receiver_up.set(1)
    metrics.series_waiting.set_function(lambda: 2)
    with serve(sources(MemoryBoard(mixture()), obstacles, **more), registry, Address()) as server:
        return httpx.get(f"http://127.0.0.1:{server.port}/status")


def test_it_says_everything_a_program_asks_for():
    answer = status()
    told = answer.json()
    del told["now"]

    assert 200 == answer.status_code
    assert "application/json" == answer.headers["content-type"]
    assert {
        "ready": True,
        "obstacles": [],
        "notices": [],
        "mode": "live",
        "version": "0.1.0",
        "bundles": [{"bundle": "brain", "bundle_version": "1", "provider": "CPU"}],
        "last_image_at": {"MR 1": 1_770_000_000.0},
        "series_waiting": 2.0,
        "oldest_waiting_s": 0.0,
        "spool_free_bytes": 0.0,
        "receiver_up": True,
        "database_up": False,
    } == told


def test_a_daemon_that_is_not_ready_answers_all_the_same_and_says_why():
    answer = status("the database does not answer", shadow=True)

    assert (200, False) == (answer.status_code, answer.json()["ready"])
    assert (["the database does not answer"], "shadow") == (answer.json()["obstacles"], answer.json()["mode"])


def test_it_needs_no_login_and_names_no_series():
    answer = status(gate=gate(loopback=False))

    assert 200 == answer.status_code
    assert not [card for card in mixture() if f'"{card.card_id}"' in answer.text or card.description in answer.text]
