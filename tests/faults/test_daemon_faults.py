"""The whole daemon with a poisoned item in each of several loops: it keeps its processes, and all behind is done."""

import os
import signal
import sqlite3
import subprocess
from contextlib import closing, contextmanager

from archive import free_port
from builders.running.daemon import CHEAP, SCANSIDE, running_daemon, start_beside, wait_until, write_series
from builders.running.damage import arrivals, flip

from daemon.config import load_settings

GOOD = [number for number in range(1, 15) if number % 4][:10]  # phantoms, answered at once
BAD, OWED = 17, 18


def absent() -> str:
    """A destination that is never there, so that everything stays owed to it."""
    return (
        '[[destinations]]\nname = "absent"\nhost = "127.0.0.1"\nae_title = "NOBODY"\n'
        f'port = {free_port()}\nverdicts = ["NOT_ASSESSED"]\n'
    )


@contextmanager
def receiving(daemon, folder):
    """A receiver alone."""
    process = start_beside(daemon, folder / "receiver.log", "receive")
    wait_until(lambda: b"receiver_started" in (folder / "receiver.log").read_bytes())
    yield
    process.send_signal(signal.SIGTERM)
    assert 0 == process.wait(120)


def send(daemon, folder, numbers):
    """The UIDs of series that were acknowledged, by number."""
    sent = {}
    for number in numbers:
        sent[number], _ = write_series(folder / str(number), number, "faults")
        assert 0 == daemon.push(folder / str(number)).returncode
    return sent


def answers(daemon):
    """What was said of each series that has an answer, by its UID."""
    return {record["series"]: record["action"] for record in daemon.known() if record["verdict"]}


def other_ports(daemon):
    """The same configuration for a second daemon."""
    config = daemon.config.with_name("second.toml")
    text = daemon.config.read_text().replace(str(daemon.dicom_port), str(free_port()))
    config.write_text(text.replace(str(daemon.web_port), str(free_port())))
    return config


def faults(daemon, loop):
    (line,) = [line for line in daemon.metrics() if line.startswith(f'scanside_faults_total{{loop="{loop}"}}')]
    return float(line.split()[1])


def processes(daemon):
    return daemon.process.pid, daemon.working_pid(), daemon.living_receiver_pid()


def test_poisoned_items_cost_themselves_and_nothing_behind_them_also_after_a_restart(tmp_path):
    with running_daemon(tmp_path, None, "[completion]\nquiet_s = 2.0\n" + absent()) as daemon:
        storage = load_settings(daemon.config).storage
        sent = send(daemon, tmp_path, [OWED])
        wait_until(lambda: len(answers(daemon)) == 1)
        assert 0 == daemon.stop()
        for report in (storage / "reports").glob("*.dcm"):
            report.write_bytes(b"")
        (storage / "references-brain-t1.json").write_bytes(b"{")
        with receiving(daemon, tmp_path):
            sent |= send(daemon, tmp_path, [BAD, *GOOD])
        first_of_bad = len([*(tmp_path / str(OWED)).iterdir()])
        flip(storage / "spool", arrivals(storage / "spool")[first_of_bad], -1)

        daemon.start()
        before = processes(daemon)
        wait_until(lambda: len(answers(daemon)) == len(sent))
        wait_until(lambda: 2 == len(daemon.known_parked()))
        said = answers(daemon)

        assert {sent[BAD]} == {uid for uid, action in said.items() if "can no longer be read" in action}
        assert before == processes(daemon)
        assert "ready\n" == daemon.obstacles()
        assert 0 == daemon.stop()
        daemon.start()
        before = processes(daemon)
        sent |= send(daemon, tmp_path, [19])
        wait_until(lambda: len(answers(daemon)) == len(sent))

        assert said == {uid: action for uid, action in answers(daemon).items() if uid != sent[19]}
        assert before == processes(daemon)


def test_over_a_damaged_database_it_receives_and_says_what_to_do_and_goes_on_once_it_is_done(tmp_path):
    with running_daemon(tmp_path, None, f"{CHEAP}\n[completion]\nquiet_s = 2.0") as daemon:
        storage = load_settings(daemon.config).storage
        sent = send(daemon, tmp_path, GOOD[:1])
        wait_until(lambda: len(answers(daemon)) == 1)
        assert 0 == daemon.stop()
        with (storage / "scanside.sqlite").open("r+b") as file:
            file.write(b"\xa5" * 100)

        daemon.start(ready=False)
        wait_until(lambda: "rename scanside.sqlite" in daemon.obstacles())
        before = processes(daemon)
        sent |= send(daemon, tmp_path, GOOD[1:3])
        for path in storage.glob("scanside.sqlite*"):
            path.rename(tmp_path / path.name)
        daemon.wait_until_ready()
        wait_until(lambda: {*answers(daemon)} == {*sent.values()})

        assert before == processes(daemon)


def test_it_starts_and_works_where_nobody_reads_its_log(tmp_path):
    with running_daemon(tmp_path, None, f"{CHEAP}\n[completion]\nquiet_s = 2.0", ready=False) as daemon:
        daemon.kill()
        reading, writing = os.pipe()
        os.close(reading)
        daemon.process = subprocess.Popen(
            [*SCANSIDE, "run", "--config", str(daemon.config)], stderr=writing, start_new_session=True
        )
        os.close(writing)
        daemon.wait_until_ready()
        sent = send(daemon, tmp_path, GOOD[:1])
        wait_until(lambda: {*answers(daemon)} == {*sent.values()})

        assert 0 == daemon.stop()


@contextmanager
def refusing(database, statement, table):
    """The database refuses one kind of change of a table, of which nothing can say that it will pass."""
    with closing(sqlite3.connect(database, timeout=120)) as connection:
        connection.execute(
            f"CREATE TRIGGER refusing BEFORE {statement} ON {table} BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        yield
        connection.execute("DROP TRIGGER refusing")


def test_a_fault_in_a_turn_is_told_and_tried_again_and_ends_no_process(tmp_path):
    with running_daemon(tmp_path, None, f"{CHEAP}\n[completion]\nquiet_s = 2.0\n{absent()}") as daemon:
        database, before = load_settings(daemon.config).storage / "scanside.sqlite", processes(daemon)
        with refusing(database, "UPDATE", "workers"):
            wait_until(lambda: "roster stands still" in daemon.obstacles())
        with refusing(database, "INSERT", "spool_position"):
            sent = send(daemon, tmp_path, GOOD[:1])
            wait_until(lambda: "assembly stands still" in daemon.obstacles())
        wait_until(lambda: {*answers(daemon)} == {*sent.values()})
        with refusing(database, "UPDATE", "series"):
            sent |= send(daemon, tmp_path, GOOD[1:3])
            wait_until(lambda: faults(daemon, "judging") >= 6)
        with refusing(database, "UPDATE", "deliveries"):
            wait_until(lambda: "to absent stands still" in daemon.obstacles())
            wait_until(lambda: {*answers(daemon)} == {*sent.values()})
        wait_until(lambda: "ready\n" == daemon.obstacles())

        assert before == processes(daemon)
        assert 1 <= faults(daemon, "roster")
        second = subprocess.run(
            [*SCANSIDE, "run", "--no-receive", "--config", str(other_ports(daemon))],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (1, True) == (second.returncode, "another daemon is using" in second.stderr)
