"""STOW-RS to a real Orthanc, and to a real HTTP server that answers as the standard allows servers to."""

import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from archive import DICOMWEB, free_port, running_archive
from builders_report import make_header, make_judgement, make_series
from builders_tls import Identity, authority, vouched

from daemon.core.errors import DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.values import ReportObject
from daemon.dicom.evidence import gather_evidence
from daemon.dicom.sr import build_sr
from daemon.edge.stow import StowClient, WebArchive
from daemon.edge.tls import TlsSettings


@dataclass
class Service:
    """How it answers, and what came."""

    status: int = 200
    body: bytes = b""
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
                kept.waits.wait(30)
                return
            self.send_response(kept.status)
            self.send_header("Content-Length", str(len(kept.body)))
            self.end_headers()
            self.wfile.write(kept.body)

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
        (202, {"uid": "1.2.3"}, "does not say"),
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


@pytest.mark.parametrize("body", [b"", b"[]", b"[1]", b"\xff", b'{"00081198": {"Value": 3}}', b'{"00081198": [[]]}'])
def test_an_answer_that_makes_no_sense_does_not_count_as_stored(report, body):
    with service(status=202, body=body) as kept, pytest.raises(DeliveryRefused, match="does not say"):
        client(kept.url).deliver(report)


@pytest.mark.parametrize(("status", "answer"), [(409, {"failed": 0xA700}), (429, {}), (500, {}), (507, {})])
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
        with pytest.raises(DeliveryRefused, match="authorization_file"):
            web.deliver(report)
        for word in ("Bearer one\n", "Bearer two\n"):
            token.write_text(word)
            web.deliver(report)

    assert ["Bearer one", "Bearer two"] == [headers["Authorization"] for headers in kept.headers]


def test_only_a_server_that_the_authority_vouches_for_gets_anything(report, tmp_path):
    root = authority(tmp_path)
    with service(vouched(tmp_path, "web", root)) as kept:
        client(kept.url, tls=TlsSettings(ca_file=root.certificate)).deliver(report)
        for tls in (TlsSettings(), TlsSettings(ca_file=root.certificate, server_name="another.example")):
            with pytest.raises(DestinationUnreachable, match="certificate"):
                client(kept.url, tls=tls).deliver(report)

    assert 1 == len(kept.bodies)
