"""Scanners take turns in the real queue: one with many series waiting holds up none of the others."""

import subprocess
import sys
from pathlib import Path

from builders_postgres import running_postgres
from builders_turns import BUSY

SCRIPT = Path(__file__).parents[1] / "builders_turns.py"
#: BUSY had fifty series waiting when RARE's three came, and was at its tenth when LATE's first came.
ORDER = [
    *("BUSY 1", "RARE 1", "BUSY 2", "RARE 2", "BUSY 3", "RARE 3"),
    *(f"BUSY {number}" for number in range(4, 11)),
    "LATE 1",
    *(f"BUSY {number}" for number in range(11, BUSY + 2)),
]


def judged(url: str, *options: str, code: int = 0) -> list[str]:
    finished = subprocess.run(
        [sys.executable, SCRIPT, url, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=SCRIPT.parents[1],
        env={"PYTHONPATH": ".", "OMP_NUM_THREADS": "1"},
    )
    assert code == finished.returncode, finished.stderr[-3000:]
    return finished.stdout.splitlines()


def test_scanners_take_turns_and_each_keeps_its_own_order(tmp_path):
    assert ORDER == judged(f"sqlite:///{tmp_path}/scanside.sqlite")


def test_a_process_that_is_killed_leaves_the_turns_as_they_were():
    with running_postgres() as server:
        url = server.database()
        before, after = judged(url, "4", code=1), judged(url)

    assert ORDER[:4] == before
    assert ORDER[5:] == [name for name in after if name != ORDER[4]]
    assert after.index(ORDER[4]) < 3  # handed out again as soon as its worker is known to be lost
