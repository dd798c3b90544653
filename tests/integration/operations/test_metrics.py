"""The metrics as Prometheus reads them."""

import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from daemon.core.errors import Reason
from daemon.core.sending.alerts import AlertOutcome
from daemon.core.values import ClosedBy, State
from daemon.edge.telemetry.metrics import (
    ANSWER_BUCKETS_S,
    STAGE_BUCKETS_S,
    AssociationOutcome,
    DeliveryOutcome,
    Metrics,
    Step,
    cause_label,
    make_metrics,
    reason_label,
)

PROMTOOL = Path("/usr/bin/promtool")
LABELS = {"scanner", "verdict", "cause", "reason", "closed_by", "stage", "destination", "outcome", "provider"}
LABELS |= {"bundle", "bundle_version", "version", "le", "loop", "process", "why"}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    """Every metric with at least one sample, as after one series."""
    metrics = make_metrics(registry)
    metrics.instances_received.labels("MR 1").inc()
    metrics.bytes_received.labels("MR 1").inc(524_288)
    metrics.last_image.labels("MR 1").set(1_770_000_000)
    metrics.associations.labels(AssociationOutcome.RELEASED).inc()
    metrics.spool_free.set_function(lambda: 5e9)
    metrics.series_waiting.set_function(lambda: 2)
    metrics.oldest_waiting_age.set_function(lambda: 7.5)
    metrics.series_answered.labels("MR 1", State.RESCAN, cause_label("motion"), ClosedBy.GEOMETRY).inc()
    metrics.series_answered.labels("MR 1", State.ACCEPT, cause_label(None), ClosedBy.QUIET).inc()
    metrics.series_not_assessed.labels("MR 1", reason_label(Reason.NOT_MR)).inc()
    metrics.stage.labels(Step.INFER).observe(0.7)
    metrics.last_image_to_verdict.observe(4.2)
    metrics.last_image_to_report.observe(4.4)
    metrics.deliveries.labels("pacs", DeliveryOutcome.DELIVERED).inc()
    metrics.alerts.labels(AlertOutcome.FAILED).inc()
    metrics.build.labels("0.1.0").set(1)
    metrics.bundle.labels("brain", "1", "CPUExecutionProvider").set(1)
    return metrics


@pytest.mark.usefixtures("metrics")
def test_promtool_has_nothing_to_say(registry: CollectorRegistry) -> None:
    if not PROMTOOL.exists():
        pytest.skip("promtool is not installed: apt-get install prometheus")
    exposition = generate_latest(registry)
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=exposition, capture_output=True, check=False)

    assert (0, b"", b"") == (checked.returncode, checked.stdout, checked.stderr)


@pytest.mark.usefixtures("metrics")
def test_every_metric_is_shown_once_with_a_help_text_and_listed_labels(registry: CollectorRegistry) -> None:
    families = [
        family
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        if family.name.startswith("scanside_") and not family.name.endswith("_created")
    ]

    assert len(fields(Metrics)) == len(families)
    assert all(family.documentation.endswith(".") for family in families)
    assert {label for family in families for sample in family.samples for label in sample.labels} <= LABELS


@pytest.mark.usefixtures("metrics")
def test_samples_are_found_under_the_names_that_dashboards_use(registry: CollectorRegistry) -> None:
    sample = registry.get_sample_value
    rescan = {"scanner": "MR 1", "verdict": "RESCAN", "cause": "motion", "closed_by": "geometry"}
    accept = {"scanner": "MR 1", "verdict": "ACCEPT", "cause": "none", "closed_by": "quiet"}

    assert 1 == sample("scanside_instances_received_total", {"scanner": "MR 1"})
    assert 524_288 == sample("scanside_received_bytes_total", {"scanner": "MR 1"})
    assert 1_770_000_000 == sample("scanside_last_image_timestamp_seconds", {"scanner": "MR 1"})
    assert 1 == sample("scanside_associations_total", {"outcome": "released"})
    assert 1 == sample("scanside_series_answered_total", rescan)
    assert 1 == sample("scanside_series_answered_total", accept)
    assert 1 == sample("scanside_series_not_assessed_total", {"scanner": "MR 1", "reason": "not_mr"})
    assert 1 == sample("scanside_deliveries_total", {"destination": "pacs", "outcome": "delivered"})
    assert 1 == sample("scanside_alerts_total", {"outcome": "failed"})
    assert 0 == sample("scanside_service_alerts_total", {"outcome": "delivered"})
    assert 0 == sample("scanside_refusals_total", {"why": "forged token"})
    assert 5e9 == sample("scanside_spool_free_bytes")
    assert 2 == sample("scanside_series_waiting")
    assert 7.5 == sample("scanside_oldest_waiting_age_seconds")
    assert 1 == sample("scanside_build_info", {"version": "0.1.0"})


@pytest.mark.usefixtures("metrics")
def test_times_fall_in_buckets_around_the_promises(registry: CollectorRegistry) -> None:
    """10 s warm and 30 s on a CPU: a bucket ends at each, so that the share kept is exact and not interpolated."""
    sample = registry.get_sample_value

    assert {10, 30} <= set(ANSWER_BUCKETS_S)
    assert sorted(STAGE_BUCKETS_S) == list(STAGE_BUCKETS_S)
    assert 0 == sample("scanside_last_image_to_verdict_seconds_bucket", {"le": "4.0"})
    assert 1 == sample("scanside_last_image_to_verdict_seconds_bucket", {"le": "5.0"})
    assert 1 == sample("scanside_last_image_to_report_seconds_count")
    assert 0.7 == sample("scanside_stage_seconds_sum", {"stage": "infer"})


def test_known_label_values_exist_before_the_first_event(registry: CollectorRegistry) -> None:
    make_metrics(registry)

    assert {0.0} == {
        registry.get_sample_value("scanside_associations_total", {"outcome": o}) for o in AssociationOutcome
    }
    assert {0.0} == {registry.get_sample_value("scanside_alerts_total", {"outcome": o}) for o in AlertOutcome}
    assert {0.0} == {registry.get_sample_value("scanside_stage_seconds_count", {"stage": s}) for s in Step}


def test_two_registries_do_not_share_a_count() -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    make_metrics(first).alerts.labels(AlertOutcome.DELIVERED).inc()
    make_metrics(second)

    assert 0 == second.get_sample_value("scanside_alerts_total", {"outcome": "delivered"})
