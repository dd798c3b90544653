"""One series of a cohort: judged once by whichever process takes it from the queue, answered in a row, durable (DBOS).

Each cohort has a queue of its own, from which only processes that run this cohort take: the daemon's line never waits
for one. A workflow's id is (cohort, series, revision), so starting it twice, here or on another machine, is starting it
once; the answer that is recorded first counts.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from dbos import DBOS, DBOSConfiguredInstance, SetWorkflowID

from daemon.commands.assess import summarise
from daemon.commands.cohorts.studies import Study
from daemon.commands.finding import Found, paths_of
from daemon.core.errors import ConfigError, Reason
from daemon.core.judging.verdict import decline
from daemon.edge.database.cohorts import Cohort, Row
from daemon.edge.effort import Effort
from daemon.edge.supervisor import Loop, Supervisor
from daemon.line.appraisal import Appraisal, software
from daemon.line.workflow import FAILED, MOST_ATTEMPTS, WORKFLOW_VERSION

_OPEN: Final = ["ENQUEUED", "PENDING"]

#: Judges the files of one series.
Appraise = Callable[[Sequence[Path]], Appraisal]
#: Judges a series, by its UID, among the other series of its study; the files are its own.
AppraiseAmong = Callable[[str, Study, Sequence[Path]], Appraisal]
#: Makes what people see of a series and its answer.
Show = Callable[[str, Appraisal], None]

_log = structlog.get_logger()


@DBOS.dbos_class()
class CohortLine(DBOSConfiguredInstance):
    """The durable line of one cohort, whose files lie below ``root``.

    ``appraise`` judges a series among the others of its study. A fault of ours in one series does not end a night's
    work: the supervisor has it answered unseen. ``show``: what else is made of each answer.

    Attributes:
        queue: The name of its queue.
        judging: What the series under way has taken so far; None between two series.
    """

    def __init__(
        self, cohort: Cohort, root: Path, appraise: AppraiseAmong, supervisor: Supervisor, show: Show = lambda *_: None
    ) -> None:
        self.queue = f"cohort.{_token(cohort.name)}"
        self.judging: Effort | None = None
        self._cohort = cohort
        self._root = root
        self._appraise = appraise
        self._show = show
        self._supervisor = supervisor
        super().__init__("cohort")

    def begin(self, stop: threading.Event) -> None:
        """Start the workflow of every series without an answer; for those that are under way this changes nothing."""
        failed = DBOS.list_workflows(queue_name=self.queue, status=FAILED, load_input=False, load_output=False)
        DBOS.delete_workflows([workflow.workflow_id for workflow in failed])
        for series, revision in self._cohort.unanswered():
            if stop.is_set():
                return
            with SetWorkflowID(f"{self.queue}.{_token(series)}.{revision}.v{WORKFLOW_VERSION}"):
                DBOS.enqueue_workflow(self.queue, self.judge_cohort_series, series, revision)

    def is_idle(self) -> bool:
        """Whether nothing is under way or waits: what has no answer then was never begun, or failed."""
        return not DBOS.list_workflows(queue_name=self.queue, status=_OPEN, limit=1, load_input=False)

    @DBOS.workflow(name="judge_cohort_series")
    def judge_cohort_series(self, series: str, revision: int) -> None:
        """Judge it, once."""
        self._judge(series, revision)

    @DBOS.step(name="judge_cohort_series")
    def _judge(self, series: str, revision: int) -> None:
        """Judge one series and record its answer, unless that was done before."""
        begun = self._cohort.begin(series, revision)
        if begun is None:
            return
        found = Found(series=series, files=begun.files)
        study = {other: paths_of(files, self._root) for other, files in self._cohort.others(series).items()}
        self.judging = Effort()
        try:
            judge = partial(answer, found, self._root, partial(self._appraise, series, study), self._show)
            row, passing = self._supervisor.item(
                Loop.COHORT, lambda: judge(give_up=begun.attempts > MOST_ATTEMPTS), lambda _: judge(give_up=True)
            )
        finally:
            self.judging = None
        self._cohort.answer(series, revision, row, time.time(), passing=passing)


def answer(
    found: Found, root: Path, appraise: Appraise, show: Show = lambda *_: None, *, give_up: bool = False
) -> tuple[Row, bool]:
    """The row of one series whose files lie below ``root``, and whether the next start should try again.

    ``give_up``: answer without a look at the files, for a series that no worker survives.
    """
    passing = False
    try:
        appraisal = _declined(Reason.FAILED) if give_up else appraise(found.paths(root))
    except OSError as error:  # gone, or a share that is away for a while
        appraisal, passing = _declined(Reason.LOST, error.strerror or ""), True
    except ConfigError as error:  # a NIfTI file that is none
        appraisal = _declined(Reason.UNREADABLE, str(error))
    show(found.series, appraisal)
    place = {"series": found.series, "path": found.path, "images": found.images}
    return place | summarise(appraisal), passing


def _declined(reason: Reason, detail: str = "") -> Appraisal:
    return Appraisal(verdict=decline(reason, detail), algorithm=software(""))


def _token(text: str) -> str:
    """A name without a patient's in it."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]
