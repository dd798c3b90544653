"""A process that closes series of a busy scanner and of rare ones, and prints the order in which they are judged.

``python -P turns.py DATABASE_URL [KILLED_AT FAILS VERSION]``: the process ends, as if killed, in the judgement
that follows so many answers; it fails in the busy scanner's series of that number; its workflows are of that version.
Run again, it goes on. DBOS keeps one registry a process, hence a process each.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import OperationalError

import daemon.line.workflow
import daemon.worker
from builders.judging.values import instance
from daemon.core.errors import Reason
from daemon.core.judging.verdict import decline
from daemon.core.values import ClosedBy, Series
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_database
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.patience import is_gone
from daemon.edge.database.results import Results
from daemon.edge.database.roster import Roster
from daemon.edge.database.studies.examinations import Examinations
from daemon.edge.files.reports import Reports
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry.metrics import make_metrics
from daemon.line.judgement import Judged
from daemon.line.workflow import Line, Parts
from daemon.worker import LINE_QUEUES, durable, enrolled, replace_lost

BUSY, RARE, LATE = 50, 3, 10


class Judge:
    """Answers every series, prints it, and lets a scanner that had nothing so far begin in the tenth judgement."""

    def __init__(self, index: Index, results: Results, killed_at: int, fails: int) -> None:
        self.begun = threading.Event()  # nothing is judged before everything waits
        self.done = threading.Event()
        self.begin: Callable[[str, int], None] = lambda _uid, _revision: None
        self._index = index
        self._results = results
        self._killed_at = killed_at
        self._fails = fails

    def judge(self, series: Series, _predecessor: object, *, give_up: bool, reported: object, gather: object) -> Judged:
        """The stand-in for ``SeriesJudge.judge``."""
        assert reported
        assert not give_up
        assert gather
        self.begun.wait()
        name = series.series_instance_uid
        if name == f"1.1.{LATE}":
            for scanner, root, number in (("LATE", "1.3", 1), ("BUSY", "1.1", BUSY + 1)):
                uid = close(self._index, scanner, root, number)
                assembly = threading.Thread(target=self.begin, args=(uid, 1))  # DBOS starts nothing from within a step
                assembly.start()
                assembly.join()
        left = len(self._results.unjudged())
        if BUSY + RARE - left == self._killed_at:
            sys.stdout.flush()
            os._exit(1)
        if name == f"1.1.{self._fails}":
            raise OperationalError("a statement", {}, ConnectionError())  # what passes any supervisor
        sys.stdout.write(f"{series.instances[0].arrival.calling_ae} {name.rpartition('.')[2]}\n")
        if left == 1:
            self.done.set()
        return Judged(
            verdict=decline(Reason.NOT_MR), assessment=None, description="", objects=(), picture=b"", bundle="b",
            seconds={"verdict": 1.0},
        )  # fmt: skip


def close(index: Index, scanner: str, root: str, number: int) -> str:
    """Close a series of one image; its UID."""
    uid, only = f"{root}.{number}", instance(0)
    arrival = replace(only.arrival, calling_ae=scanner, sop_instance_uid=f"{uid}.1")
    received = replace(only, arrival=arrival, series_instance_uid=uid)
    index.record([received], [], "1:1")
    index.close_series(
        Series(
            series_instance_uid=uid,
            study_instance_uid="1.2",
            revision=1,
            instances=(received,),
            closed_by=ClosedBy.RELEASE,
            closed_at=time.time(),
            partial=False,
        )
    )
    return uid


def main(url: str, killed_at: int = -1, fails: int = 0, version: int = 0) -> None:
    """Close what a first run closes, begin whatever has no verdict, and judge until nothing is left."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if version:
        daemon.line.workflow.WORKFLOW_VERSION = daemon.worker.WORKFLOW_VERSION = str(version)
    with ExitStack() as stack:
        engine = open_database(url)
        stack.callback(engine.dispose)
        index, results, roster = Index(engine, b"key"), Results(engine), Roster(engine, 30.0)
        judge = Judge(index, results, killed_at, fails)
        parts = Parts(
            index=index, results=results, examinations=Examinations(engine),
            reports=Reports(Path(mkdtemp())), judge=lambda: judge, recipients={},
            alerted={}, metrics=make_metrics(CollectorRegistry()), scanners={},
            supervisor=Supervisor(threading.Event(), passes=is_gone),
        )  # fmt: skip
        line = Line(parts)
        judge.begin = line.begin
        if not results.records(1):
            for number in range(1, BUSY + 1):
                close(index, "BUSY", "1.1", number)
            for number in range(1, RARE + 1):
                close(index, "RARE", "1.2", number)
        stack.enter_context(enrolled(roster))
        stack.enter_context(durable(engine, roster.worker, LINE_QUEUES))
        replace_lost(roster, [Outbox(engine)])
        for uid, revision in results.unjudged():
            line.begin(uid, revision)
        judge.begun.set()
        judge.done.wait()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
