"""Who gets in: titles, addresses, numbers, disk, TLS; asked by real peers."""

import shutil
import socket
import ssl
import struct
import subprocess
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest
from builders.peers.peer import Peer, association_request, mr_bytes
from builders.peers.receiver import Receiver, echoscu, storescu, write_series
from builders.peers.tls import authority, vouched
from builders.running.spool import spool_settings

from daemon.__main__ import main
from daemon.core.errors import ConfigError
from daemon.dicom.protocol.pdu import PduType
from daemon.edge.receiving.listener import Listener
from daemon.edge.receiving.settings import ListenerSettings, TlsSettings
from daemon.edge.spool.writer import SpoolWriter


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


def test_a_wrong_called_title_is_rejected(folder):
    with Receiver(folder) as receiver:
        assert "Called AE Title Not Recognized" in echoscu(receiver.port, title="SOMEONE").stderr
        assert 1 == receiver.counts(rejected=1).rejected


def test_only_listed_calling_titles_get_in(folder):
    with Receiver(folder, calling_ae_titles=frozenset({"MR1", "SCANNER"})) as receiver:
        assert 0 == echoscu(receiver.port).returncode
    with Receiver(folder, calling_ae_titles=frozenset({"MR1"})) as receiver:
        assert "Calling AE Title Not Recognized" in echoscu(receiver.port).stderr


def test_an_address_not_listed_is_closed_without_a_word(folder):
    with Receiver(folder, networks=(ip_network("192.0.2.0/24"),)) as receiver, Peer(receiver.port) as peer:
        assert peer.read() is None
        assert 1 == receiver.counts(turned_away=1).turned_away


def test_a_listed_address_gets_in(folder):
    with Receiver(folder, networks=(ip_network("127.0.0.0/8"),)) as receiver:
        assert 0 == echoscu(receiver.port).returncode


def test_on_low_disk_the_association_is_rejected_before_anything_is_stored(folder, tmp_path):
    write_series(tmp_path / "series", 1)
    with Receiver(folder, spool={"free_bytes_min": 1 << 60}) as receiver:
        done = storescu(receiver.port, "+sd", tmp_path / "series")

        assert "Rejected Transient" in done.stderr
        assert "Local Limit Exceeded" in done.stderr
        assert {} == receiver.contents()


def test_one_association_too_many_is_rejected_and_room_is_made_again(folder):
    with Receiver(folder, associations_max=2) as receiver:
        with Peer(receiver.port) as first, Peer(receiver.port) as second:
            first.associate()
            second.associate()
            with Peer(receiver.port) as third:
                third.send(association_request())
                assert (PduType.ASSOCIATE_REJECT, bytes([0, 2, 3, 2])) == third.read()
            first.release()
            second.release()
        receiver.counts(active=0)
        assert 0 == echoscu(receiver.port).returncode


def test_silent_connections_beyond_the_limit_are_closed(folder):
    with Receiver(folder, connections_waiting_max=4) as receiver:
        silent = [Peer(receiver.port) for _ in range(6)]
        assert 2 == receiver.counts(turned_away=2).turned_away
        assert [None, None] == [peer.read() for peer in silent[:2]]  # the oldest
        assert 0 == echoscu(receiver.port).returncode
        for peer in silent:
            peer.socket.close()


def test_the_receiver_can_be_reached_over_ip_version_6(folder):
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IP version 6")
    with Receiver(folder, host="::1", networks=(ip_network("::1"),)) as receiver:
        connection = socket.create_connection(("::1", receiver.port), timeout=60)
        with Peer(receiver.port, connection) as peer:
            assert 0x0000 == peer.associate().store("1.2.3.1", mr_bytes())


@dataclass(frozen=True)
class Certificates:
    """Paths of an authority's certificate and of what it signed, and of a stranger's."""

    authority: Path
    server: tuple[Path, Path]
    client: tuple[Path, Path]
    stranger: tuple[Path, Path]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    authority = _self_signed(folder, "authority")
    stranger = _self_signed(folder, "stranger")
    return Certificates(
        authority[1], _signed(folder, "server", *authority), _signed(folder, "client", *authority), stranger
    )


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def _self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    new_key = ("-newkey", "rsa:2048", "-nodes", "-keyout", key)
    _openssl("req", "-x509", *new_key, "-out", certificate, "-days", 2, "-subj", f"/CN={name}")
    return key, certificate


def _signed(folder: Path, name: str, authority_key: Path, authority: Path) -> tuple[Path, Path]:
    key, request, certificate = folder / f"{name}.key", folder / f"{name}.csr", folder / f"{name}.pem"
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1")
    signer = ("-CA", authority, "-CAkey", authority_key, "-CAcreateserial")
    _openssl("x509", "-req", "-in", request, *signer, "-out", certificate, "-days", 2)
    return key, certificate


@pytest.fixture
def mutual(folder, certificates):
    key, certificate = certificates.server
    tls = TlsSettings(certificate_file=certificate, key_file=key, ca_file=certificates.authority)
    with Receiver(folder, tls=tls) as running:
        yield running


def _dcmtk_tls(pair: tuple[Path, Path], authority: Path) -> tuple[object, ...]:
    return ("+tls", *pair, "+cf", authority)


def test_dcmtk_stores_over_mutual_tls(mutual, certificates, tmp_path):
    sent = write_series(tmp_path / "series", 10, size=200)
    done = storescu(mutual.port, *_dcmtk_tls(certificates.client, certificates.authority), "+sd", tmp_path / "series")

    assert 0 == done.returncode, done.stderr
    assert sent == mutual.contents()
    assert 1 == mutual.counts(released=1).released


def test_a_client_whose_certificate_nobody_knows_is_refused(mutual, certificates):
    done = echoscu(mutual.port, *_dcmtk_tls(certificates.stranger, certificates.authority))

    assert 0 != done.returncode
    assert 1 == mutual.counts(turned_away=1).turned_away


def test_a_client_without_certificate_is_refused(mutual, certificates):
    assert 0 != echoscu(mutual.port, "+tla", "+cf", certificates.authority).returncode
    assert 0 == mutual.counts(turned_away=1).accepted


def test_plain_tcp_on_the_tls_port_is_refused(mutual):
    with Peer(mutual.port) as peer:
        peer.send(association_request())
        with pytest.raises((AssertionError, ConnectionError)):
            peer.associate()
    assert (1, 0) == (mutual.counts(turned_away=1).turned_away, mutual.counts().accepted)


def test_a_port_scan_of_the_tls_port_does_not_stop_it(mutual, certificates):
    for number in range(60):
        with Peer(mutual.port) as peer:
            peer.send(b"\x16\x03\x01" * (number % 4))
            reset_at_close = struct.pack("ii", 1, 0)
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_at_close)

    assert 0 == echoscu(mutual.port, *_dcmtk_tls(certificates.client, certificates.authority)).returncode
    assert 60 == mutual.counts(turned_away=60).turned_away


def test_clients_silent_in_the_handshake_do_not_stop_the_others(mutual, certificates):
    silent = [Peer(mutual.port) for _ in range(5)]
    done = echoscu(mutual.port, *_dcmtk_tls(certificates.client, certificates.authority))
    for peer in silent:
        peer.socket.close()

    assert 0 == done.returncode


def test_without_a_ca_file_any_client_may_use_tls(folder, certificates):
    key, certificate = certificates.server
    context = ssl.create_default_context(cafile=certificates.authority)
    context.check_hostname = False
    with Receiver(folder, tls=TlsSettings(certificate_file=certificate, key_file=key)) as receiver:
        plain = socket.create_connection(("127.0.0.1", receiver.port), timeout=60)
        with Peer(receiver.port, context.wrap_socket(plain)) as peer:
            peer.associate()
            assert 0x0000 == peer.store("1.2.3.1", mr_bytes(1, 500), 100_000)
            peer.release()
        assert {"1.2.3.1": mr_bytes(1, 500)} == receiver.contents()


def test_old_tls_is_refused(folder, certificates):
    key, certificate = certificates.server
    context = ssl.create_default_context(cafile=certificates.authority)
    context.check_hostname = False
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Receiver(folder, tls=TlsSettings(certificate_file=certificate, key_file=key)) as receiver:
        plain = socket.create_connection(("127.0.0.1", receiver.port), timeout=60)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(plain)


def test_tls_files_that_are_not_there_are_a_named_error(folder):
    writer = SpoolWriter(spool_settings(folder))
    tls = TlsSettings(certificate_file=Path("/nowhere/a.pem"), key_file=Path("/nowhere/a.key"))
    try:
        with pytest.raises(ConfigError, match="check their paths"):
            Listener(ListenerSettings(host="127.0.0.1", port=0, tls=tls), writer)
    finally:
        writer.close()


def test_the_simulated_scanner_speaks_mutual_tls(folder, tmp_path, capsys):
    trusted, unknown = authority(tmp_path), authority(tmp_path, "unknown")
    ours, theirs = vouched(tmp_path, "receiver", trusted), vouched(tmp_path, "scanner", trusted)
    tls = TlsSettings(certificate_file=ours.certificate, key_file=ours.key, ca_file=trusted.certificate)
    sent = write_series(tmp_path / "series", 3, size=64)
    with Receiver(folder, tls=tls) as receiver:
        push = ["push", str(tmp_path / "series"), "--to", f"127.0.0.1:{receiver.port}", "--called", "SCANSIDE"]
        identity = ["--tls-certificate", str(theirs.certificate), "--tls-key", str(theirs.key)]

        assert 0 == main([*push, "--tls-ca", str(trusted.certificate), *identity])
        assert 1 == main([*push, "--tls-ca", str(unknown.certificate), *identity])
        assert "cannot be reached" in capsys.readouterr().out
        assert 1 == main([*push, *identity])
        assert "--tls-ca" in capsys.readouterr().err
        assert sent == receiver.contents()
