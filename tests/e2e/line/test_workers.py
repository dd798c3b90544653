"""Receiver and workers apart, on a real PostgreSQL: a worker that is lost for good takes nothing with it."""

import os
import random
import signal
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from archive import free_port, running_archive
from builders.peers.postgres import Server
from builders.running.daemon import Daemon, running_daemon, running_workers, write_series

SERIES = int(os.environ.get("SCANSIDE_SHARED", "6"))
SILENCE_S = 8.0


@pytest.fixture(scope="module")
def site(server, tmp_path_factory):
    """A daemon that only receives, and an archive; the test brings the workers."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "archive").mkdir()
    database = server.database()
    extra = f'database = "{database}"\n[work]\nsilence_s = {SILENCE_S}\n[completion]\nquiet_s = 2.0'
    with (
        running_archive(folder / "archive") as archive,
        running_daemon(folder, archive, extra, options=("--no-work",)) as daemon,
    ):
        yield daemon, archive, database.rpartition("/")[2]


def push(daemon: Daemon, seed: str, series: int) -> set[str]:
    """Push heads, which take a second or so each; their UIDs."""
    pushed = set()
    for number in range(0, 4 * series, 4):
        folder = daemon.config.parent / f"{seed}-{number}"
        uid, _ = write_series(folder, number, seed)
        assert 0 == daemon.push(folder).returncode
        pushed.add(uid)
    return pushed


def at_work(server: Server, database: str, pid: int, seconds: float = 180) -> None:
    """Wait until the worker with this process id has a series under way."""
    query = (
        "SELECT count(*) FROM dbos.workflow_status, workers WHERE status = 'PENDING' "
        f"AND executor_id = worker AND pid = {pid}"
    )
    deadline = time.monotonic() + seconds
    while "0" == server.execute(query, database):
        assert time.monotonic() < deadline, "the worker gets nothing to do"
        time.sleep(0.05)


def given_up(server: Server, database: str, pid: int, seconds: float = 60) -> None:
    """Wait until the others have struck the worker with this process id off the roster."""
    deadline = time.monotonic() + seconds
    while "0" != server.execute(f"SELECT count(*) FROM workers WHERE pid = {pid}", database):
        assert time.monotonic() < deadline, "nobody gives the silent worker up"
        time.sleep(0.2)


def stop_within_a_transaction(server: Server, database: str, pid: int, seconds: float = 5) -> None:
    """Stop this process, if it can be met so while it has written what it has not committed: that stays locked.

    It runs nine tenths of the time meanwhile, or the others would give it up before it is stopped.
    """
    query = (
        "SELECT coalesce(string_agg(pid || ' ' || backend_xid, ','), '') FROM pg_stat_activity "
        f"WHERE state = 'idle in transaction' AND backend_xid IS NOT NULL AND datname = '{database}'"
    )
    deadline = time.monotonic() + seconds
    while True:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.02)
        open_now = server.execute(query, database)
        if time.monotonic() > deadline:
            return
        if open_now:
            time.sleep(0.3)  # whose process runs has ended its transaction by then
            if set(open_now.split(",")) & set(server.execute(query, database).split(",")):
                return
        os.kill(pid, signal.SIGCONT)
        time.sleep(random.uniform(0.2, 0.4))


def finished(daemon: Daemon, pushed: set[str], seconds: float = 180) -> list[dict]:
    """The records of what was pushed, once all is done."""
    deadline = time.monotonic() + seconds
    while True:
        records = [record for record in daemon.known() if record["series"] in pushed]
        if len(records) == len(pushed) and {"DONE"} == {record["state"] for record in records}:
            return records
        assert time.monotonic() < deadline, records
        time.sleep(0.2)


def test_lost_workers_take_nothing_with_them_and_change_nothing_if_they_come_back(
    site, server, record_testsuite_property
):
    """One is killed, one falls silent as a machine does whose network is gone: the third ends what they had begun."""
    daemon, archive, database = site
    with ExitStack() as stack:
        killed, silent = stack.enter_context(running_workers(daemon, "killed", "silent"))
        pushed = push(daemon, "workers", SERIES)
        at_work(server, database, killed.pid)
        killed.kill()
        at_work(server, database, silent.pid)
        stop_within_a_transaction(server, database, silent.pid)
        (other,) = stack.enter_context(running_workers(daemon, "other"))
        began = time.monotonic()
        records = finished(daemon, pushed)
        record_testsuite_property("workers", f"all done {time.monotonic() - began:.0f} s after the second was lost")

        assert {1} == {record["revision"] for record in records}
        assert 2 * len(pushed) == archive.counts()[3] == len(archive.order())
        files = {record["sr"]: Path(record["sr"]).read_bytes() for record in records}
        given_up(server, database, silent.pid)  # also where it was met with nothing in hand, and all is done at once
        os.kill(silent.pid, signal.SIGCONT)
        assert os.EX_SOFTWARE == silent.wait(60)  # it knows that it was given up
        assert "given this one up" in daemon.config.with_name("silent.log").read_text()
        assert 2 * len(pushed) == archive.counts()[3]
        assert records == finished(daemon, pushed)
        assert files == {record["sr"]: Path(record["sr"]).read_bytes() for record in records}
        other.send_signal(signal.SIGTERM)
        assert 0 == other.wait(60)
    assert "1" == server.execute("SELECT count(*) FROM workers", database)  # the daemon; the lost are off the roster


def test_a_database_that_is_away_for_longer_than_silence_costs_no_worker_and_no_series(site, server):
    daemon, archive, database = site
    before = archive.counts()[3]
    with running_workers(daemon, "one", "two") as workers:
        pushed = push(daemon, "away", 2)
        at_work(server, database, workers[0].pid)
        server.stop()
        time.sleep(SILENCE_S + 3)
        server.start()
        records = finished(daemon, pushed)

        assert {1} == {record["revision"] for record in records}
        assert before + 2 * len(pushed) == archive.counts()[3]
        assert [None, None] == [worker.poll() for worker in workers]
        assert "3" == server.execute("SELECT count(*) FROM workers", database)
        logs = "".join(daemon.config.with_name(f"{name}.log").read_text() for name in ("daemon", "one", "two"))
        assert "given this one up" not in logs


def test_a_daemon_that_leaves_work_to_others_loads_no_bundle(site):
    daemon, _, _ = site

    assert not [line for line in daemon.metrics() if line.startswith("scanside_bundle_info{")]


def test_a_worker_has_metrics_of_its_own(site):
    daemon, _, _ = site
    port = free_port()
    with (
        running_workers(daemon, "measured", options=("--metrics-port", str(port))),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=120) as answer,
    ):
        assert b"scanside_series_answered_total" in answer.read()
