"""What people made of the verdicts, as Prometheus sees it, from a real database."""

import pytest
from builders.judging.references import answer, record_judged
from prometheus_client import CollectorRegistry, generate_latest

from daemon.config import load_settings
from daemon.core.people.card import Choice
from daemon.core.people.exams import Whose
from daemon.core.trends.service import ServiceCall
from daemon.core.values import State
from daemon.edge.database.migrations import open_database
from daemon.edge.database.studies.exams import Exams
from daemon.edge.database.trends.calls import Calls
from daemon.edge.telemetry.feedback import PERIOD_S, Feedback


@pytest.fixture
def site(tmp_path):
    config = tmp_path / "scanside.toml"
    config.write_text(f'storage = "{tmp_path / "storage"}"\nscanners = {{ MR1 = "Prisma" }}\n')
    (tmp_path / "storage").mkdir()
    return config


def looked(site, now=100.0, references=None):
    """A registry after one look at the database."""
    engine = open_database(load_settings(site).database_url)
    registry = CollectorRegistry()
    feedback = Feedback(engine, load_settings(site).scanners, references or {})
    registry.register(feedback)
    feedback.look(now)
    engine.dispose()
    return registry


def test_answers_and_precision_are_those_of_the_database(site):
    record_judged(site, range(8), state=State.RESCAN)
    record_judged(site, range(8, 10), state=State.REVIEW)
    record_judged(site, [10], scanner="OTHER", state=State.RESCAN)
    answer(site, {0: Choice.REPEATED, 1: Choice.REPEATED, 2: Choice.NOT_POSSIBLE, 3: Choice.WRONG, 4: Choice.WRONG})
    answer(site, {4: None, 8: Choice.ACCEPTED, 10: Choice.ACCEPTED})
    sample = looked(site).get_sample_value
    prisma = {"scanner": "Prisma", "cause": "none"}

    assert 2 == sample("scanside_answers", {"scanner": "Prisma", "verdict": "RESCAN", "choice": "repeated"})
    assert 1 == sample("scanside_answers", {"scanner": "Prisma", "verdict": "REVIEW", "choice": "accepted"})
    assert (4, 0.75) == (
        sample("scanside_rescans_answered", prisma),
        sample("scanside_rescan_precision_ratio", prisma),
    )
    assert 0 == sample("scanside_rescan_precision_ratio", {"scanner": "other", "cause": "none"})


def test_what_is_older_than_the_period_counts_no_more(site):
    record_judged(site, [1], state=State.RESCAN)
    answer(site, {1: Choice.REPEATED})

    assert b"scanside_answers{" not in generate_latest(looked(site, now=PERIOD_S + 100.0))


def test_a_repeat_is_the_first_later_series_of_its_protocol_and_exam(site):
    record_judged(site, [1, 2], state=State.RESCAN)
    record_judged(site, [3], state=State.ACCEPT)
    record_judged(site, [4], state=State.RESCAN, protocol="t2")
    engine = open_database(load_settings(site).database_url)
    exams = Exams(engine, b"key")
    for number in range(1, 5):
        exams.enter("Prisma", Whose(study_instance_uid="1.2"), float(number), f"1.2.77.{number}")
    engine.dispose()
    sample = looked(site).get_sample_value

    assert (None, None) == tuple(
        sample("scanside_repeats", {"scanner": "Prisma", "verdict": verdict}) for verdict in ("RESCAN", "ACCEPT")
    )  # all were received at one time: none is later


def test_a_call_for_service_counts_until_somebody_has_seen_to_it(site):
    engine = open_database(load_settings(site).database_url)
    calls = Calls(engine)
    calls.add(ServiceCall(call_id="c1", scanner="Prisma", found_at=90.0, findings=()), ())
    standing = looked(site).get_sample_value("scanside_service_calls", {"scanner": "Prisma"})
    calls.settle("c1", "anna", 95.0)
    engine.dispose()

    assert (1, 0) == (standing, looked(site).get_sample_value("scanside_service_calls", {"scanner": "Prisma"}))


def test_when_references_were_learned_is_told_and_never_is_zero(site, tmp_path):
    (tmp_path / "one.json").write_text("{}")
    sample = looked(site, references={"one": tmp_path / "one.json", "two": tmp_path / "two.json"}).get_sample_value
    name = "scanside_references_learned_timestamp_seconds"

    assert (tmp_path / "one.json").stat().st_mtime == sample(name, {"bundle": "one"})
    assert 0 == sample(name, {"bundle": "two"})
