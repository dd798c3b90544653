"""Whoever reaches the page's port can use up what is set aside for the page, and nothing else."""

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
from builders.page.board import MemoryBoard, card, sources
from prometheus_client import CollectorRegistry

from daemon.edge.web.connection import Limits
from daemon.edge.web.server import Address, WebServer, serve, serve_metrics

HEAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
PATIENCE_S = 30.0


def started(**address: object) -> WebServer:
    board = MemoryBoard([card("c1")])
    return serve(sources(board), CollectorRegistry(), Address(**address))


@pytest.fixture
def page() -> Iterator[WebServer]:
    with started(hosts=["scanside.example", "fd00::7"]) as server:
        yield server


def connect(server: WebServer, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, server.port), timeout=PATIENCE_S)


def answer(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def read_until(connection: socket.socket, wanted: bytes) -> None:
    said = b""
    while wanted not in said:
        part = connection.recv(65536)
        assert part, said
        said += part


def ask(server: WebServer, path: str = "/livez", host: str = "localhost") -> int:
    headers = {"Host": host, "Connection": "close"}
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", headers=headers, timeout=PATIENCE_S).status_code


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("path", ["/", "/cards", "/events", "/metrics", "/livez", "/readyz", "/pictures/c1.png", "/no"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8112", "localhost.evil.example", "127.0.0.1.evil", "10.0.0.1", ""]
)
def test_a_request_to_a_foreign_host_gets_nothing(page: WebServer, path: str, host: str) -> None:
    with connect(page) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        said = answer(connection)

    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"c1" not in said.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "head",
    [b"GET /cards HTTP/1.0\r\n\r\n", b"GET /cards HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"],
    ids=["without a host", "with two"],
)
def test_a_request_that_names_no_one_host_gets_nothing(page: WebServer, head: bytes) -> None:
    with connect(page) as connection:
        connection.sendall(head)

        assert answer(connection).split()[1] == b"400"


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8112", "scanside.example", "Scanside.Example:443", "[fd00::7]"],
)
def test_its_own_names_are_answered(page: WebServer, host: str) -> None:
    assert 200 == ask(page, host=host)


def test_a_workers_metrics_are_for_the_same_hosts_and_are_all_there_is() -> None:
    with serve_metrics(CollectorRegistry(), Address(hosts=["worker.example"])) as server:
        codes = [ask(server, "/metrics", host) for host in ("worker.example", "evil.example")]

        assert ([200, 400], 404) == (codes, ask(server, "/cards"))


@pytest.mark.parametrize("path", ["/", "/events"])
@pytest.mark.parametrize(
    "framing", ["Content-Length: 1000000000000", "Transfer-Encoding: chunked", "Content-Length: 1"]
)
def test_a_body_is_refused_unread_and_its_connection_closed(page: WebServer, path: str, framing: str) -> None:
    with connect(page) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n".encode())

        assert answer(connection).startswith(b"HTTP/1.1 413 ")


def test_a_head_without_an_end_is_dropped_at_its_limit(page: WebServer) -> None:
    with connect(page) as connection:
        connection.sendall(HEAD)
        with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, as it happens
            connection.sendall(100_000 * (b"X-A: " + 1000 * b"a" + b"\r\n"))

    assert 200 == ask(page)


@pytest.mark.parametrize("first", [b"", HEAD + b"\r\n"], ids=["the first head", "the second head"])
def test_a_head_that_drips_is_dropped_at_its_deadline(first: bytes) -> None:
    with started(limits=Limits(head_s=0.5, idle_s=60)) as server, connect(server) as connection:
        connection.sendall(first)
        if first:
            read_until(connection, b"alive")
        ended = threading.Thread(target=lambda: answer(connection))
        ended.start()
        since = time.monotonic()
        try:
            while ended.is_alive() and time.monotonic() < since + PATIENCE_S:
                connection.sendall(b"G")
                time.sleep(0.02)
        except OSError:
            pass
        ended.join(PATIENCE_S)

        assert not ended.is_alive()


def test_a_connection_that_says_nothing_is_dropped_at_the_deadline() -> None:
    with started(limits=Limits(head_s=0.2)) as server, connect(server) as connection:
        assert b"" == answer(connection)


def test_a_connection_that_asks_no_more_is_closed() -> None:
    with started(limits=Limits(idle_s=1)) as server, connect(server) as connection:
        connection.sendall(HEAD + b"\r\n")

        assert answer(connection).endswith(b"alive\n")


def test_an_answer_may_take_longer_than_a_head() -> None:
    with started(limits=Limits(head_s=0.3, idle_s=1)) as server, connect(server) as connection:
        connection.sendall(HEAD.replace(b"/livez", b"/events") + b"\r\n")
        time.sleep(0.6)
        connection.settimeout(PATIENCE_S)
        read_until(connection, b"data: ")


def test_eleven_hundred_slow_heads_cost_a_bounded_number_of_descriptors_and_the_page_answers(page: WebServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    try:
        with ExitStack() as stack:
            before = descriptors()
            for _ in range(1100):
                stack.enter_context(closing(connect(page))).sendall(b"GET / HT")
            assert 200 == ask(page)
            held_by_the_server = descriptors() - before - 1100

            assert held_by_the_server <= Limits().connections_max + 5
            assert 200 == ask(page, "/cards")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_connection_that_is_being_answered_never_gives_way() -> None:
    with started(limits=Limits(connections_max=4)) as server, ExitStack() as stack:
        streams = [stack.enter_context(closing(connect(server))) for _ in range(3)]
        for stream in streams:
            stream.sendall(HEAD.replace(b"/livez", b"/events") + b"\r\n")
            read_until(stream, b"data: ")
        for _ in range(20):
            stack.enter_context(closing(connect(server))).sendall(b"GET / HT")
        assert 200 == ask(server)
        for stream in streams:
            assert stream.recv(65536)


def outside() -> str:
    """An address of this machine that is not its loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return ""
        return str(probe.getsockname()[0])


@pytest.mark.skipif(outside() in {"", "127.0.0.1"}, reason="this machine has a loopback only")
def test_one_client_has_a_share_of_the_connections_and_a_proxy_on_this_machine_all_of_them() -> None:
    limits = Limits(client_connections_max=3, head_s=60)
    with started(host="0.0.0.0", limits=limits) as server, ExitStack() as stack:
        local = [stack.enter_context(closing(connect(server))) for _ in range(10)]
        client = [stack.enter_context(closing(connect(server, outside()))) for _ in range(10)]
        for connection in client[:7]:
            assert b"" == answer(connection)
        for connection in [*client[7:], *local]:
            connection.sendall(HEAD + b"\r\n")
            read_until(connection, b"alive")
