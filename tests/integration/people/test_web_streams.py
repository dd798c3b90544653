"""The streams of the page: what they say, how they end, and that they leave nothing behind."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from builders.page.board import ACCEPT, RESCAN, MemoryBoard, card, sources
from prometheus_client import CollectorRegistry

from daemon.edge.web import server as web_server
from daemon.edge.web import stream as web_stream
from daemon.edge.web.server import Address, WebServer, listen, serve


@pytest.fixture
def board() -> MemoryBoard:
    return MemoryBoard([card("c1", verdict=RESCAN)])


@pytest.fixture
def server(board: MemoryBoard) -> Iterator[WebServer]:
    with serve(sources(board), CollectorRegistry(), Address()) as server:
        yield server


@pytest.fixture
def client(server: WebServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=120) as client:
        yield client


@contextmanager
def stream(port: int) -> Iterator[Iterator[dict[str, object]]]:
    """The snapshots of one /events stream."""
    with httpx.stream("GET", f"http://127.0.0.1:{port}/events", timeout=120) as response:
        assert (200, "text/event-stream; charset=utf-8") == (response.status_code, response.headers["content-type"])
        yield (json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: "))


def subscribe(port: int) -> socket.socket:
    """A page that has had its first snapshot."""
    page = socket.create_connection(("127.0.0.1", port), timeout=120)
    page.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    while b"data: " not in page.recv(65536):
        pass
    return page


def eventually(holds: Callable[[], bool], seconds: float = 120) -> bool:
    """Whether something becomes true before patience ends."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_stream_says_everything_at_once_and_then_every_change(
    server: WebServer, board: MemoryBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_stream, "BEAT_S", 3600.0)
    with stream(server.port) as snapshots:
        first = next(snapshots)
        board.put(card("c2", age_s=1, verdict=ACCEPT, description="t2"))
        second = next(snapshots)

    assert ["c1"] == [shown["card_id"] for shown in first["cards"]]
    assert ["c1", "c2"] == [shown["card_id"] for shown in second["cards"]]


def test_a_stream_without_changes_still_beats(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_stream, "BEAT_S", 0.05)
    with stream(server.port) as snapshots:
        first, second = next(snapshots), next(snapshots)

    assert first["cards"] == second["cards"]
    assert first["now"] < second["now"]


def test_pages_share_each_look_at_the_board(board: MemoryBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page tells what every look found; it would be five times as many looks if each looked for itself."""
    looks, version = [], board.version

    def counted() -> int:
        looks.append(version())
        return looks[-1]

    monkeypatch.setattr(board, "version", counted)
    monkeypatch.setattr(web_stream, "BEAT_S", 0.0)
    monkeypatch.setattr(web_stream, "TICK_S", 0.05)
    server = serve(sources(board), CollectorRegistry(), Address())
    with ExitStack() as pages:
        opened = [pages.enter_context(stream(server.port)) for _ in range(5)]
        told = [[next(snapshots) for _ in range(10)] for snapshots in opened]
        server.stop()
        told = [[*first, *snapshots] for first, snapshots in zip(told, opened, strict=True)]

    assert 10 < max(map(len, told))
    assert len(looks) <= max(map(len, told)) + len(told)  # each looks once by itself, as it is opened


def test_two_hundred_pages_come_and_go_and_nothing_of_them_stays(server: WebServer, client: httpx.Client) -> None:
    client.get("/cards")
    descriptors_before, threads_before = descriptors(), threading.active_count()
    pool = min(32, (os.cpu_count() or 1) + 4)  # asyncio's threads, in which the board is asked: they stay

    with ExitStack() as pages:
        for _ in range(200):
            pages.enter_context(subscribe(server.port))
        descriptors_during, threads_during = descriptors(), threading.active_count()

    assert descriptors_before + 400 == descriptors_during  # two ends each
    assert threads_during <= threads_before + pool
    assert eventually(lambda: descriptors() == descriptors_before)
    assert threading.active_count() <= threads_before + pool


def test_pages_beyond_the_bound_are_refused_until_others_leave(
    server: WebServer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_stream, "STREAMS_MAX", 3)
    with ExitStack() as pages:
        for _ in range(3):
            pages.enter_context(subscribe(server.port))
        with client.stream("GET", "/events") as refused:
            pass

    assert (503, "10") == (refused.status_code, refused.headers["retry-after"])

    def streams_again() -> bool:
        with client.stream("GET", "/events") as answer:
            return answer.status_code == 200

    assert eventually(streams_again)


def test_stopping_ends_open_streams_frees_the_port_and_leaves_no_thread(board: MemoryBoard) -> None:
    before = threading.active_count()
    server = serve(sources(board), CollectorRegistry(), Address())
    with stream(server.port) as snapshots:
        next(snapshots)
        server.stop()
        rest = list(snapshots)

    assert [] == rest
    assert before == threading.active_count()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}/livez")


def test_a_board_that_hangs_does_not_hold_up_the_stop(board: MemoryBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()
    hangs = threading.Event()

    def version() -> int:
        hangs.set()
        goes_on.wait()
        return 0

    monkeypatch.setattr(board, "version", version)
    monkeypatch.setattr(web_server, "STOP_S", 0.05)
    server = serve(sources(board), CollectorRegistry(), Address())
    with socket.create_connection(("127.0.0.1", server.port)) as page:
        page.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        hangs.wait()
        server.stop()

        assert not goes_on.is_set()
        goes_on.set()


def test_a_silent_peer_is_given_up_by_the_kernel() -> None:
    """Accepted connections inherit the listener's TCP_USER_TIMEOUT: a tablet that fell asleep is forgotten."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert 30_000 == accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
