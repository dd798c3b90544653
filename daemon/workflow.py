"""One complete series: judge -> publish -> deliver, durable (DBOS).

A workflow's id is (series, revision), so starting it twice is starting it once; each step is checkpointed, so a
process that is killed anywhere goes on at the step it was in. What a step does is idempotent: report objects are
files whose name is their UID, rows are updated in place, and a peer that gets the same SOP instance twice keeps one.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from dbos import DBOS, DBOSConfiguredInstance, SetWorkflowID

from daemon.core.errors import DeliveryFailed, DeliveryRefused
from daemon.core.ports import Destination
from daemon.core.values import ReportKind, Series, Stage, State
from daemon.edge.index import Index
from daemon.edge.metrics import OTHER_SCANNER, DeliveryOutcome, Metrics, Step, cause_label, reason_label
from daemon.edge.notifier import Notifier, compose_alert
from daemon.edge.reports import Reports
from daemon.edge.results import Published, Results
from daemon.judgement import Judged, SeriesJudge

#: Work of this version is resumed by this version: raise it when the steps change.
WORKFLOW_VERSION = "1"
JUDGE_QUEUE, DELIVERY_QUEUE = "judge", "deliver"
_LONGEST_RETRY_S = 60.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A destination and the kinds of object it takes."""

    destination: Destination
    kinds: frozenset[ReportKind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the steps work with. ``scanners``: calling AE title -> alias; ``page``: where people reach the live page."""

    index: Index
    results: Results
    reports: Reports
    judge: SeriesJudge
    recipients: Mapping[str, Recipient]
    notifiers: Mapping[str, Notifier]
    metrics: Metrics
    scanners: Mapping[str, str]
    page: str


@DBOS.dbos_class()
class Line(DBOSConfiguredInstance):
    """The durable line behind a complete series."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        super().__init__("line")

    def begin(self, series_instance_uid: str, revision: int) -> None:
        """Start the workflow of a series that was found complete; starting it again changes nothing."""
        with SetWorkflowID(f"{self._parts.index.card_id(series_instance_uid)}.{revision}"):
            DBOS.enqueue_workflow(JUDGE_QUEUE, self.judge_series, series_instance_uid, revision)

    @DBOS.workflow(name="judge_series")
    def judge_series(self, series_instance_uid: str, revision: int) -> None:
        """Judge and publish, then hand each object, and each alert, to a workflow of its own."""
        owed, alert = self._judge(series_instance_uid, revision)
        for kind, sop_instance_uid, name in owed:
            with SetWorkflowID(f"{DBOS.workflow_id}.{name}.{kind}"):
                DBOS.enqueue_workflow(
                    DELIVERY_QUEUE, self.deliver, series_instance_uid, revision, sop_instance_uid, name
                )
        for name in self._parts.notifiers if alert else ():
            with SetWorkflowID(f"{DBOS.workflow_id}.alert.{name}"):
                DBOS.enqueue_workflow(DELIVERY_QUEUE, self.alert, series_instance_uid, revision, name)

    @DBOS.workflow(name="deliver")
    def deliver(self, series_instance_uid: str, revision: int, sop_instance_uid: str, name: str) -> None:
        """Try until the object is delivered or refused for good; each attempt and each pause is durable."""
        attempt = 0
        while not self._send(sop_instance_uid, name):
            DBOS.sleep(min(_LONGEST_RETRY_S, 2.0**attempt))
            attempt += 1
        self._settle(series_instance_uid, revision)

    @DBOS.workflow(name="alert")
    def alert(self, series_instance_uid: str, revision: int, name: str) -> None:
        """Try until the alert is out, or nobody can be reached within some minutes: an old alert helps nobody."""
        for attempt in range(6):
            if self._notify(series_instance_uid, revision, name):
                return
            DBOS.sleep(2.0**attempt)

    @DBOS.step(name="judge")
    def _judge(self, series_instance_uid: str, revision: int) -> tuple[list[tuple[str, str, str]], bool]:
        """Judge one series, write its report, publish its verdict.

        Returns what is owed (kind, SOP instance UID, destination), and whether somebody must be alerted.
        """
        parts = self._parts
        series = parts.index.series(series_instance_uid, revision)
        parts.results.advance(series_instance_uid, revision, Stage.ASSESSING)
        earlier = parts.results.sr_before(series_instance_uid, revision)
        judged = parts.judge.judge(series, parts.reports.reference(earlier) if earlier else None)
        owed = self._publish(series, judged)
        self._count(series, judged)
        return owed, judged.verdict.state is State.RESCAN

    def _publish(self, series: Series, judged: Judged) -> list[tuple[str, str, str]]:
        parts, uid = self._parts, series.series_instance_uid
        for report_object in judged.objects:
            parts.reports.save(report_object)
        parts.reports.save_picture(parts.index.card_id(uid), series.revision, judged.picture)
        owed = [
            (o.kind.value, o.sop_instance_uid, name)
            for name, recipient in parts.recipients.items()
            for o in judged.objects
            if o.kind in recipient.kinds
        ]
        published = Published(
            verdict=judged.verdict,
            assessment=judged.assessment,
            description=judged.description,
            seconds=judged.seconds,
            objects={o.kind.value: o.sop_instance_uid for o in judged.objects},
            bundle=judged.bundle,
        )
        parts.results.publish(uid, series.revision, published, owed)
        return owed

    def _count(self, series: Series, judged: Judged) -> None:
        metrics, verdict = self._parts.metrics, judged.verdict
        scanner = self._parts.scanners.get(series.instances[0].arrival.calling_ae, OTHER_SCANNER)
        metrics.series_answered.labels(scanner, verdict.state, cause_label(verdict.cause), series.closed_by).inc()
        if verdict.not_assessed is not None:
            metrics.series_not_assessed.labels(scanner, reason_label(verdict.not_assessed)).inc()
        for step in Step:
            if step.value in judged.seconds:
                metrics.stage.labels(step).observe(judged.seconds[step.value])
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

    @DBOS.step(name="send")
    def _send(self, sop_instance_uid: str, name: str) -> bool:
        """One attempt: True when the object is delivered, or parked because it was refused for good."""
        parts = self._parts
        began = time.time()
        try:
            parts.recipients[name].destination.deliver(parts.reports.load(sop_instance_uid))
        except DeliveryFailed as error:
            parts.metrics.deliveries.labels(name, DeliveryOutcome.FAILED).inc()
            _log.warning("delivery_failed", destination=name, detail=str(error))
            return False
        except DeliveryRefused as error:
            parts.results.park(sop_instance_uid, name, str(error))
            parts.metrics.deliveries.labels(name, DeliveryOutcome.REFUSED).inc()
            _log.error("delivery_refused", destination=name, detail=str(error))
            return True
        parts.results.delivered(sop_instance_uid, name, time.time())
        parts.metrics.deliveries.labels(name, DeliveryOutcome.DELIVERED).inc()
        parts.metrics.stage.labels(Step.DELIVER).observe(time.time() - began)
        return True

    @DBOS.step(name="settle")
    def _settle(self, series_instance_uid: str, revision: int) -> None:
        """Mark the series done once nothing of it is owed any more."""
        seconds = self._parts.results.finish(series_instance_uid, revision)
        if seconds is not None and "sr" in seconds:
            self._parts.metrics.last_image_to_report.observe(seconds["sr"])

    @DBOS.step(name="notify")
    def _notify(self, series_instance_uid: str, revision: int, name: str) -> bool:
        """One attempt to alert one target."""
        parts = self._parts
        record = parts.results.record(series_instance_uid, revision)
        if record.verdict is None:  # never: the alert is started after the verdict was published
            return True
        link = f"{parts.page}#card-{record.card_id}"
        alert = compose_alert(scanner=self._alias(record.calling_ae), verdict=record.verdict, link=link)
        try:
            parts.notifiers[name].send(alert)
        except DeliveryFailed as error:
            parts.metrics.alerts.labels(DeliveryOutcome.FAILED).inc()
            _log.warning("alert_failed", destination=name, detail=str(error))
            return False
        parts.metrics.alerts.labels(DeliveryOutcome.DELIVERED).inc()
        return True

    def _alias(self, calling_ae: str) -> str:
        return self._parts.scanners.get(calling_ae, calling_ae)
