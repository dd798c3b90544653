"""Files and folders that only their owner may read, whatever the umask and whatever lay there before."""

import os
import stat

import pytest

from daemon.core.values import ReportKind, ReportObject
from daemon.edge.database.migrations import open_database
from daemon.edge.delivery.folder import DropFolder, FolderWriter
from daemon.edge.durable import drafted, taking_place, write_whole
from daemon.edge.files.reports import Reports
from daemon.edge.private import claim_storage, exposed
from daemon.edge.receiving.status import ReceiverStatus, write_status


@pytest.fixture(autouse=True)
def wide_open():
    """Others may do everything, unless the code forbids it."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder):
    return {path.name: oct(stat.S_IMODE(path.lstat().st_mode)) for path in folder.rglob("*")}


def report():
    return ReportObject(
        kind=ReportKind.SR, sop_instance_uid="2.25.1", sop_class_uid="1", series_instance_uid="2", payload=b"SR"
    )


def test_what_is_written_is_private_by_itself(tmp_path):
    write_whole(tmp_path / "whole", b"x")
    with taking_place(tmp_path / "table") as partial:
        partial.write_text("x")
    with drafted({Reports(tmp_path / "reports").path("2.25.1"): b"SR"}) as place:
        place(lambda: None)
    write_status(tmp_path, ReceiverStatus(pid=1, port=1, started_at=0.0))
    engine = open_database(f"sqlite:///{tmp_path / 'scanside.sqlite'}")
    found = modes(tmp_path)
    engine.dispose()

    assert {"reports": "0o700"} == {name: mode for name, mode in found.items() if mode != "0o600"}
    assert {"whole", "table", "2.25.1.dcm", "receiver.json", "scanside.sqlite", "scanside.sqlite-wal"} <= found.keys()


def test_a_draft_that_an_older_version_left_open_does_not_lend_its_mode(tmp_path):
    (tmp_path / "whole.part").write_bytes(b"left")
    write_whole(tmp_path / "whole.txt", b"x")

    assert "0o600" == modes(tmp_path)["whole.txt"]


def test_an_older_versions_tree_is_tightened_and_nothing_beside_it(tmp_path):
    storage = tmp_path / "storage"
    for folder in ("spool/steps", "reports", "mine"):
        (storage / folder).mkdir(parents=True)
    kept = ("spool/a.spool", "spool/steps/b", "reports/c.dcm", "site.key", "references-x.json", "scanside.sqlite-wal")
    for name in (*kept, "mine/notes", "notes"):
        (storage / name).write_text("x")
    (tmp_path / "elsewhere").write_text("x")
    (storage / "reports" / "link").symlink_to(tmp_path / "elsewhere")
    claim_storage(storage)

    assert [] == list(exposed(storage))
    assert {"0o600"} == {oct(stat.S_IMODE((storage / name).stat().st_mode)) for name in kept}
    assert {"0o666"} == {oct((tmp_path / name).stat().st_mode & 0o777) for name in ("elsewhere", "storage/notes")}
    assert 0o700 == stat.S_IMODE(storage.stat().st_mode)


def test_a_folder_that_everybody_may_write_to_keeps_its_mode(tmp_path):
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    claim_storage(shared)

    assert 0o1777 == stat.S_IMODE(shared.stat().st_mode)


@pytest.mark.parametrize(("folder", "file"), [(0o755, 0o644), (0o2770, 0o640), (0o700, 0o600), (0o777, 0o644)])
def test_who_may_read_a_watched_folder_may_read_what_is_delivered_there(tmp_path, folder, file):
    watched = tmp_path / "watched"
    watched.mkdir()
    watched.chmod(folder)
    FolderWriter(DropFolder(name="share", path=watched)).deliver(report())

    assert {"2.25.1.dcm": oct(file)} == modes(watched)
