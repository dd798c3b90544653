"""The page's server over real sockets."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from builders.page.board import RESCAN, MemoryBoard, card, head_png, sources
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from daemon.core.errors import ConfigError
from daemon.edge.web import app
from daemon.edge.web.server import Address, WebServer, listen, serve

ROUTES = [
    "/",
    "/page.css",
    "/page.js",
    "/icon.svg",
    "/answers.js",
    "/connection.js",
    "/words.js",
    "/rescan.wav",
    "/scanners/MR 1",
    "/cards",
    "/metrics",
    "/livez",
    "/readyz",
    "/pictures/c1.png",
]
STATIC = Path(app.__file__).parent / "static"


@pytest.fixture
def board() -> MemoryBoard:
    return MemoryBoard([card("c1", verdict=RESCAN)], {"c1": head_png(size=(96, 72))})


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("scanside_series_waiting", "Complete series that have no verdict yet.", registry=registry).set(3)
    return registry


@pytest.fixture
def server(board: MemoryBoard, registry: CollectorRegistry) -> Iterator[WebServer]:
    with serve(sources(board), registry, Address()) as server:
        yield server


@pytest.fixture
def client(server: WebServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=120) as client:
        yield client


@pytest.mark.parametrize("path", [*ROUTES, "/nothing", "/pictures/unknown.png"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_answer_carries_the_security_headers(client: httpx.Client, path: str, method: str) -> None:
    answer = client.request(method, path)
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert "no-store" == answer.headers["cache-control"]
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", ROUTES)
def test_nothing_can_be_changed_over_http(client: httpx.Client, path: str) -> None:
    assert {405} == {client.request(method, path).status_code for method in ("POST", "PUT", "DELETE", "PATCH")}


def test_the_page_and_its_files_are_served_with_their_types(client: httpx.Client) -> None:
    types = {path: client.get(path).headers["content-type"].split(";")[0] for path in ROUTES[:4]}

    assert {
        "/": "text/html",
        "/page.css": "text/css",
        "/page.js": "text/javascript",
        "/icon.svg": "image/svg+xml",
    } == types


@pytest.mark.parametrize("name", [path.name for path in STATIC.iterdir() if path.suffix != ".wav"])
def test_no_file_of_the_page_names_another_host_or_writes_html(name: str) -> None:
    source = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")

    assert [] == re.findall(r"https?:|//[a-z]+\.|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", source)
    assert [] == re.findall(r"\sstyle=|\son[a-z]+=\"", source)


def test_the_cards_are_told_as_json(client: httpx.Client) -> None:
    snapshot = client.get("/cards").json()

    assert [("c1", "RESCAN")] == [(shown["card_id"], shown["verdict"]["state"]) for shown in snapshot["cards"]]


def test_a_picture_is_sent_byte_for_byte(client: httpx.Client, board: MemoryBoard) -> None:
    answer = client.get("/pictures/c1.png")

    assert (200, "image/png", board.picture("c1")) == (
        answer.status_code,
        answer.headers["content-type"],
        answer.content,
    )


@pytest.mark.parametrize(
    "path",
    ["unknown", "..%2f..%2fetc%2fpasswd", "..", "c1%00", "x" * 65, "1.2.840.113619.2.5", "c1;ls", "%3Cscript%3E"],
)
def test_an_unknown_picture_is_not_found_and_odd_ids_never_reach_the_board(
    client: httpx.Client, board: MemoryBoard, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(board, "picture", asked.append)

    assert 404 == client.get(f"/pictures/{path}.png").status_code
    assert asked in ([], ["unknown"])


def test_the_metrics_are_those_of_the_registry(client: httpx.Client, registry: CollectorRegistry) -> None:
    answer = client.get("/metrics")

    assert generate_latest(registry) == answer.content
    assert answer.headers["content-type"].startswith("text/plain; version=")


def test_a_daemon_that_is_not_ready_says_why_and_is_still_alive(
    board: MemoryBoard, registry: CollectorRegistry
) -> None:
    obstacles = ["the bundle is warming up", "less than 5 GB free"]
    with serve(sources(board, obstacles), registry, Address()) as server:
        url = f"http://127.0.0.1:{server.port}"
        ready, live = httpx.get(f"{url}/readyz"), httpx.get(f"{url}/livez")
        told = httpx.get(f"{url}/cards").json()["obstacles"]

    assert (503, "the bundle is warming up\nless than 5 GB free\n") == (ready.status_code, ready.text)
    assert 200 == live.status_code
    assert obstacles == told


def test_a_daemon_that_is_ready_says_so(client: httpx.Client) -> None:
    assert (200, "ready\n") == (client.get("/readyz").status_code, client.get("/readyz").text)


def test_a_board_that_fails_is_an_error_without_words_and_the_server_lives_on(
    client: httpx.Client, board: MemoryBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("DOE^JOHN")

    with monkeypatch.context() as broken:
        broken.setattr(board, "current", fail)
        answer = client.get("/cards")
        with pytest.raises(httpx.TransportError):  # cut off: as an incomplete answer or as a reset, by who is faster
            client.get("/events")

    assert (500, "Internal Server Error") == (answer.status_code, answer.text)
    assert 200 == client.get("/cards").status_code


def test_a_server_can_be_started_again_on_its_port_at_once(board: MemoryBoard, registry: CollectorRegistry) -> None:
    with serve(sources(board), registry, Address()) as first:
        port = first.port
        httpx.get(f"http://127.0.0.1:{port}/livez")
    with serve(sources(board), registry, Address(port=port)) as second:
        assert 200 == httpx.get(f"http://127.0.0.1:{second.port}/livez").status_code


def test_a_port_that_is_taken_is_a_configuration_error(server: WebServer, registry: CollectorRegistry) -> None:
    with pytest.raises(ConfigError, match=f"127.0.0.1:{server.port}"):
        serve(sources(MemoryBoard()), registry, Address(port=server.port))


def test_an_ipv6_address_can_be_bound() -> None:
    with listen("::1", 0) as listener:
        assert socket.AF_INET6 == listener.family
