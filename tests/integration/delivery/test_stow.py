"""STOW-RS to a real Orthanc, and to a real HTTP server that answers as the standard allows servers to."""

import json
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from archive import DICOMWEB, free_port, running_archive
from builders.judging.report import make_header, make_judgement, make_series
from builders.peers.nonsense import serving, storing
from builders.peers.tls import Identity, authority, vouched

from daemon.core.errors import ConfigError, DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.values import ReportObject
from daemon.dicom.report.evidence import gather_evidence
from daemon.dicom.report.sr import build_sr
from daemon.edge.delivery.stow import StowClient, WebArchive
from daemon.edge.tls import TlsSettings


@dataclass
class Service:
    """How it answers, and what came."""

    status: int = 200
    body: bytes | None = None  # None: the object that came is named as stored
    waits: threading.Event | None = None
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def service(identity: Identity | None = None, **answers) -> Iterator[Service]:
    kept = Service(**answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            kept.paths.append(self.path)
            kept.headers.append(dict(self.headers))
            kept.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            if kept.waits:
                kept.waits.wait(120)
                return
            body = storing(kept.bodies[-1]) if kept.body is None else kept.body
            self.send_response(kept.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True  # a connection that is kept open must not keep the test
    server.block_on_close = False
    if identity:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    kept.url = f"{'https' if identity else 'http'}://127.0.0.1:{server.server_address[1]}/dicom-web/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield kept
    finally:
        if kept.waits:
            kept.waits.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def report() -> ReportObject:
    return build_sr(gather_evidence(make_series(24), make_header()), make_judgement())


def client(url: str, **settings) -> StowClient:
    return StowClient(WebArchive(name="web", url=url, **({"timeout_s": 5.0} | settings)))


def said(report, *, failed: int | None = None, warned: int | None = None, uid: str = "") -> bytes:
    """A Store Instances Response Module (PS3.18 I.2) about one instance."""
    item = {"00081155": {"vr": "UI", "Value": [uid or report.sop_instance_uid]}}
    if failed is not None:
        item["00081197"] = {"vr": "US", "Value": [failed]}
    if warned is not None:
        item["00081196"] = {"vr": "US", "Value": [warned]}
    return json.dumps({"00081198" if failed is not None else "00081199": {"vr": "SQ", "Value": [item]}}).encode()


def test_a_real_archive_takes_the_report_once(report, tmp_path):
    with running_archive(tmp_path, Plugins=[DICOMWEB], DicomWeb={"Enable": True, "Root": "/dicom-web/"}) as archive:
        web = client(f"http://127.0.0.1:{archive.http_port}/dicom-web")

        for _ in range(2):
            web.deliver(report)
        assert archive.instance(report.sop_instance_uid)
        assert 1 == archive.counts()[3]


def test_the_request_is_one_multipart_with_the_object_as_it_is(report):
    with service() as kept:
        client(kept.url).deliver(report)
    (headers,), (body,) = kept.headers, kept.bodies
    boundary = re.fullmatch(r'multipart/related; type="application/dicom"; boundary=(\w+)', headers["Content-Type"])[1]

    assert ["/dicom-web/studies"] == kept.paths
    assert report.payload == body.split(b"\r\n\r\n", 1)[1].removesuffix(f"\r\n--{boundary}--\r\n".encode())


@pytest.mark.parametrize(
    ("status", "answer", "remark"),
    [
        (200, {}, ""),
        (200, {"warned": 0xB000}, "warning B000"),
        (202, {"warned": 0xB007}, "warning B007"),
        (202, {}, ""),  # others of the request failed, but we sent one
        (409, {"failed": 0x0111}, "warning 0111"),  # there already: the same bytes under the same UID
    ],
)
def test_what_is_stored_is_delivered_and_its_warning_kept(report, status, answer, remark):
    with service(status=status, body=said(report, **answer)) as kept:
        assert remark == client(kept.url).deliver(report)


@pytest.mark.parametrize(
    ("status", "answer", "match"),
    [
        (200, {"failed": 0xA900}, "A900"),  # a server that says 200 and lists the failure
        (202, {"failed": 0x0122}, "0122"),
        (409, {"failed": 0xC000}, "C000"),
        (409, {"uid": "1.2.3"}, "does not say"),
        (401, {}, "authorization_file"),
        (403, {}, "authorization_file"),
        (404, {}, "URL"),
        (301, {}, "URL"),
    ],
)
def test_what_is_refused_for_good_says_why(report, status, answer, match):
    with service(status=status, body=said(report, **answer)) as kept, pytest.raises(DeliveryRefused, match=match):
        client(kept.url).deliver(report)


LOGIN = b"<!DOCTYPE html><html><body><form action='/login'><input name='user'></form></body></html>"
XML = b'<?xml version="1.0"?><NativeDicomModel><DicomAttribute tag="00081199" vr="SQ"/></NativeDicomModel>'
UNNAMED = {
    "nothing": b"",
    "login page": LOGIN,
    "XML": XML,
    "no object": b"[]",
    "number": b"[1]",
    "no text": b"\xff",
    "no sequence": b'{"00081199": {"Value": 3}}',
    "no item": b'{"00081199": {"Value": [[]]}}',
    "null": b'{"00081199": null}',
    "another": b'{"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3"]}}]}}',
    "deep": b"[" * 60_000,
    "deep items": b'{"00081199":{"Value":[' * 2500,
    "long number": b"[" + b"9" * 60_000 + b"]",
}


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("body", UNNAMED.values(), ids=UNNAMED)
def test_what_the_answer_does_not_name_is_not_delivered_and_may_be_later(report, status, body):
    """A login page goes away; whether the object was stored is asked anew, and storing it twice leaves one."""
    with (
        service(status=status, body=b"" if status == 204 else body) as kept,
        pytest.raises(DeliveryFailed, match=r"without naming the object.*login page") as caught,
    ):
        client(kept.url).deliver(report)
    assert not isinstance(caught.value, DestinationUnreachable)


def test_an_answer_that_is_too_long_is_not_read_to_its_end(report):
    filler = said(report)[:-1] + b', "00080000": "' + b"x" * 140_000 + b'"}'
    for body in (filler, b"[" * 500_000):
        with service(body=body) as kept, pytest.raises(DeliveryFailed, match="no answer"):
            client(kept.url).deliver(report)


@pytest.mark.parametrize(("status", "answer"), [(409, {"failed": 0xA700}), (302, {}), (429, {}), (500, {}), (507, {})])
def test_passing_trouble_of_the_server_is_worth_another_try(report, status, answer):
    with service(status=status, body=said(report, **answer)) as kept, pytest.raises(DeliveryFailed) as caught:
        client(kept.url).deliver(report)
    assert not isinstance(caught.value, DestinationUnreachable)


def test_a_server_that_is_down_would_fail_for_every_object(report):
    with pytest.raises(DestinationUnreachable):
        client(f"http://127.0.0.1:{free_port()}").deliver(report)
    with service(status=503) as kept, pytest.raises(DestinationUnreachable):
        client(kept.url).deliver(report)


def test_a_server_that_does_not_answer_is_given_up(report):
    with service(waits=threading.Event()) as kept, pytest.raises(DeliveryFailed, match="no answer"):
        client(kept.url, timeout_s=0.5).deliver(report)


def test_authorization_is_read_anew_each_time(report, tmp_path):
    token = tmp_path / "token"
    with service() as kept:
        web = client(kept.url, authorization_file=token)
        with pytest.raises(DestinationUnreachable, match="authorization_file"):
            web.deliver(report)
        for word in ("Bearer one\n", "Bearer two\n"):
            token.write_text(word)
            web.deliver(report)

    assert ["Bearer one", "Bearer two"] == [headers["Authorization"] for headers in kept.headers]


NO_VALUES = [
    b"",
    b"\n",
    b"Bearer a\nX-Other: b",
    b"Bearer a\r\n\r\nPOST /",
    "Bearer \u2603".encode(),
    b"\xe9",
    b"a\0b",
    b"x" * 20000,
]


@pytest.mark.parametrize("content", NO_VALUES)
def test_a_file_that_holds_no_headers_value_is_said_in_words_and_waited_for_and_hinders_no_start(
    report, tmp_path, content
):
    token = tmp_path / "token"
    token.write_text("Bearer one")
    with service() as kept:
        web = client(kept.url, authorization_file=token)
        token.write_bytes(content)
        with pytest.raises(DestinationUnreachable, match="holds no header's value"):
            web.deliver(report)
        with pytest.raises(DestinationUnreachable, match="holds no header's value"):
            client(kept.url, authorization_file=token).ask()
        token.write_text("Bearer two")

        assert "" == web.deliver(report)
    assert 1 == len(kept.bodies)


def test_an_authorization_file_that_is_no_file_is_waited_for(report, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "a\0b"):
        with pytest.raises(DestinationUnreachable, match="authorization_file"):
            client("http://127.0.0.1:9", authorization_file=path).deliver(report)


@pytest.mark.parametrize("url", ["", "archive", "ftp://archive", "http://", "http://[::1", "https://a:99999999/b"])
def test_a_url_that_is_none_is_said_at_the_start(url):
    with pytest.raises(ConfigError, match="write https://"):
        client(url)


DRIPS = {
    "status line": b"HTTP/1.1 200 OK",
    "headers": b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n",
    "continues": b"HTTP/1.1 100 Continue\r\n\r\n",
    "body of a length": b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n{",
    "body without end": b"HTTP/1.1 200 OK\r\n\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n \r\n",
    "length of a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1",
}


@pytest.mark.parametrize("began", DRIPS.values(), ids=DRIPS)
def test_an_answer_that_drips_ends_with_its_time_wherever_it_drips(report, began):
    """Each byte comes within a socket's timeout, so only a bound on the whole ends it: nothing here else does."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(began)
            while not over.wait(0.02):
                connection.sendall(b" " if began != DRIPS["continues"] else began)

    with serving(drip) as port, pytest.raises(DeliveryFailed, match=r"within 0.4 s"):
        client(f"http://127.0.0.1:{port}", timeout_s=0.4).deliver(report)
    over.set()


NONSENSE = {
    "junk": b"\x00\x01\x02" * 99,
    "no status": b"HTTP/1.1 nonsense\r\n\r\n",
    "long line": b"HTTP/1.1 200 " + b"O" * 70_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    "negative chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}",
    "chunk without end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + b" " * 200_000,
    "endless head": b"HTTP/1.1 100 Continue\r\n\r\n" * 8000,
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}",
    "bad gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "nothing": b"",
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_an_answer_that_is_no_http_is_worth_another_try(report, answer):
    def babble(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass

    with serving(babble) as port, pytest.raises(DeliveryFailed):
        client(f"http://127.0.0.1:{port}", timeout_s=2.0).deliver(report)


def test_only_a_server_that_the_authority_vouches_for_gets_anything(report, tmp_path):
    root = authority(tmp_path)
    with service(vouched(tmp_path, "web", root)) as kept:
        client(kept.url, tls=TlsSettings(ca_file=root.certificate)).deliver(report)
        for tls in (TlsSettings(), TlsSettings(ca_file=root.certificate, server_name="another.example")):
            with pytest.raises(DestinationUnreachable, match="certificate"):
                client(kept.url, tls=tls).deliver(report)

    assert 1 == len(kept.bodies)
