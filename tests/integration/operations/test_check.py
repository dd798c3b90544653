"""scanside check against what really is there: a line for each thing, and an exit code that says if all is well."""

import json
import socket
from contextlib import ExitStack
from dataclasses import replace

import pytest
from archive import DICOMWEB, free_port, running_archive
from builders.peers.http import http_target
from builders.peers.nonsense import serving
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, Verification

from daemon.__main__ import main
from daemon.checks import find
from daemon.commands.check import _checks
from daemon.config import Settings
from daemon.core.errors import DeliveryError, DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.edge.delivery.dicom import Peer
from daemon.edge.delivery.stow import StowClient, WebArchive
from daemon.edge.delivery.verification import verify
from daemon.structuring import structure

DICOM_WEB = {"Plugins": [DICOMWEB], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
ROOM = "[spool]\nfree_bytes_min = 0\nused_fraction_max = 1.0\n"


@pytest.fixture
def checked(tmp_path, capsys):
    """What is found, by name, and the exit code."""

    def check(text, *options):
        config = tmp_path / "scanside.toml"
        config.write_text(
            f'storage = "{tmp_path}/storage"\n{text}\n[dicom]\nhost = "127.0.0.1"\nport = {free_port()}\n'
            f"[web]\nport = {free_port()}\n"
        )
        code = main(["check", "--json", "--config", str(config), *options])
        findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return code, {finding["name"]: finding for finding in findings}

    return check


def destinations(dicom_port, http_port, folder):
    return (
        f"[[destinations]]\nname = 'pacs'\nhost = '127.0.0.1'\nport = {dicom_port}\nae_title = 'ORTHANC'\n"
        f"[[destinations]]\nname = 'web'\nkind = 'stow'\nurl = 'http://127.0.0.1:{http_port}/dicom-web'\n"
        f"[[destinations]]\nname = 'share'\nkind = 'folder'\npath = '{folder}'\n"
    )


def test_a_site_where_all_is_well_is_told_so_and_nothing_is_left_behind(tmp_path, checked):
    share = tmp_path / "share"
    share.mkdir()
    (tmp_path / "archive").mkdir()
    with running_archive(tmp_path / "archive", **DICOM_WEB) as archive, http_target() as target:
        alerts = f"[alerts]\nurls = ['{target.url}']\n"
        text = ROOM + alerts + destinations(archive.dicom_port, archive.http_port, share)
        code, findings = checked(text, "--alert")
        counts = archive.counts()

    assert [] == [finding for finding in findings.values() if not finding["good"]]
    assert 0 == code
    for name in ("pacs", "web", "share"):
        assert f"destination {name} answers" in findings
    assert {"configuration", "storage", "disk", "database answers", "bundle brain-t1 here"} < set(findings)
    assert (1, (0, 0, 0, 0)) == (len(target.received), counts)
    assert ([], False) == (list(share.iterdir()), (tmp_path / "storage").exists())


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # pynetdicom leaves a socket that could not connect to gc
def test_everything_that_is_wrong_is_told_each_on_its_line(tmp_path, checked):
    storage = tmp_path / "storage"
    storage.mkdir()
    storage.chmod(0o755)
    (storage / "scanside.sqlite").write_bytes(b"no database, " * 1000)
    alerts = f"[alerts]\nurls = ['json://127.0.0.1:{free_port()}/']\n"
    gone = destinations(free_port(), free_port(), tmp_path / "nowhere")
    code, findings = checked(f"[spool]\nfree_bytes_min = {1 << 50}\n{alerts}{gone}", "--alert")

    said = {
        "disk": "make room",
        "permissions": "open to others",
        "database answers": "check `database`",
        "destination pacs answers": "nobody answers at 127.0.0.1",
        "destination web answers": "check that it runs",
        "destination share answers": "make or mount it",
        "alerts.urls[0] takes a test": "check the service",
    }
    assert (1, said.keys()) == (code, {name for name, finding in findings.items() if not finding["good"]})
    assert [] == [name for name, words in said.items() if words not in findings[name]["detail"]]


@pytest.mark.parametrize(
    ("dicom", "limited"),
    [
        ({}, None),
        ({"host": "127.0.0.1"}, "dicom.host"),
        ({"networks": ["10.0.0.0/8"], "calling_ae_titles": ["MR1"]}, "dicom.networks and dicom.calling_ae_titles"),
        ({"tls": {"certificate_file": "a", "key_file": "b"}}, None),
        ({"tls": {"certificate_file": "a", "key_file": "b", "ca_file": "c"}}, "dicom.tls.ca_file"),
    ],
)
def test_a_receiver_that_is_open_to_everybody_is_told_of(dicom, limited):
    settings = structure({"dicom": dicom}, Settings)
    (check,) = (check for check in _checks(settings, alert=False) if check.name == "dicom access")
    finding = find(check)

    assert (limited is not None) == finding.good
    assert (f"limited by {limited}" if limited else "whoever reaches the port may send") in finding.detail


def test_a_wrong_file_is_one_line_of_its_own(checked):
    code, findings = checked("storge = 1")

    assert (1, ["configuration"]) == (code, list(findings))
    assert "did you mean storage?" in findings["configuration"]["detail"]


def test_ports_that_others_hold_are_named(tmp_path, capsys):
    with ExitStack() as stack:
        ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(2)]
        config = tmp_path / "scanside.toml"
        config.write_text(
            f'storage = "{tmp_path}/storage"\n{ROOM}[dicom]\nhost = "127.0.0.1"\nport = {ports[0]}\n'
            f"[web]\nport = {ports[1]}\n"
        )
        code = main(["check", "--config", str(config)])
    bad = [line for line in capsys.readouterr().out.splitlines() if line.startswith("BAD")]

    assert 1 == code
    assert [("dicom.port", ports[0]), ("web.port", ports[1])] == [
        (line.split()[1].removesuffix(":"), int(line.split(" port ")[1].split()[0])) for line in bad
    ]


def answering(status, body=b""):
    def answer(connection):
        with connection:
            while b"--\r\n" not in connection.recv(1 << 16):
                pass
            head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + body)

    return answer


@pytest.mark.parametrize("status", [200, 204, 400, 409, 422])
def test_a_web_service_that_finds_nothing_to_store_is_there(status):
    with serving(answering(status)) as port:
        said = StowClient(WebArchive(name="w", url=f"http://127.0.0.1:{port}/dicom-web", timeout_s=5)).ask()

    assert f"HTTP {status}" in said


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"<!DOCTYPE html><title>Sign in</title>", DeliveryRefused),
        (200, b"\n <HTML>", DeliveryRefused),
        (302, b"", DeliveryFailed),
        (401, b"", DeliveryRefused),
        (403, b"", DeliveryRefused),
        (404, b"", DeliveryRefused),
        (405, b"", DeliveryRefused),
        (500, b"", DeliveryFailed),
        (503, b"", DestinationUnreachable),
    ],
)
def test_a_web_service_that_would_not_store_is_not(status, body, error):
    with serving(answering(status, body)) as port, pytest.raises(DeliveryError) as caught:
        StowClient(WebArchive(name="w", url=f"http://127.0.0.1:{port}/dicom-web", timeout_s=5)).ask()

    assert error is caught.type


@pytest.fixture
def scp():
    """A DICOM node that takes C-ECHO unless told otherwise; its port."""
    with ExitStack() as stack:

        def start(sop_class=Verification, status=0x0000, called=None):
            ae = AE(ae_title="THERE")
            ae.require_called_aet = called is not None
            ae.add_supported_context(sop_class)
            server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_ECHO, lambda _: status)])
            stack.callback(ae.shutdown)
            return server.server_address[1]

        yield start


def peer(port, ae_title="THERE"):
    return Peer(name="pacs", host="127.0.0.1", port=port, ae_title=ae_title, calling_ae="SCANSIDE", timeout_s=5)


def test_a_dicom_node_that_answers_c_echo_is_there(scp):
    verify(peer(scp()))


@pytest.mark.parametrize(
    ("node", "title", "error", "said"),
    [
        ({"called": True}, "ELSE", DeliveryRefused, "rejects SCANSIDE calling ELSE"),
        ({"sop_class": CTImageStorage}, "THERE", DeliveryRefused, "no C-ECHO"),
        ({"status": 0x0122}, "THERE", DeliveryFailed, "status 0122"),
    ],
)
def test_a_dicom_node_that_does_not_is_told_apart(scp, node, title, error, said):
    with pytest.raises(error, match=said):
        verify(peer(scp(**node), title))


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # pynetdicom leaves a socket that could not connect to gc
def test_a_port_that_nobody_listens_on_is_told():
    with pytest.raises(DestinationUnreachable, match="nobody answers"):
        verify(peer(free_port()))


@pytest.mark.parametrize("host", ["no-such-host.invalid", 70 * "a" + ".invalid"])
def test_a_host_that_nobody_knows_is_one_that_cannot_be_reached(host):
    with pytest.raises(DestinationUnreachable, match="check its name"):
        verify(replace(peer(104), host=host))


def silent(connection):
    with connection:
        while connection.recv(1 << 16):
            pass


def test_a_node_that_falls_silent_is_given_up_in_time():
    with serving(silent) as port, pytest.raises(DestinationUnreachable):
        verify(replace(peer(port), timeout_s=0.5))
