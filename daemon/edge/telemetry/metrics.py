"""What Prometheus sees: every metric of Scanside, typed, in one place, bound to a registry that is handed in.

Labels are bounded by construction: enumerations of this project, and names from the configuration (scanner alias,
destination, bundle). Never a UID, a hash of one, or a word from a header: each would be a new time series, and a
link to a patient. Names follow Prometheus' conventions: base units, ``_total`` for counters, times as epoch seconds.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from daemon.core.errors import Reason
from daemon.core.people.access import Refusal
from daemon.core.sending.alerts import AlertOutcome
from daemon.edge.supervisor import Loop

#: The scanner label of a calling AE that the configuration does not name.
OTHER_SCANNER = "other"
#: The cause label of a verdict without a cause.
NO_CAUSE = "none"

#: How an alert of a call for service may end; it neither expires nor is withdrawn.
SERVICE_OUTCOMES = (AlertOutcome.DELIVERED, AlertOutcome.FAILED, AlertOutcome.ACKNOWLEDGED)

#: Seconds: from reading a small series to an engine on a busy CPU.
STAGE_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
#: Seconds: fine around the promises of 10 s (warm) and 30 s (CPU only), coarse where the patient has left.
ANSWER_BUCKETS_S = (0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 60, 120, 300, 600)


class AssociationOutcome(StrEnum):
    """How an association ended."""

    RELEASED = "released"
    ABORTED = "aborted"
    REJECTED = "rejected"


class Process(StrEnum):
    """What ``scanside run`` starts, and starts again."""

    RECEIVER = "receiver"
    WORKING_HALF = "working_half"


class DeliveryOutcome(StrEnum):
    """How one attempt to deliver a report object ended."""

    DELIVERED = "delivered"
    FAILED = "failed"
    REFUSED = "refused"


class Step(StrEnum):
    """The steps between the last image and the delivered report, in their order."""

    CLOSE = "close"
    QUEUE = "queue"
    READ = "read"
    PREPROCESS = "preprocess"
    INFER = "infer"
    REPORT = "report"
    DELIVER = "deliver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The metrics; beside each the names of its labels, in the order in which ``labels`` takes their values.

    ``series_waiting``, ``oldest_waiting_age`` and ``spool_free`` are read when Prometheus asks: give each its
    function with ``set_function``.
    """

    instances_received: Counter  # scanner
    bytes_received: Counter  # scanner
    last_image: Gauge  # scanner
    own_objects: Gauge
    associations: Counter  # outcome: AssociationOutcome
    receiver_up: Gauge
    restarts: Counter  # process: Process
    spool_free: Gauge
    database_up: Gauge
    series_waiting: Gauge
    oldest_waiting_age: Gauge
    series_answered: Counter  # scanner, verdict: State, cause: cause_label(), closed_by: ClosedBy
    series_not_assessed: Counter  # scanner, reason: reason_label()
    stage: Histogram  # stage: Step
    last_image_to_verdict: Histogram
    last_image_to_report: Histogram
    deliveries: Counter  # destination, outcome: DeliveryOutcome
    alerts: Counter  # outcome: AlertOutcome
    service_alerts: Counter  # outcome: one of SERVICE_OUTCOMES
    refusals: Counter  # why: Refusal
    faults: Counter  # loop: Loop
    loops_failing: Gauge  # loop: Loop
    build: Gauge  # version
    bundle: Gauge  # bundle, bundle_version, provider


def make_metrics(registry: CollectorRegistry) -> Metrics:
    """All metrics of Scanside, and those of the process itself (CPU, memory, descriptors), in ``registry``.

    Raises:
        ValueError: the registry holds these metrics already.
    """
    ProcessCollector(registry=registry)
    count = partial(Counter, namespace="scanside", registry=registry)
    gauge = partial(Gauge, namespace="scanside", registry=registry)
    time = partial(Histogram, namespace="scanside", unit="seconds", registry=registry)
    metrics = Metrics(
        instances_received=count("instances_received", "Instances made durable and acknowledged.", ["scanner"]),
        bytes_received=count("received_bytes", "Bytes of the encoded data sets made durable.", ["scanner"]),
        last_image=gauge("last_image_timestamp_seconds", "When a scanner's last image came.", ["scanner"]),
        own_objects=gauge("own_objects_ignored", "Scanside's own objects that came back since the start; ignored."),
        associations=count("associations", "DICOM associations, by how they ended.", ["outcome"]),
        receiver_up=gauge("receiver_up", "Whether a receiver runs and answers; 0 or 1."),
        restarts=count("restarts", "Processes that ended and were started again by their parent.", ["process"]),
        spool_free=gauge("spool_free_bytes", "Free space on the file system of the spool."),
        database_up=gauge("database_up", "Whether the database answered when it was last asked; 0 or 1."),
        series_waiting=gauge("series_waiting", "Complete series that have no verdict yet."),
        oldest_waiting_age=gauge("oldest_waiting_age_seconds", "Age of the oldest complete series without a verdict."),
        series_answered=count(
            "series_answered",
            "Series answered with a verdict; a revised verdict counts again.",
            ["scanner", "verdict", "cause", "closed_by"],
        ),
        series_not_assessed=count("series_not_assessed", "Series not judged, by reason.", ["scanner", "reason"]),
        stage=time("stage", "Time that a series spent in one stage.", ["stage"], buckets=STAGE_BUCKETS_S),
        last_image_to_verdict=time(
            "last_image_to_verdict", "Time from a series' last image to its verdict.", buckets=ANSWER_BUCKETS_S
        ),
        last_image_to_report=time(
            "last_image_to_report", "Time from the last image to the delivered SR.", buckets=ANSWER_BUCKETS_S
        ),
        deliveries=count("deliveries", "Attempts to deliver a report object, by end.", ["destination", "outcome"]),
        alerts=count("alerts", "Alerts about a rescan, by their end; failed: attempts.", ["outcome"]),
        service_alerts=count("service_alerts", "Alerts of calls for service, by end; failed: attempts.", ["outcome"]),
        refusals=count("refusals", "Requests to the page that were refused, by why.", ["why"]),
        faults=count("faults", "Faults of ours; what met one was set aside with its reason.", ["loop"]),
        loops_failing=gauge(
            "loops_failing", "Turns that failed and are tried again, nothing done meanwhile.", ["loop"]
        ),
        build=gauge("build_info", "The software that runs; always 1.", ["version"]),
        bundle=gauge("bundle_info", "The bundle and provider in use; 1.", ["bundle", "bundle_version", "provider"]),
    )
    _start_at_zero(metrics)
    return metrics


def cause_label(cause: str | None) -> str:
    """The cause label of a verdict."""
    return cause or NO_CAUSE


def reason_label(reason: Reason) -> str:
    """The reason label: the name, for the sentence is the radiographer's and may be reworded."""
    return reason.name.lower()


def _start_at_zero(metrics: Metrics) -> None:
    """A rate needs a sample before the first event: label values that are known exist from the start."""
    for association in AssociationOutcome:
        metrics.associations.labels(association)
    for process in Process:
        metrics.restarts.labels(process)
    for alert in AlertOutcome:
        metrics.alerts.labels(alert)
    for outcome in SERVICE_OUTCOMES:
        metrics.service_alerts.labels(outcome)
    for refusal in Refusal:
        metrics.refusals.labels(refusal)
    for step in Step:
        metrics.stage.labels(step)
    for loop in Loop:
        metrics.faults.labels(loop)
        metrics.loops_failing.labels(loop)
