"""One complete series: judged and published, durable (DBOS). Reports and alerts are owed together with its verdict.

A workflow's id is (series, revision), so starting it twice is starting it once; each step is checkpointed, so a
process that is killed anywhere begins it again. What it does is idempotent: the verdict that is recorded first counts,
and report objects are files whose name is their UID.
"""

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog
from dbos import DBOS, DBOSConfiguredInstance, SetEnqueueOptions, SetWorkflowID

from daemon.core.errors import Reason
from daemon.core.judging.gathering import Member, gather, refused
from daemon.core.judging.verdict import decline
from daemon.core.sending.delivery import JUDGED, Recipient
from daemon.core.values import ClosedBy, ReportReference, Series, State
from daemon.edge.database.alerts import Alerts
from daemon.edge.database.index import Index
from daemon.edge.database.patience import patiently
from daemon.edge.database.results import Published, Results
from daemon.edge.database.studies.examinations import Examinations, Key
from daemon.edge.durable import drafted
from daemon.edge.effort import Effort
from daemon.edge.files.reports import Reports
from daemon.edge.supervisor import Loop, Supervisor
from daemon.edge.telemetry.metrics import OTHER_SCANNER, Metrics, Step, cause_label, reason_label
from daemon.line.judgement import Judged, SeriesJudge

#: Raise it when the steps change: work that another version left under way is begun anew by this one.
WORKFLOW_VERSION = "4"
#: A series that took this many workers down with it (memory, a codec's crash) is answered unseen.
MOST_ATTEMPTS = 3
#: Ends of a workflow that leave its series without an answer.
FAILED = ["ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
JUDGE_QUEUE = "judge"
#: Between two looks at what failed without an answer: not even one without a report could be recorded.
_FAILED_S = 15.0
#: How an older version called its workflows; its alerts were workflows, too.
_LEFT = re.compile(r"(?P<card>[^.]+)\.(?P<revision>\d+)\.(v\d+|alert\.(?P<target>.+))")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the steps work with.

    ``judge`` gives the judge, and is asked only by who judges: it takes its bundle, and the memory of that.
    ``recipients``: destination -> what it gets; ``alerted``: the targets of alerts, and how many
    seconds after the verdict; ``scanners``: calling AE title -> alias.
    """

    index: Index
    results: Results
    examinations: Examinations
    reports: Reports
    judge: Callable[[], SeriesJudge]
    recipients: Mapping[str, Recipient]
    alerted: Mapping[str, float]
    metrics: Metrics
    supervisor: Supervisor
    scanners: Mapping[str, str]


@DBOS.dbos_class()
class Line(DBOSConfiguredInstance):
    """The durable line behind a complete series.

    Attributes:
        judging: What the series under way has taken so far; None between two series.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.judging: Effort | None = None
        super().__init__("line")

    def begin(self, series_instance_uid: str, revision: int) -> None:
        """Start the workflow of a series that was found complete; starting it again changes nothing.

        It waits for its turn: scanners take turns, so that one with many series holds up none of the others. A workflow
        that failed is no answer, so it is started anew.
        """
        workflow_id = self._workflow_id(series_instance_uid, revision)
        turn = self._parts.index.turn(series_instance_uid, revision)
        for _ in range(2):
            with SetWorkflowID(workflow_id), SetEnqueueOptions(priority=turn):
                begun = DBOS.enqueue_workflow(JUDGE_QUEUE, self.judge_series, series_instance_uid, revision)
            if begun.get_status().status not in FAILED:
                return
            _log.warning("judging_failed_before", series=series_instance_uid, revision=revision)
            DBOS.delete_workflow(workflow_id)

    def begin_failed(self) -> float:
        """Begin again what failed without an answer; the seconds to wait before the next look."""
        found = DBOS.list_workflows(
            name="judge_series", status=FAILED, app_version=WORKFLOW_VERSION, load_input=False, load_output=False
        )
        failed = {workflow.workflow_id for workflow in found}
        for uid, revision in self._parts.results.unjudged() if failed else ():
            if self._workflow_id(uid, revision) in failed:
                self._parts.supervisor.item(Loop.JUDGING, partial(self.begin, uid, revision), lambda _: None)
        return _FAILED_S

    @DBOS.workflow(name="judge_series")
    def judge_series(self, series_instance_uid: str, revision: int) -> None:
        """Judge and publish; then let be judged again what this series joins."""
        for uid, again in self._judge(series_instance_uid, revision):
            self.begin(uid, again)

    @DBOS.step(name="judge")
    def _judge(self, series_instance_uid: str, revision: int) -> list[Key]:
        """Judge one series and publish its verdict, unless that was done before; what is to be judged again.

        A step that failed would be a series without an answer: it waits for a database that is gone, with its verdict.
        A fault of ours is an answer too: NOT_ASSESSED with a report, and without one where none can be made.
        """
        key = series_instance_uid, revision
        self._parts.supervisor.item(
            Loop.JUDGING,
            lambda: self._answer(*key),
            lambda _: self._answer(*key, give_up=True),
            lambda _: self._answer_bare(*key),
        )
        return patiently(self._parts.examinations.waiting)

    def _answer(self, series_instance_uid: str, revision: int, *, give_up: bool = False) -> None:
        parts = self._parts
        known = patiently(lambda: parts.results.record(series_instance_uid, revision)).verdict
        if known is not None:
            return
        series = patiently(lambda: parts.index.series(series_instance_uid, revision))
        attempts = patiently(lambda: parts.results.begin(series_instance_uid, revision))
        earlier = patiently(lambda: parts.results.sr_before(series_instance_uid, revision))
        self.judging = Effort()
        try:
            predecessor = self._reference(series_instance_uid, earlier) if earlier else None
            reported = self._reported(series_instance_uid, revision)
            unseen = give_up or attempts > MOST_ATTEMPTS
            company = partial(self._gather, series)
            judged = parts.judge().judge(series, predecessor, give_up=unseen, reported=reported, gather=company)
        finally:
            self.judging = None
        if patiently(lambda: self._publish(series, judged)):
            self._count(series, judged)

    def _gather(self, series: Series, bundle: str) -> tuple[list[tuple[Member, Series]], Sequence[str]]:
        """Who joins a series that a bundle judges, and the roles that only series offer which are no good."""
        parts, uid = self._parts, series.series_instance_uid
        offers = patiently(lambda: parts.examinations.offers(series.study_instance_uid, bundle))

        def closed(member: Member) -> Series:
            return patiently(lambda: parts.index.series(member.series_instance_uid, member.revision))

        return [(member, closed(member)) for member in gather(uid, offers)], refused(uid, offers)

    def _reported(self, series_instance_uid: str, revision: int) -> Collection[State]:
        """The verdicts that are reported: those that some destination wants, all where others were told before."""
        parts = self._parts
        if patiently(lambda: parts.results.may_supersede(series_instance_uid, revision)):
            return tuple(State)
        return {*JUDGED, *(state for recipient in parts.recipients.values() for state in recipient.verdicts)}

    def _answer_bare(self, series_instance_uid: str, revision: int) -> None:
        """NOT_ASSESSED without a report: whatever makes one fails for this series."""
        verdict = decline(Reason.FAILED)
        bare = Published(
            verdict=verdict, assessment=None, description="", seconds={}, objects={}, bundle="", at=time.time()
        )
        if patiently(lambda: self._parts.results.publish(series_instance_uid, revision, bare, ())):
            self._parts.metrics.series_not_assessed.labels(OTHER_SCANNER, reason_label(Reason.FAILED)).inc()
            _log.error("series_without_report", series=series_instance_uid, revision=revision, verdict=verdict.state)

    def _reference(self, series_instance_uid: str, sop_instance_uid: str) -> ReportReference | None:
        """The earlier report, to be superseded; None where its file is lost or damaged."""

        def read() -> ReportReference | None:
            with suppress(FileNotFoundError):  # retention keeps the reference before it removes the file
                return self._parts.reports.reference(sop_instance_uid)
            return patiently(lambda: self._parts.results.kept_reference(series_instance_uid, sop_instance_uid))

        return self._parts.supervisor.item(Loop.JUDGING, read, lambda _: None)

    def _publish(self, series: Series, judged: Judged) -> bool:
        parts, uid = self._parts, series.series_instance_uid
        card = parts.index.card_id(uid)
        drawn = {
            parts.reports.picture(card, series.revision): judged.picture,
            parts.reports.overlay(card, series.revision): judged.overlay,
        }
        files = {parts.reports.path(o.sop_instance_uid): o.payload for o in judged.objects}
        files |= {path: content for path, content in drawn.items() if content}
        owed = [
            (o.kind.value, o.sop_instance_uid, name)
            for name, recipient in parts.recipients.items()
            for o in judged.objects
            if o.kind in recipient.objects
        ]
        published = Published(
            verdict=judged.verdict,
            assessment=judged.assessment,
            description=judged.description,
            seconds=judged.seconds,
            objects={o.kind.value: o.sop_instance_uid for o in judged.objects},
            bundle=judged.bundle,
            at=time.time(),
            unasked={name for name, r in parts.recipients.items() if judged.verdict.state not in r.verdicts},
            alerted=parts.alerted,
            past=judged.past,
            software=judged.software,
            offers=judged.offers,
            members=judged.members,
        )
        with drafted(files) as place:
            return parts.results.publish(uid, series.revision, published, owed, place)

    def _count(self, series: Series, judged: Judged) -> None:
        metrics, verdict = self._parts.metrics, judged.verdict
        scanner = self._parts.scanners.get(series.instances[0].arrival.calling_ae, OTHER_SCANNER)
        metrics.series_answered.labels(scanner, verdict.state, cause_label(verdict.cause), series.closed_by).inc()
        if verdict.not_assessed is not None:
            metrics.series_not_assessed.labels(scanner, reason_label(verdict.not_assessed)).inc()
        for step in Step:
            if step.value in judged.seconds:
                metrics.stage.labels(step).observe(judged.seconds[step.value])
        if series.closed_by is not ClosedBy.PERSON:  # nobody has waited since its last image
            metrics.last_image_to_verdict.observe(judged.seconds["verdict"])
        _log.info(
            "series_judged",
            series=series.series_instance_uid,
            revision=series.revision,
            images=len(series.instances),
            closed_by=series.closed_by,
            partial=series.partial,
            verdict=verdict.state,
            cause=verdict.cause,
            reason=verdict.not_assessed,
            seconds=judged.seconds["verdict"],
        )

    def _workflow_id(self, series_instance_uid: str, revision: int) -> str:
        return f"{self._parts.index.card_id(series_instance_uid)}.{revision}.v{WORKFLOW_VERSION}"


def adopt_alerts(alerts: Alerts, targets: Sequence[str], at: float) -> None:
    """Owe the alerts that workflows of an older version were to send; doing it twice is doing it once."""
    left = DBOS.list_workflows(
        name=["alert", "judge_series"], status=["PENDING", "ENQUEUED"], load_input=False, load_output=False
    )
    for workflow in left:
        named = _LEFT.fullmatch(workflow.workflow_id)
        if named is None or workflow.app_version == WORKFLOW_VERSION:
            continue
        alerts.adopt(named["card"], int(named["revision"]), [named["target"]] if named["target"] else targets, at)
        if named["target"]:
            DBOS.cancel_workflow(workflow.workflow_id)
