"""Every alert rule fires where it is to, and is silent where all is well: asked of promtool."""

import json
import re
import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).parents[3] / "deploy" / "prometheus-rules.yml"
PROMTOOL = Path("/usr/bin/promtool")
TEXT = RULES.read_text()
NAMES = re.findall(r"alert: (\w+)", TEXT)


def alerts(outcome, per_minute=1):
    return {f'scanside_alerts_total{{outcome="{outcome}"}}': f"0+{per_minute}x240"}


SLOW = 'scanside_last_image_to_verdict_seconds_bucket{{le="{}"}}'
CAUSE = '{scanner="MR 1", cause="c"}'
#: Of which daemon every sample is, and so every alert must be.
DAEMON = "a:8112"
OLD = 'scanside_references_learned_timestamp_seconds{bundle="b"}'
#: name -> what is loud, what is quiet, the labels of what fires besides severity
CASES = {
    "ScansideDown": ({'up{job="scanside"}': "0x240"}, {'up{job="scanside"}': "1x240"}, {"job": "scanside"}),
    "ScansideReceiverDown": ({"scanside_receiver_up": "0x240"}, {"scanside_receiver_up": "1x240"}, {}),
    "ScansideReceiverRestarts": (
        {'scanside_restarts_total{process="receiver"}': "0+1x240"},
        {'scanside_restarts_total{process="receiver"}': "0x100 1x140"},
        {"process": "receiver"},
    ),
    "ScansideWorkRestarts": (
        {'scanside_restarts_total{process="working_half"}': "0+1x240"},
        {'scanside_restarts_total{process="working_half"}': "3x240"},
        {"process": "working_half"},
    ),
    "ScansideDatabaseGone": ({"scanside_database_up": "0x240"}, {"scanside_database_up": "1x240"}, {}),
    "ScansideLoopStandsStill": (
        {'scanside_loops_failing{loop="assembly"}': "1x240"},
        {'scanside_loops_failing{loop="assembly"}': "0x240"},
        {"loop": "assembly"},
    ),
    "ScansideFault": (
        {'scanside_faults_total{loop="judging"}': "0+1x240"},
        {'scanside_faults_total{loop="judging"}': "7x240"},
        {"loop": "judging"},
    ),
    "ScansideSeriesWait": (
        {"scanside_oldest_waiting_age_seconds": "90x240"},
        {"scanside_oldest_waiting_age_seconds": "20x240"},
        {},
    ),
    "ScansideSlow": (
        {SLOW.format("10"): "0+1x240", SLOW.format("30"): "0+2x240", SLOW.format("+Inf"): "0+2x240"},
        {SLOW.format("5"): "0+2x240", SLOW.format("10"): "0+2x240", SLOW.format("+Inf"): "0+2x240"},
        {},
    ),
    "ScansideDeliveryFails": (
        {'scanside_deliveries_total{destination="pacs", outcome="failed"}': "0+1x240"},
        {'scanside_deliveries_total{destination="pacs", outcome="delivered"}': "0+1x240"},
        {"destination": "pacs"},
    ),
    "ScansideDeliveryRefused": (
        {'scanside_deliveries_total{destination="pacs", outcome="refused"}': "0+1x240"},
        {'scanside_deliveries_total{destination="pacs", outcome="failed"}': "0+1x240"},
        {"destination": "pacs"},
    ),
    "ScansideAlertFails": (alerts("failed"), alerts("failed", 0), {}),
    "ScansideAlertExpired": (alerts("expired"), alerts("delivered"), {}),
    "ScansideAlertGivenUp": (alerts("given_up"), alerts("acknowledged"), {}),
    "ScansideAlertsWithdrawn": (alerts("withdrawn"), alerts("needless"), {}),
    "ScansideDiskLow": ({"scanside_spool_free_bytes": "9e9x240"}, {"scanside_spool_free_bytes": "2e10x240"}, {}),
    "ScansideManyRescans": (
        {
            'scanside_series_answered_total{scanner="MR 1", verdict="RESCAN"}': "0+1x240",
            'scanside_series_answered_total{scanner="MR 1", verdict="ACCEPT"}': "0+1x240",
        },
        {
            'scanside_series_answered_total{scanner="MR 1", verdict="RESCAN"}': "0+1x240",
            'scanside_series_answered_total{scanner="MR 1", verdict="ACCEPT"}': "0+9x240",
        },
        {"scanner": "MR 1"},
    ),
    "ScansideNobodyAnswers": (alerts("escalated"), alerts("escalated", 0), {}),
    "ScansideAlertsOverCap": (alerts("summarised"), alerts("delivered"), {}),
    "ScansideCallsWrong": (
        {f"scanside_rescan_precision_ratio{CAUSE}": "0.4x240", f"scanside_rescans_answered{CAUSE}": "10x240"},
        {f"scanside_rescan_precision_ratio{CAUSE}": "0.4x240", f"scanside_rescans_answered{CAUSE}": "9x240"},
        {"scanner": "MR 1", "cause": "c"},
    ),
    "ScansideRepeatsFail": (
        {'scanside_repeats{scanner="MR 1", verdict="RESCAN"}': "6x240", 'scanside_repeats{scanner="MR 1"}': "4x240"},
        {'scanside_repeats{scanner="MR 1", verdict="RESCAN"}': "5x240", 'scanside_repeats{scanner="MR 1"}': "5x240"},
        {"scanner": "MR 1"},
    ),
    "ScansideCallService": (
        {'scanside_service_calls{scanner="MR 1"}': "1x240"},
        {'scanside_service_calls{scanner="MR 1"}': "0x240"},
        {"scanner": "MR 1"},
    ),
    "ScansideServiceAlertFails": (
        {'scanside_service_alerts_total{outcome="failed"}': "0+1x240"},
        {'scanside_service_alerts_total{outcome="failed"}': "3x240", **alerts("failed")},
        {},
    ),
    "ScansideManyRefusals": (
        {'scanside_refusals_total{why="too many logins"}': "0+6x240"},
        {
            'scanside_refusals_total{why="too many logins"}': "0+4x240",
            'scanside_refusals_total{why="no such page"}': "0+100x240",
        },
        {"why": "too many logins"},
    ),
    "ScansideReferencesOld": ({OLD: "1x366"}, {OLD: "0x366"}, {"bundle": "b"}),
}


def test_every_rule_has_a_case():
    assert sorted(CASES) == sorted(NAMES)


def told(name, labels):
    """The summary of a rule, its labels filled in, and its severity."""
    rule = TEXT.partition(f"alert: {name}\n")[2].partition("- alert:")[0]
    summary = re.search(r"summary: (.*)", rule)[1].strip('"')
    for label, value in labels.items():
        summary = summary.replace(f"{{{{ $labels.{label} }}}}", value)
    return summary, re.search(r"severity: (\w+)", rule)[1]


def of_daemon(series):
    """The same sample with the label that Prometheus gives it."""
    name, _, labels = series.rstrip("}").partition("{")
    return f'{name}{{{labels + ", " if labels else ""}instance="{DAEMON}"}}'


@pytest.mark.skipif(not PROMTOOL.exists(), reason="no promtool: apt install prometheus")
@pytest.mark.parametrize("name", NAMES)
def test_a_rule_fires_where_it_is_to_for_its_daemon_and_not_where_all_is_well(tmp_path, name):
    loud, quiet, labels = CASES[name]
    summary, severity = told(name, labels)
    fired = [
        {"exp_labels": {"severity": severity, "instance": DAEMON, **labels}, "exp_annotations": {"summary": summary}}
    ]
    every, at = ("12h", "4392h") if name == "ScansideReferencesOld" else ("1m", "2h")
    tests = [
        {
            "interval": every,
            "input_series": [{"series": of_daemon(series), "values": values} for series, values in samples.items()],
            "alert_rule_test": [{"eval_time": at, "alertname": name, "exp_alerts": expected}],
        }
        for samples, expected in ((loud, fired), (quiet, []))
    ]
    file = tmp_path / "test.json"  # which is YAML too
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": every, "tests": tests}))
    done = subprocess.run([PROMTOOL, "test", "rules", file], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr
