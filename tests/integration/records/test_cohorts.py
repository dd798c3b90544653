"""The rows of a cohort, on both databases: each series once, whoever looks, begins or answers, and however often."""

import subprocess
import sys
import threading

import pytest
from builders.running.database import opened
from dbos import DBOS

from daemon.commands.cohorts.cohort import CohortLine
from daemon.core.errors import ConfigError
from daemon.edge.database.cohorts import Begun, Changes, Cohort
from daemon.edge.database.migrations import open_database
from daemon.edge.supervisor import Supervisor

FOUND = [(f"1.2.{number}", "1.3", {"a": [f"{number}.dcm"]}) for number in range(450)]


@pytest.fixture
def engine(url):
    with opened(url) as engine:
        yield engine


def test_a_series_is_one_row_however_often_it_is_found_begun_and_answered(engine):
    ours, theirs = Cohort(engine, "one"), Cohort(engine, "one")

    assert Changes(new=450) == ours.add(FOUND)
    assert Changes() == theirs.add(FOUND)
    assert sorted((series, 1) for series, *_ in FOUND) == sorted(theirs.unanswered())
    assert Begun({"a": ["7.dcm"]}, 1) == ours.begin("1.2.7", 1)
    assert Begun({"a": ["7.dcm"]}, 2) == theirs.begin("1.2.7", 1)
    assert theirs.answer("1.2.7", 1, {"series": "1.2.7", "by": "them"}, 5.0, passing=False)
    assert not ours.answer("1.2.7", 1, {"series": "1.2.7", "by": "us"}, 6.0, passing=False)
    assert ours.begin("1.2.7", 1) is None
    assert [{"series": "1.2.7", "by": "them"}] == list(ours.rows())
    assert (1, 450) == ours.count()
    assert (0, 0) == Cohort(engine, "another").count()


def test_a_series_with_other_files_is_begun_anew_and_an_answer_to_the_old_ones_is_void(engine):
    cohort = Cohort(engine, "one")
    cohort.add(FOUND[:3])
    cohort.answer("1.2.0", 1, {"series": "1.2.0"}, 1.0, passing=False)
    cohort.answer("1.2.1", 1, {"series": "1.2.1"}, 1.0, passing=True)
    grown = [("1.2.0", "1.3", {"a": ["0.dcm", "late.dcm"]}), FOUND[1], FOUND[3]]

    assert Changes(new=1, changed=1, again=1, gone=1) == cohort.add(grown)
    assert [("1.2.0", 2), ("1.2.1", 2), ("1.2.2", 1), ("1.2.3", 1)] == sorted(cohort.unanswered())
    assert not cohort.answer("1.2.0", 1, {"of": "the old files"}, 2.0, passing=False)
    assert cohort.begin("1.2.0", 1) is None
    assert Begun({"a": ["0.dcm", "late.dcm"]}, 1) == cohort.begin("1.2.0", 2)
    assert cohort.answer("1.2.0", 2, {"of": "the new files"}, 3.0, passing=False)
    assert [{"of": "the new files"}] == list(cohort.rows())
    assert Changes(gone=1) == cohort.add(grown)


def test_the_other_series_of_a_study_are_found_and_none_where_no_study_is_stated(engine):
    cohort = Cohort(engine, "one")
    cohort.add(
        [("1", "s", {"a": ["1"]}), ("2", "s", {"a": ["2"]}), ("3", "t", {"a": ["3"]}), ("4", "", {}), ("5", "", {})]
    )
    Cohort(engine, "another").add([("6", "s", {"a": ["6"]})])

    assert {"2": {"a": ["2"]}} == cohort.others("1")
    assert {} == cohort.others("3")
    assert {} == cohort.others("4")


def test_a_cohort_has_one_judge(engine):
    cohort = Cohort(engine, "one")
    cohort.enter("bundle 1")
    cohort.enter("bundle 1")
    Cohort(engine, "another").enter("bundle 2")

    with pytest.raises(ConfigError, match="--name"):
        cohort.enter("bundle 2")


def test_a_series_that_took_three_workers_down_is_answered_unseen(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/cohort.sqlite")
    cohort, seen = Cohort(engine, "one"), []

    def appraise(_series, _study, files):
        seen.append(files)
        raise SystemExit  # as abrupt as a test may be

    cohort.add(FOUND[:1])
    line = CohortLine(cohort, tmp_path, appraise, Supervisor(threading.Event()))
    for _ in range(3):
        with pytest.raises(SystemExit):
            line._judge("1.2.0", 1)  # noqa: SLF001 - a step outside of its workflow
    line._judge("1.2.0", 1)  # noqa: SLF001 - the same
    (row,) = cohort.rows()

    assert [[tmp_path / "a" / "0.dcm"]] * 3 == seen
    assert ("NOT_ASSESSED", True) == (row["verdict"], "failed" in row["action"])
    assert line.judging is None
    line._judge("1.2.0", 1)  # noqa: SLF001 - done is done
    assert [row] == list(cohort.rows())
    engine.dispose()


def test_a_fault_of_ours_in_one_series_is_its_answer(tmp_path):
    def appraise(*_):
        raise ZeroDivisionError

    engine = open_database(f"sqlite:///{tmp_path}/cohort.sqlite")
    cohort = Cohort(engine, "one")
    cohort.add(FOUND[:1])
    DBOS.destroy(destroy_registry=True)
    CohortLine(cohort, tmp_path, appraise, Supervisor(threading.Event()))._judge("1.2.0", 1)  # noqa: SLF001 - the step
    (row,) = cohort.rows()

    assert ("NOT_ASSESSED", True) == (row["verdict"], "failed" in row["action"])
    engine.dispose()


HANGING = """
import pathlib, threading, time
from types import SimpleNamespace
from daemon.commands.cohorts.batch import _begin_anew
from daemon.edge.supervisor import Supervisor
from daemon.worker import watched

with pathlib.Path({starts!r}).open("a+") as file:
    file.write("start ")
    file.seek(0)
    again = len(file.read().split()) > 1
if not again:
    threading.Thread(target=time.sleep, args=(600,)).start()
    line, supervisor = SimpleNamespace(judging=SimpleNamespace(cpu_s=61.0, wall_s=61.0)), Supervisor(threading.Event())
    with watched(line, 60.0, supervisor, _begin_anew):
        time.sleep(60)
"""


def test_a_process_that_hangs_in_one_series_begins_anew_by_itself(tmp_path):
    code = HANGING.format(starts=str(tmp_path / "starts"))
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100)

    assert (0, "start start ") == (finished.returncode, (tmp_path / "starts").read_text())
