"""What only an operator can mend is said in words before anything is started, whichever it is."""

import os
import socket
import subprocess

import pytest
from archive import free_port
from builders.peers.tls import authority
from builders.running.daemon import SCANSIDE

from daemon.checks import find, receiving_checks
from daemon.config import Settings

DESTINATION = "[[destinations]]\nname = 'pacs'\nhost = 'h'\nport = 104\nae_title = 'A'\n"


def written(folder, text, dicom=""):
    path = folder / "scanside.toml"
    storage = "" if "storage =" in text else f"storage = '{folder}/storage'\n"
    listening = f"[dicom]\nhost = '127.0.0.1'\nport = {free_port()}\n{dicom}\n[web]\nport = {free_port()}\n"
    path.write_text(f"{storage}{text}\n{listening}")
    return path


def begun(path, *arguments):
    return subprocess.run(
        [*SCANSIDE, *arguments, "--config", str(path)], capture_output=True, text=True, check=False, timeout=60
    )


def is_said(finished, *words):
    assert 1 == finished.returncode, finished.stderr
    assert finished.stderr.startswith("scanside: ")
    assert [] == [word for word in words if word not in finished.stderr]
    assert not {word for word in ("Traceback", '"ready"', "receiver_started") if word in finished.stderr}
    assert "" == finished.stdout


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", [["run"], ["run", "--no-work"], ["work"]])
def test_whatever_command_is_started(tmp_path, command):
    path = written(tmp_path, "[alerts]\nurls = ['foo://secret']")

    is_said(begun(path, *command), "alerts.urls: alert-1: not a URL that Apprise can use (foo:...)")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("storage = '/dev/null/x'", ["storage: ", "cannot write to /dev/null/x", "set another folder"]),
        ("bundles = { brain-t1 = '/nowhere' }", ["bundle brain-t1: no manifest.json in /nowhere"]),
        ("database = 'mysql://u:secret@h/d'", ["database: not an address, write postgresql://"]),
        (f"{DESTINATION}tls = {{ ca_file = '/nowhere.pem' }}", ["destination pacs: ", "/nowhere.pem"]),
        ("[[destinations]]\nname = 'w'\nkind = 'stow'\nurl = 'ftp://h'", ["destinations[0].url: not an address"]),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, text, said):
    finished = begun(written(tmp_path, text), "run")

    is_said(finished, *said)
    assert "secret" not in finished.stderr


@pytest.mark.parametrize("command", [["run"], ["receive"]])
def test_a_port_that_another_program_holds(tmp_path, taken, command):
    path = written(tmp_path, "")
    path.write_text(path.read_text().replace("port = ", f"port = {taken} # ", 1))

    is_said(begun(path, *command), f"dicom.port: cannot listen on 127.0.0.1 port {taken}", "or choose another")


def test_the_pages_port_that_another_program_holds(tmp_path, taken):
    path = tmp_path / "scanside.toml"
    path.write_text(
        f"storage = '{tmp_path}/storage'\n[dicom]\nhost = '127.0.0.1'\nport = {free_port()}\n[web]\nport = {taken}\n"
    )

    is_said(begun(path, "run"), f"web.port: cannot listen on 127.0.0.1 port {taken}")


def test_files_of_tls_that_are_none(tmp_path):
    for name in ("us.pem", "us.key"):
        (tmp_path / name).write_text("-----BEGIN CERTIFICATE-----\ngarbage\n-----END CERTIFICATE-----\n")
    tls = f"tls = {{ certificate_file = '{tmp_path}/us.pem', key_file = '{tmp_path}/us.key' }}"

    is_said(begun(written(tmp_path, "", dicom=tls), "run"), "dicom.tls: the TLS files of the receiver cannot be used")


def test_a_key_of_another_certificate(tmp_path):
    one, other = authority(tmp_path, "one"), authority(tmp_path, "other")
    tls = f"tls = {{ certificate_file = '{one.certificate}', key_file = '{other.key}' }}"

    is_said(begun(written(tmp_path, "", dicom=tls), "receive"), "dicom.tls: ")


def test_all_of_it_at_once(tmp_path):
    text = (
        f"bundles = {{ brain-t1 = '/nowhere' }}\nstorage = '/dev/null/x'\n[alerts]\nurls = ['foo://x']\n{DESTINATION}"
    )
    finished = begun(written(tmp_path, text + "tls = { ca_file = '/nowhere.pem' }"), "run")

    is_said(finished, "bundle brain-t1: ", "storage: ", "alerts.urls: ", "destination pacs: ")


@pytest.mark.parametrize("place", ["", "below"], ids=["the folder", "one in it"])
def test_a_storage_folder_that_is_another_users(tmp_path, place):
    """Root may write anywhere: it becomes somebody else in a process of its own."""
    tmp_path.chmod(0o500)
    settings = Settings(storage=tmp_path / place)
    child = os.fork()
    if child == 0:
        refused = False
        try:
            if os.geteuid() == 0:
                os.setuid(54321)  # nobody has this number, as in a container
            finding = find(next(iter(receiving_checks(settings))))
            refused = not finding.good and f"cannot write to {settings.storage}" in finding.detail
        finally:
            os._exit(0 if refused else 1)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
