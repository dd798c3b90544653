"""Alert targets that are away, break or hang: each alert arrives once, or its end is known; no other one waits."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from builders.peers.http import http_target
from builders.running.alerts import NOON, TARGETS, alerter, titles, ward

from daemon.core.people.card import Answer, Choice
from daemon.core.people.exams import Whose
from daemon.core.sending.alerts import AlertOutcome
from daemon.core.values import State
from daemon.edge.database.alerts import LateAlert
from daemon.edge.database.answers import Answers
from daemon.edge.database.index import Index
from daemon.edge.database.studies.exams import Exams
from daemon.edge.delivery.notifier import Notifier
from daemon.edge.telemetry.lateness import words_of_alerts
from daemon.sending.alerting import Alerter

RESCAN = "RESCAN on Trio"


def test_a_target_that_was_away_for_twenty_minutes_gets_the_alert_once(url):
    with ward(url) as here, http_target(503) as target:
        here.judge(1)
        here.pass_time(1200, alerter(here, target))
        attempts = len(target.received)
        (late,) = here.services.alerts.late(here.now)
        target.status = 200
        here.pass_time(1200, alerter(here, target))

        assert [RESCAN] == titles(target)[attempts:]
        assert 15 < attempts < 50  # pauses that grow to a minute
        assert "alert not accepted" in late.trouble
        assert (attempts, 1) == (here.count("failed"), here.count("delivered"))
        assert [] == here.services.alerts.late(0.0)


def test_what_is_owed_outlives_the_process_and_the_worker_that_was_at_it(url):
    with ward(url, "dead") as here:
        here.judge(1)
        assert here.services.alerts.claim("alert-1", "dead", here.now)
    with ward(url) as here, http_target() as target:
        turn = alerter(here, target)
        assert turn() > 0
        here.services.alerts.release({"w"})
        here.pass_time(60, turn)

        assert [RESCAN] == titles(target)


@pytest.mark.parametrize(("seconds", "study"), [(3700, "1.2"), (300, "1.3")], ids=["too old", "the next patient"])
def test_an_alert_that_helps_nobody_any_more_expires_and_is_told(url, seconds, study):
    with ward(url) as here, http_target(503) as target:
        turn = alerter(here, target)
        here.judge(1)
        here.pass_time(seconds - 60, turn)
        here.judge(2, State.ACCEPT, study=study)
        here.pass_time(120, turn)
        target.status, attempts = 200, len(target.received)
        here.pass_time(600, turn)
        (lost,) = here.services.alerts.late(NOON)

        assert attempts == len(target.received)
        assert (1, 0) == (here.count("expired"), here.count("delivered"))
        assert ("expired", "1.2.9.1") == (lost.outcome, lost.series_instance_uid)
        assert [] == here.services.alerts.late(here.now)


def test_the_next_study_does_not_hinder_the_first_attempt(url):
    """Several scanners may send by one router, under one AE title."""
    with ward(url) as here, http_target() as target:
        here.judge(1)
        here.pass_time(1)
        here.judge(2, State.ACCEPT, study="1.3")
        here.pass_time(10, alerter(here, target))

        assert [RESCAN] == titles(target)


def test_a_revision_withdraws_what_did_not_arrive(url):
    with ward(url) as here, http_target(503) as target:
        turn = alerter(here, target)
        here.judge(1)
        here.pass_time(60, turn)
        here.judge(1, State.ACCEPT, revision=2)
        target.status, attempts = 200, len(target.received)
        here.pass_time(60, turn)

        assert attempts == len(target.received)
        assert (1, 0, 0) == tuple(map(here.count, ("withdrawn", "delivered", "expired")))
        assert [] == here.services.alerts.late(0.0)


def test_what_has_arrived_is_taken_back_by_a_message_once(url):
    with ward(url) as here, http_target() as target:
        turn = alerter(here, target)
        here.judge(1)
        here.pass_time(60, turn)
        for revision in (2, 3):
            here.judge(1, State.ACCEPT, revision=revision)
            here.pass_time(60, turn)

        assert [RESCAN, f"{RESCAN} withdrawn: now ACCEPT"] == titles(target)


def test_a_rescan_that_is_found_again_is_told_again_and_not_taken_back(url):
    with ward(url) as here, http_target() as target:
        turn = alerter(here, target)
        here.judge(1)
        here.pass_time(60, turn)
        here.judge(1, revision=2)
        here.pass_time(60, turn)

        assert [RESCAN] * 2 == titles(target)


def test_a_revision_while_the_alert_is_being_sent_takes_it_back_afterwards(url):
    with ward(url) as here, http_target() as target:
        here.judge(1)
        sent = here.services.alerts.claim("alert-1", "w", here.now)
        here.judge(1, State.ACCEPT, revision=2)
        other = here.services.alerts.claim("alert-1", "another", here.now)
        here.services.alerts.settle(sent, AlertOutcome.DELIVERED, here.now)
        here.pass_time(10, alerter(here, target))

        assert other is None
        assert [f"{RESCAN} withdrawn: now ACCEPT"] == titles(target)


def test_an_older_revision_that_is_judged_late_calls_nobody(url):
    with ward(url) as here, http_target() as target:
        here.judge(1, State.ACCEPT, revision=2)
        here.judge(1, revision=1)
        here.pass_time(60, alerter(here, target))

        assert [] == titles(target)


def test_one_target_that_is_away_or_hangs_holds_up_no_other(url):
    with ward(url) as here, http_target(503) as away, http_target(waits=True) as hangs, http_target() as good:
        for number in range(10):
            here.judge(number, to=("away", "hangs", "good"))
        hanging = alerter(here, hangs, "hangs", 0.05)
        for turn in (hanging, alerter(here, away, "away"), alerter(here, good, "good")):
            here.pass_time(1, turn, step=1.0)

        assert [RESCAN] * 10 == titles(good)
        assert 20 == here.count("failed")
        assert {"away", "hangs"} == {late.target for late in here.services.alerts.late(0.0)}


@pytest.mark.parametrize("error", [RuntimeError("secret"), RecursionError(), KeyError("a"), MemoryError()])
def test_a_target_whose_library_breaks_costs_its_own_alerts_only_and_gives_up_loudly(url, monkeypatch, error):
    def break_down(*_: object, **__: object) -> None:
        raise error

    with ward(url) as here, http_target() as target:
        broken, good = Notifier("broken", target.url), alerter(here, target, "good")
        monkeypatch.setattr(broken._apprise, "notify", break_down)  # noqa: SLF001 - what a plug-in may raise
        for number in range(10):
            here.judge(number, to=("broken", "good"))
        here.pass_time(60, Alerter(here.services, broken).turn, good)
        late = here.services.alerts.late(0.0)

        assert [RESCAN] * 10 == titles(target)
        assert [("broken", "given_up")] * 10 == [(one.target, one.outcome) for one in late]
        assert {f"a fault of ours ({type(error).__name__}): see the log"} == {one.trouble for one in late}
        assert (10, 10, 40) == tuple(map(here.count, ("given_up", "delivered", "failed")))


def test_an_alert_that_a_person_answered_on_the_page_is_acknowledged_and_sent_to_nobody(url):
    with ward(url) as here, http_target() as target:
        here.judge(1)
        here.judge(2)
        engine = here.services.results._engine  # noqa: SLF001 - the database of the desk
        answer = Answer(choice=Choice.WRONG, state=State.RESCAN, reason="", by="anna", at=here.now)
        answers, index = Answers(engine), Index(engine, b"key")
        answers.give(index.card_id("1.2.9.1"), 1, answer)
        answers.give(index.card_id("1.2.9.2"), 1, answer)
        answers.take_back(index.card_id("1.2.9.2"), 1, answer)
        here.pass_time(10, alerter(here, target))

        assert [RESCAN] == titles(target)
        assert (1, 1) == (here.count("acknowledged"), here.count("delivered"))


def test_an_alert_that_failed_expires_with_its_exam_before_the_next_series_is_complete(url):
    with ward(url) as here, http_target(503) as target:
        here.judge(1)
        engine = here.services.results._engine  # noqa: SLF001 - the database of the desk
        exams = Exams(engine, b"key")
        exams.enter("Trio", Whose(study_instance_uid="1.2"), here.now, "1.2.9.1")
        here.pass_time(10, alerter(here, target))
        exams.enter("Trio", Whose(study_instance_uid="1.3"), here.now)
        here.pass_time(120, alerter(here, target))

        assert 1 == here.count("expired")


def test_an_alert_is_owed_with_its_verdict_or_not_at_all(url):
    with ward(url) as here:
        here.judge(1, to=TARGETS)
        assert here.services.alerts.claim("alert-2", "w", here.now)
        here.judge(2, State.REVIEW, to=TARGETS)

        assert here.services.alerts.claim("alert-2", "another", here.now) is None


def test_what_is_owed_to_a_target_that_is_no_longer_configured_is_given_up_and_told(url):
    with ward(url) as here:
        here.judge(1, to=TARGETS)
        given_up = here.services.alerts.give_up_unknown(["alert-1"], here.now)
        (lost,) = here.services.alerts.late(here.now)

        assert 1 == given_up
        assert ("alert-2", "given_up") == (lost.target, lost.outcome)
        assert here.services.alerts.claim("alert-1", "w", here.now)


def test_the_page_tells_of_every_target_that_did_not_get_its_alerts():
    def late(target, outcome, trouble):
        return LateAlert(
            series_instance_uid="1.2", revision=1, target=target, owed_at=0.0, outcome=outcome, trouble=trouble
        )

    told = list(words_of_alerts([late("a", None, "away"), late("a", None, "still away"), late("b", "expired", "")]))

    assert [
        "2 alerts about a RESCAN cannot be sent to a (still away): tried again; call the scanner's room",
        "1 alert about a RESCAN never reached b (too old): scanside parked shows which",
    ] == told


def test_of_many_workers_on_a_server_each_alert_is_sent_by_one(server):
    taken = []

    def take(worker: str, database: str) -> None:
        with ward(database, worker) as here:
            while (alert := here.services.alerts.claim("alert-1", worker, NOON)) is not None:
                taken.append(alert.series_instance_uid)
                here.services.alerts.settle(alert, AlertOutcome.DELIVERED, NOON)

    database = server.database()
    with ward(database) as here:
        for number in range(20):
            here.judge(number)
        here.judge(0, State.ACCEPT, revision=2)
    threads = [threading.Thread(target=take, args=(f"w{number}", database)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {f"1.2.9.{number}" for number in range(20)} == set(taken)
    assert 21 == len(taken)


OLDER = """
import sys, time
from dbos import DBOS, SetWorkflowID
from builders.running.alerts import ward
from daemon.worker import durable
import daemon.worker
daemon.worker.WORKFLOW_VERSION = "2"
DBOS.destroy(destroy_registry=True)

@DBOS.workflow(name="alert")
def alert(uid, revision, name): ...

@DBOS.workflow(name="judge_series")
def judge_series(uid, revision): ...

with ward(sys.argv[1]) as here:
    here.now = time.time()
    for number, state in ((1, "RESCAN"), (2, "RESCAN"), (3, "ACCEPT")):
        here.judge(number, state, to=())
    with durable(here.services.results._engine, "old", {"alert": 1, "judge": 1}, works=False):
        for number, workflow, suffix in ((1, alert, "alert.alert-2"), (2, judge_series, "v2"), (3, judge_series, "v2")):
            record = here.services.results.record(f"1.2.9.{number}", 1)
            with SetWorkflowID(f"{record.card_id}.1.{suffix}"):
                args = (record.series_instance_uid, 1, "alert-2")[: 3 if workflow is alert else 2]
                DBOS.enqueue_workflow("alert" if workflow is alert else "judge", workflow, *args)
        DBOS.enqueue_workflow("alert", alert, "1.2.9.3", 1, "alert-1")
"""
NEWER = """
import sys, time
from builders.running.alerts import TARGETS, ward
from daemon.core.sending.alerts import AlertOutcome
from daemon.worker import durable
from daemon.line.workflow import adopt_alerts

with ward(sys.argv[1]) as here:
    alerts = here.services.alerts
    with durable(here.services.results._engine, "new", {"judge": 1}, works=False):
        for _ in range(2):
            adopt_alerts(alerts, TARGETS, time.time())
    for target in TARGETS:
        while (found := alerts.claim(target, "w", 1e12)) is not None:
            print(target, found.series_instance_uid)
            alerts.settle(found, AlertOutcome.DELIVERED, 1.0)
"""


def test_what_an_older_version_left_under_way_is_owed_once(tmp_path):
    url, here = f"sqlite:///{tmp_path}/scanside.sqlite", Path(__file__).parents[1]
    for program in (OLDER, NEWER):
        command = [sys.executable, "-c", program, url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here)
        assert 0 == done.returncode, done.stderr[-3000:]

    assert ["alert-1 1.2.9.2", "alert-2 1.2.9.1", "alert-2 1.2.9.2"] == sorted(done.stdout.splitlines())
