"""C-STORE over TLS to DCMTK's storescp: both sides prove who they are, or nothing is sent."""

import gc
import logging
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from archive import free_port
from builders.judging.report import make_header, make_judgement, make_series
from builders.peers.tls import Identity, authority, vouched

from daemon.core.errors import ConfigError, DestinationUnreachable
from daemon.core.values import ReportObject
from daemon.dicom.report.evidence import gather_evidence
from daemon.dicom.report.sr import build_sr
from daemon.edge.delivery.dicom import Peer, StorageScu
from daemon.edge.tls import TlsSettings

STORESCP = "/usr/bin/storescp"


@dataclass(frozen=True, slots=True)
class SecurePeer:
    """A storescp that speaks TLS only, what came in, and how to be let in."""

    port: int
    folder: Path
    tls: TlsSettings

    def scu(self, tls: TlsSettings | None) -> StorageScu:
        return StorageScu(
            Peer(
                name="pacs",
                host="127.0.0.1",
                port=self.port,
                ae_title="ARCHIVE",
                calling_ae="SCANSIDE",
                timeout_s=5,
                tls=tls,
            )
        )

    def received(self) -> list[Path]:
        return list(self.folder.iterdir())


@pytest.fixture(scope="module")
def report() -> ReportObject:
    return build_sr(gather_evidence(make_series(24), make_header()), make_judgement())


@contextmanager
def listening(identity: Identity, trusted: Identity, folder: Path) -> Iterator[int]:
    port = free_port()
    command = [
        STORESCP, "+tls", identity.key, identity.certificate, "+cf", trusted.certificate, "-rc", "-pm", "+xa",
        "-od", folder, "-aet", "ARCHIVE", port,
    ]  # fmt: skip
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            time.sleep(0.5)
            assert process.poll() is None, process.stdout.read()
            yield port
        finally:
            process.terminate()
            process.wait(120)


@pytest.fixture
def secure(tmp_path) -> Iterator[SecurePeer]:
    root = authority(tmp_path)
    ours, folder = vouched(tmp_path, "scanside", root), tmp_path / "received"
    folder.mkdir()
    tls = TlsSettings(ca_file=root.certificate, certificate_file=ours.certificate, key_file=ours.key)
    with listening(vouched(tmp_path, "pacs", root), root, folder) as port:
        yield SecurePeer(port, folder, tls)


def test_with_certificates_on_both_sides_the_report_arrives(secure, report):
    assert "" == secure.scu(secure.tls).deliver(report)

    (came,) = secure.received()
    assert report.sop_instance_uid in came.name


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # pynetdicom leaves a socket that could not connect to gc
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_whom_either_side_does_not_trust_gets_nothing(secure, report, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL + 1, "pynetdicom")  # pytest would keep its tracebacks, and they the sockets
    (tmp_path / "other").mkdir()
    stranger = authority(tmp_path / "other", "stranger")
    posing = vouched(tmp_path / "other", "posing", stranger)
    wrong = [
        None,  # plain
        replace(secure.tls, ca_file=stranger.certificate),
        replace(secure.tls, server_name="another.example"),
        replace(secure.tls, certificate_file=posing.certificate, key_file=posing.key),
        replace(secure.tls, certificate_file=None, key_file=None),
    ]
    for tls in wrong:
        with pytest.raises(DestinationUnreachable):
            secure.scu(tls).deliver(report)

    gc.collect()
    assert [] == secure.received()


def test_a_file_that_is_no_certificate_is_named(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        SecurePeer(1, tmp_path, TlsSettings()).scu(TlsSettings(ca_file=tmp_path / "ca.pem"))
