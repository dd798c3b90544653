"""What is kept on disk is its owner's alone, from the first start on and after an older version."""

import os
import stat
from contextlib import contextmanager

import pytest
from builders.running.daemon import CHEAP, running_daemon, write_golden


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def open_to_others(folder):
    """What `find FOLDER -perm /077` finds."""
    every = [folder, *folder.rglob("*")]
    return sorted(str(path) for path in every if path.lstat().st_mode & 0o077)


@pytest.mark.parametrize(("mask", "bundles"), [(0o000, ""), (0o022, CHEAP)], ids=["0-shipped", "22-cheap"])
def test_after_a_days_run_others_can_read_nothing_of_the_storage(tmp_path, mask, bundles):
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    destination = f'[[destinations]]\nname = "share"\nkind = "folder"\npath = "{shared}"\n'
    series = write_golden(tmp_path / "pushed")
    with umask(mask), running_daemon(tmp_path, extra=f"{bundles}\n{destination}") as daemon:
        assert 0 == daemon.push(tmp_path / "pushed").returncode
        daemon.done(series)
        kept = sorted(path.name for path in (tmp_path / "storage").iterdir())
        running = open_to_others(tmp_path / "storage")
        assert 0 == daemon.stop()
        older = [tmp_path / "storage", *(tmp_path / "storage").rglob("*")]
        for path in older:
            path.chmod(path.stat().st_mode | 0o055)
        daemon.start()
        assert 0 == daemon.stop()

    assert {"reports", "scanside.sqlite", "scanside.sqlite-shm", "scanside.sqlite-wal", "site.key", "spool"} <= set(
        kept
    )
    assert 2 == len(list((tmp_path / "storage" / "reports").glob("*.dcm")))
    assert [] == running
    assert [] == open_to_others(tmp_path / "storage")
    # delivered for others to read, as the folder is; nobody but us may change it
    assert [0o644, 0o644] == [stat.S_IMODE(path.stat().st_mode) for path in shared.iterdir()]
