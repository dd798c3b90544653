"""Scanners take turns in the real queue: one with many series waiting holds up none of the others."""

import subprocess
import sys
from pathlib import Path

from builders.peers.postgres import running_postgres
from builders.running.turns import BUSY

SCRIPT = Path(__file__).parents[2] / "builders" / "running" / "turns.py"
#: BUSY had fifty series waiting when RARE's three came, and was at its tenth when LATE's first came.
ORDER = [
    *("BUSY 1", "RARE 1", "BUSY 2", "RARE 2", "BUSY 3", "RARE 3"),
    *(f"BUSY {number}" for number in range(4, 11)),
    "LATE 1",
    *(f"BUSY {number}" for number in range(11, BUSY + 2)),
]


def judged(url: str, *options: str, code: int = 0) -> list[str]:
    finished = subprocess.run(
        [sys.executable, "-P", SCRIPT, url, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=SCRIPT.parents[2],
        env={"PYTHONPATH": ".:tests", "OMP_NUM_THREADS": "1"},
    )
    assert code == finished.returncode, finished.stderr[-3000:]
    return finished.stdout.splitlines()


def test_scanners_take_turns_and_each_keeps_its_own_order(tmp_path):
    assert ORDER == judged(f"sqlite:///{tmp_path}/scanside.sqlite")


def test_a_process_that_is_killed_leaves_the_turns_as_they_were_and_what_failed_is_begun_anew():
    with running_postgres() as server:
        url = server.database()
        before, after = judged(url, "4", "2", code=1), judged(url)

    failed, killed = "BUSY 2", "RARE 3"
    assert [name for name in ORDER[:5] if name != failed] == before
    assert ORDER[6:] == [name for name in after if name not in {failed, killed}]
    assert max(after.index(failed), after.index(killed)) < 4  # handed out again as soon as that is known


def test_work_of_an_older_version_is_begun_anew_once_and_keeps_its_turns(tmp_path):
    url = f"sqlite:///{tmp_path}/scanside.sqlite"
    before, after = judged(url, "4", "0", "1", code=1), judged(url)

    assert ORDER == before + after
