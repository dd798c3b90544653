"""scanside batch: killed and resumed, no row is missing, doubled or different.

``SCANSIDE_BATCH`` sets the number of series (a short run by default).
"""

import csv
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from builders_daemon import SCANSIDE, write_series

from daemon.batch import find_series
from daemon.config import Settings
from daemon.core.errors import ConfigError
from models.bundle import load_bundle

COUNT = int(os.environ.get("SCANSIDE_BATCH", "5"))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Phantoms and coarse heads, a NIfTI head, a series in two folders, and what is no series at all."""
    folder = tmp_path_factory.mktemp("cohort")
    uids = [write_series(folder / f"series-{number}", number, "batch")[0] for number in range(COUNT)]
    (folder / "elsewhere").mkdir()
    moved = min((folder / "series-1").iterdir())
    moved.rename(folder / "elsewhere" / moved.name)
    bundle = load_bundle(Settings().bundle)
    shutil.copy(bundle.file(bundle.manifest.golden.series), folder / "elsewhere" / "head.nii.gz")
    (folder / "elsewhere" / "torn.nii.gz").write_bytes(b"no NIfTI")
    (folder / "notes.txt").write_text("no DICOM")
    return folder, {*uids, "elsewhere/head.nii.gz", "elsewhere/torn.nii.gz"}


def command(folder: Path, out: Path) -> list[str]:
    return [*SCANSIDE, "batch", str(folder), "--out", str(out)]


def rows(out: Path) -> list[dict]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in json.loads((out / "rows.json").read_text())]


@pytest.fixture(scope="module")
def finished(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished")
    said = subprocess.run(command(cohort[0], out), capture_output=True, text=True, check=True).stdout
    assert f"{COUNT + 2} series judged, 0 were before" in said
    return out


def test_every_series_has_its_row_as_text_and_as_json(cohort, finished):
    with (finished / "rows.csv").open(newline="") as file:
        table = list(csv.DictReader(file))

    assert cohort[1] == {row["series"] for row in table} == {row["series"] for row in rows(finished)}
    assert len(cohort[1]) == len(table)
    by_name = {row["series"]: row for row in table}
    head, torn = by_name["elsewhere/head.nii.gz"], by_name["elsewhere/torn.nii.gz"]
    assert head["verdict"] in {"ACCEPT", "REVIEW"}
    assert float(head["volumes_ml.grey matter"]) > 100
    assert ("NOT_ASSESSED", True) == (torn["verdict"], "readable" in torn["action"])
    assert {"12", "1"} <= {row["images"] for row in table}  # one series, two folders


def test_killed_and_resumed_it_gives_the_same_rows(cohort, finished, tmp_path):
    journal = tmp_path / "journal.jsonl"
    with subprocess.Popen(command(cohort[0], tmp_path), stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
    with journal.open("ab") as file:
        file.write(b'{"series": "torn by the ki')
    done = journal.read_bytes().count(b"\n")
    said = subprocess.run(command(cohort[0], tmp_path), capture_output=True, text=True, check=True).stdout

    assert f"{COUNT + 2 - done} series judged, {done} were before" in said
    assert rows(finished) == rows(tmp_path)
    before = (tmp_path / "rows.csv").read_bytes()
    again = subprocess.run(command(cohort[0], tmp_path), capture_output=True, text=True, check=True).stdout
    assert "0 series judged" in again
    assert before == (tmp_path / "rows.csv").read_bytes()


def test_what_is_no_cohort_is_said_to_be_none(tmp_path, cohort):
    with pytest.raises(ConfigError, match="no series"):
        find_series(tmp_path)
    (tmp_path / "journal.jsonl").write_text("not ours\n")
    finished = subprocess.run(command(cohort[0], tmp_path), capture_output=True, text=True, check=False)

    assert (1, True) == (finished.returncode, "no journal of ours" in finished.stderr)
