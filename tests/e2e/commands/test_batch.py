"""scanside batch: killed, stopped, resumed and shared, no row is missing, doubled or different.

``SCANSIDE_BATCH`` sets the number of series (a short run by default).
"""

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from builders.images.cohort import counted
from builders.peers.postgres import running_postgres
from builders.running.daemon import SCANSIDE, write_series
from pyarrow import parquet

from daemon.config import shipped_bundles
from models.bundle import load_bundle

COUNT = int(os.environ.get("SCANSIDE_BATCH", "4"))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Phantoms and heads of thick slices, a NIfTI head, a series in two folders, and what is no series at all."""
    folder = tmp_path_factory.mktemp("cohort")
    uids = [write_series(folder / f"series-{number}", number, "batch")[0] for number in range(COUNT)]
    (folder / "elsewhere").mkdir()
    moved = min((folder / "series-1").iterdir())
    moved.rename(folder / "elsewhere" / moved.name)
    bundle = load_bundle(shipped_bundles()["brain-t1"])
    shutil.copy(bundle.file(bundle.manifest.golden.images["image"]), folder / "elsewhere" / "head.nii.gz")
    (folder / "elsewhere" / "torn.nii.gz").write_bytes(b"no NIfTI")
    (folder / "notes.txt").write_text("no DICOM")
    return folder, {*uids, "elsewhere/head.nii.gz", "elsewhere/torn.nii.gz"}


def command(folder: Path, out: Path, *options: object) -> list[str]:
    return [*SCANSIDE, *map(str, ["batch", folder, "--out", out, "--name", "cohort", *options])]


def batch(folder: Path, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, out, *options), capture_output=True, text=True, check=False, timeout=300)


@contextmanager
def running(folder: Path, out: Path, *options: object):
    with subprocess.Popen(command(folder, out, *options), stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def rows(out: Path) -> list[dict]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in json.loads((out / "rows.json").read_text())]


def until(process: subprocess.Popen[str], database: str, answered: int) -> None:
    """Wait until so many series have their answer."""
    deadline = time.monotonic() + 300
    while counted(database, "cohort")[0] < answered:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def finished(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished")
    done = batch(cohort[0], out, "--parquet")
    assert (0, True) == (done.returncode, f"{COUNT + 2} series judged, 0 were before" in done.stdout), done.stderr
    assert "1 files are neither DICOM" in done.stderr
    return out


def test_every_series_has_its_row_in_every_table(cohort, finished):
    with (finished / "rows.csv").open(newline="") as file:
        table = list(csv.DictReader(file))

    assert cohort[1] == {row["series"] for row in table} == {row["series"] for row in rows(finished)}
    assert len(cohort[1]) == len(table) == parquet.read_table(finished / "rows.parquet").num_rows
    by_name = {row["series"]: row for row in table}
    head, torn = by_name["elsewhere/head.nii.gz"], by_name["elsewhere/torn.nii.gz"]
    assert head["verdict"] in {"ACCEPT", "REVIEW"}
    assert float(head["volumes_ml.grey matter"]) > 100
    assert ("NOT_ASSESSED", True) == (torn["verdict"], "readable" in torn["action"])
    assert {"12", "1"} <= {row["images"] for row in table}  # one series, two folders


def test_killed_and_stopped_and_resumed_it_gives_the_same_rows(cohort, finished, tmp_path):
    folder, database = cohort[0], f"sqlite:///{tmp_path}/cohort.sqlite"
    with running(folder, tmp_path) as process:
        until(process, database, 1)
        process.kill()
    killed, _ = counted(database, "cohort")
    with running(folder, tmp_path) as process:
        until(process, database, max(3, killed + 1))
        process.send_signal(signal.SIGTERM)
        assert (1, True) == (process.wait(120), "the same command goes on" in process.stderr.read())
    stopped, total = counted(database, "cohort")
    assert not (tmp_path / "rows.json").exists()
    with closing(sqlite3.connect(tmp_path / "cohort.sqlite")) as connection, connection:  # as a lost database leaves it
        connection.execute("UPDATE workflow_status SET status = 'ERROR' WHERE status = 'ENQUEUED'")
    resumed = batch(folder, tmp_path)

    assert COUNT + 2 == total > stopped >= killed + 1
    assert f"{total - stopped} series judged, {stopped} were before" in resumed.stdout
    assert rows(finished) == rows(tmp_path)
    before = (tmp_path / "rows.csv").read_bytes()
    assert f"0 series judged, {total} were before" in batch(folder, tmp_path).stdout
    assert before == (tmp_path / "rows.csv").read_bytes()


def test_a_folder_that_has_changed_is_taken_as_it_is_now(cohort, finished, tmp_path):
    """One series is new, one has a file less, one has gone."""
    folder, out = tmp_path / "cohort", tmp_path / "out"
    shutil.copytree(cohort[0], folder)
    shutil.copytree(finished, out)
    uid, _ = write_series(folder / "new", 1, "new")
    min((folder / "series-2").iterdir()).unlink()
    shutil.rmtree(folder / "series-3")
    done = batch(folder, out)

    assert f"2 series judged, {COUNT + 1} were before" in done.stdout
    for said in ("1 series have other files", "1 series of earlier runs are no longer in the folder"):
        assert said in done.stderr
    assert cohort[1] | {uid} == {row["series"] for row in rows(out)}
    assert COUNT + 3 == len(rows(out))
    assert 11 in {row["images"] for row in rows(out)}


def test_what_is_no_cohort_or_another_one_is_said_to_be(cohort, finished, tmp_path):
    nothing, another = batch(tmp_path, tmp_path / "out"), batch(cohort[0], finished, "--scanner", "MR1")
    nowhere = batch(cohort[0], cohort[0] / "notes.txt")

    assert (1, True) == (nowhere.returncode, "give another folder with --out" in nowhere.stderr)
    assert (1, True) == (nothing.returncode, "no series" in nothing.stderr)
    assert (1, True) == (another.returncode, "with another bundle, scanner" in another.stderr)


def test_two_machines_share_a_cohort_and_what_a_lost_one_had_is_done_by_the_other(cohort, finished, tmp_path):
    with running_postgres() as server:
        database, config = server.database(), tmp_path / "scanside.toml"
        config.write_text(f'database = "{database}"\n')
        options = ("--config", config)
        with (
            running(cohort[0], tmp_path / "a", *options) as lost,
            running(cohort[0], tmp_path / "b", *options) as other,
        ):
            query = "SELECT count(DISTINCT executor_id) FROM dbos.workflow_status"
            until(lost, database, 1)
            while "2" != server.execute(query, database.rpartition("/")[2]) and other.poll() is None:
                time.sleep(0.05)
            lost.kill()
            assert 0 == other.wait(300), other.stderr.read()

        assert rows(finished) == sorted(rows(tmp_path / "b"), key=lambda row: row["series"])
        assert "0 series judged" in batch(cohort[0], tmp_path / "a", *options).stdout
        assert rows(tmp_path / "b") == rows(tmp_path / "a")
