"""A PostgreSQL that goes away and comes back: receiving goes on meanwhile, and everything received is judged after."""

import time
from pathlib import Path

from archive import running_archive
from builders.running.daemon import CHEAP, Daemon, running_daemon, wait_until, write_series


def push(daemon: Daemon, folder: Path, numbers: range) -> dict[str, int]:
    """Push series by storescu, every image acknowledged; their UIDs, and how many images each has."""
    pushed = {}
    for number in numbers:
        uid, files = write_series(folder / f"series-{number}", number, "gone")
        assert 0 == daemon.push(folder / f"series-{number}").returncode
        pushed[uid] = len(files)
    return pushed


def test_a_database_that_goes_away_takes_neither_receiver_nor_images_with_it(server, tmp_path):
    """Stopped while a head is judged and for two more series, started again, and once more for a stop of the daemon."""
    (tmp_path / "archive").mkdir()
    database = f'database = "{server.database()}"\n[completion]\nquiet_s = 2.0'
    with running_archive(tmp_path / "archive") as archive, running_daemon(tmp_path, archive, database) as daemon:
        receiver = daemon.receiver_pid()
        pushed = push(daemon, tmp_path, range(1))
        wait_until(lambda: {"ASSESSING"} == {record["state"] for record in daemon.known()})
        server.stop()
        wait_until(lambda: "the database does not answer" in daemon.obstacles())
        pushed |= push(daemon, tmp_path, range(1, 3))
        assert "scanside_database_up 0.0" in daemon.metrics()
        assert daemon.get("cards")
        assert receiver == daemon.receiver_pid()
        server.start()
        records = [daemon.done(uid) for uid in pushed]

        assert "ready\n" == daemon.obstacles()
        assert pushed == {record["series"]: record["images"] for record in records}
        assert len(pushed) == len(daemon.known())
        assert 2 * len(pushed) == archive.counts()[3]
        assert receiver == daemon.receiver_pid()
        server.stop()
        began = time.monotonic()
        assert 0 == daemon.stop()
        assert time.monotonic() - began < 45  # what deploy/scanside.service gives it
        server.start()


def test_a_daemon_that_starts_before_its_database_receives_from_the_first_second_on(server, tmp_path):
    url = server.database()
    server.stop()
    with running_daemon(tmp_path, None, f'{CHEAP}\ndatabase = "{url}"', ready=False) as daemon:
        wait_until(lambda: "the database does not answer yet" in daemon.obstacles())
        wait_until((tmp_path / "storage" / "spool" / "receiver.json").exists)
        pushed = push(daemon, tmp_path, range(1, 2))
        server.start()
        (uid,) = pushed

        assert pushed[uid] == daemon.done(uid)["images"]
