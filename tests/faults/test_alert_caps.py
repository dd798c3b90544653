"""Escalation where nobody answers, and the cap of an hour: told together, never lost, at a real HTTP target."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from builders.peers.http import http_target
from builders.running.alerts import NOON, alerter, titles, ward
from builders.running.database import opened

from daemon.core.people.card import Answer, Choice
from daemon.core.people.exams import Whose
from daemon.core.values import State
from daemon.edge.database import schema
from daemon.edge.database.answers import Answers
from daemon.edge.database.index import Index
from daemon.edge.database.studies.exams import Exams
from daemon.edge.telemetry.lateness import words_of_alerts

RESCAN = "RESCAN on Trio"
TO = {"alert-1": 0.0, "escalation-1": 300.0}
ESCALATED = f"{RESCAN} without an answer for 5 min"


def turns(here, first, second):
    return alerter(here, first), alerter(here, second, "escalation-1", escalates=True)


def answer(here, number=1):
    engine = here.services.results._engine  # noqa: SLF001 - the database of the desk
    given = Answer(choice=Choice.WRONG, state=State.RESCAN, reason="", by="anna", at=here.now)
    Answers(engine).give(Index(engine, b"key").card_id(f"1.2.9.{number}"), 1, given)


def test_a_rescan_that_nobody_answers_is_told_to_a_second_target_after_its_time_once(url):
    with ward(url) as here, http_target() as first, http_target() as second:
        both = turns(here, first, second)
        here.judge(1, to=TO)
        here.pass_time(295, *both)
        early = titles(second)
        here.pass_time(600, *both)

        assert ([RESCAN], [], [ESCALATED]) == (titles(first), early, titles(second))
        assert (1, 1) == (here.count("delivered"), here.count("escalated"))


def enter(here, study="1.2", uid="1.2.9.1"):
    engine = here.services.results._engine  # noqa: SLF001 - the database of the desk
    Exams(engine, b"key").enter("Trio", Whose(study_instance_uid=study), here.now, uid)


def repeat(here):
    enter(here, uid="1.2.9.2")
    here.judge(2, State.ACCEPT, protocol="t1")


@pytest.mark.parametrize(
    "settle",
    [
        answer,
        repeat,
        lambda here: enter(here, "1.3", "1.2.9.3"),
        lambda here: here.judge(1, State.ACCEPT, revision=2, to=TO),
    ],
    ids=["answered", "repeated", "the next patient", "revised"],
)
def test_what_is_settled_is_not_escalated_and_nobody_is_told_that_it_was_lost(url, settle):
    with ward(url) as here, http_target() as first, http_target() as second:
        both = turns(here, first, second)
        enter(here)
        here.judge(1, to=TO, protocol="t1")
        here.pass_time(100, *both)
        settle(here)
        here.pass_time(600, *both)

        assert [] == titles(second)
        assert 1 == here.count("needless") + here.count("withdrawn")
        assert [] == here.services.alerts.late(0.0)


def test_another_protocol_is_no_repeat(url):
    with ward(url) as here, http_target() as first, http_target() as second:
        enter(here)
        here.judge(1, to=TO, protocol="t1")
        here.pass_time(100, *turns(here, first, second))
        enter(here, uid="1.2.9.2")
        here.judge(2, State.ACCEPT, protocol="t2")
        here.pass_time(600, *turns(here, first, second))

        assert [ESCALATED] == titles(second)


def test_an_escalation_is_taken_back_where_the_verdict_changes(url):
    with ward(url) as here, http_target() as first, http_target() as second:
        both = turns(here, first, second)
        here.judge(1, to=TO)
        here.pass_time(400, *both)
        here.judge(1, State.ACCEPT, revision=2, to=TO)
        here.pass_time(60, *both)

        assert [ESCALATED, f"{RESCAN} withdrawn: now ACCEPT"] == titles(second)


def test_what_is_over_the_cap_is_told_together_at_once_and_counted(url):
    with ward(url, per_hour_max=3) as here, http_target() as target:
        turn = alerter(here, target)
        for number in range(8):
            here.judge(number)
        here.pass_time(10, turn)

        assert [RESCAN] * 3 + ["RESCAN of 5 more series: Trio 5"] == titles(target)
        assert (3, 5) == (here.count("delivered"), here.count("summarised"))


def test_in_no_hour_are_there_more_alerts_than_the_cap_and_one_summary_and_none_is_lost(url):
    with ward(url, per_hour_max=3) as here, http_target() as target:
        turn, sent = alerter(here, target), []
        for number in range(60):
            here.judge(number)
            before = len(target.received)
            here.pass_time(120, turn, step=60)
            sent += [here.now] * (len(target.received) - before)
        held = [one for one in here.services.alerts.late(0.0) if one.held]
        here.pass_time(7200, turn, step=60)
        told = sum(1 if title == RESCAN else int(str(title).split()[2]) for title in titles(target))

        assert max(sum(start <= at < start + 3600 for at in sent) for start in sent) <= 4
        assert 60 == told == here.count("delivered") + here.count("summarised")
        assert held
        assert f"{len(held)} alerts about a RESCAN held back for alert-1 (more than 3 within an hour)" in next(
            words_of_alerts(held)
        )
        assert [] == here.services.alerts.late(0.0)


def test_what_was_answered_while_it_was_held_is_not_told(url):
    with ward(url, per_hour_max=1) as here, http_target() as target:
        turn = alerter(here, target)
        for number in (1, 2):
            here.judge(number)
        here.pass_time(10, turn)
        here.judge(3)
        here.pass_time(10, turn)
        answer(here, 3)
        here.pass_time(4000, turn, step=60)

        assert [RESCAN, "RESCAN of 1 more series: Trio 1"] == titles(target)
        assert 1 == here.count("acknowledged")


def test_one_that_was_held_until_its_patient_had_left_calls_nobody_singly(url):
    with ward(url, per_hour_max=1) as here, http_target() as target:
        turn = alerter(here, target)
        for number in (1, 2, 3):
            here.judge(number)
            here.pass_time(10, turn)
        here.judge(4, State.ACCEPT, study="1.3")
        here.pass_time(5000, turn, step=60)

        assert [RESCAN, *["RESCAN of 1 more series: Trio 1"] * 2] == titles(target)


def test_a_withdrawal_is_under_no_cap(url):
    with ward(url, per_hour_max=1) as here, http_target() as target:
        turn = alerter(here, target)
        here.judge(1)
        here.pass_time(10, turn)
        here.judge(1, State.ACCEPT, revision=2)
        here.pass_time(10, turn)

        assert [RESCAN, f"{RESCAN} withdrawn: now ACCEPT"] == titles(target)


SENDER = """
import sys, time
from builders.running.alerts import ward
from daemon.sending.alerting import Alerter
from daemon.edge.delivery.notifier import Notifier

with ward(sys.argv[1], per_hour_max=6) as here:
    turn = Alerter(here.services, Notifier("alert-1", sys.argv[2], 5.0)).turn
    print("begun", flush=True)
    while True:
        time.sleep(turn())
"""


def test_killed_at_any_moment_each_alert_is_told_singly_or_in_the_summary(tmp_path):
    database, here_is = f"sqlite:///{tmp_path}/scanside.sqlite", Path(__file__).parents[1]
    with ward(database) as here:
        for number in range(16):
            here.judge(number)
    with http_target() as target:
        for kill_after in (3, 7, None):
            sender = subprocess.Popen(
                [sys.executable, "-c", SENDER, database, target.url], cwd=here_is, stdout=subprocess.PIPE
            )
            try:
                deadline = time.monotonic() + 60
                while kill_after and len(target.received) < kill_after and time.monotonic() < deadline:
                    time.sleep(0.002)
                while kill_after is None and _unsettled(database) and time.monotonic() < deadline:
                    time.sleep(0.1)
            finally:
                os.kill(sender.pid, signal.SIGKILL)
                sender.communicate()
        told = titles(target)
        with ward(database) as here:
            kept = here.services.alerts.told("alert-1", NOON - 3600)

    summaries = [str(title) for title in told if title != RESCAN]
    assert 6 == len(kept.singly)
    assert 0 <= len(told) - len(summaries) - 6 <= 2  # one that was under way at a kill is told again
    assert {"RESCAN of 10 more series: Trio 10"} == set(summaries)
    assert [] == _unsettled(database)


def _unsettled(database):
    with opened(database) as engine, engine.connect() as connection:
        return connection.execute(sa.select(schema.alerts).where(schema.alerts.c.outcome.is_(None))).all()
