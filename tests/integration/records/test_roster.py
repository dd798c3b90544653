"""Who is lost, as each worker sees it by its own clock and its own machine."""

import subprocess
import sys

import pytest
import sqlalchemy as sa
from builders.running.database import gone_at

from daemon.edge.database.patience import unless_gone
from daemon.edge.database.roster import Roster


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def enrolled(engine, clock, **elsewhere):
    """A worker; of another machine or process where ``elsewhere`` says so."""
    roster = Roster(engine, 30.0, clock)
    roster.enter()
    if elsewhere:
        with engine.begin() as connection:
            table = sa.table("workers", *(sa.column(name) for name in ("worker", "machine", "pid")))
            connection.execute(sa.update(table).where(table.c.worker == roster.worker).values(**elsewhere))
    return roster


def test_a_worker_elsewhere_is_lost_when_it_has_been_silent_too_long(engine, clock):
    here, there = enrolled(engine, clock), enrolled(engine, clock, machine="other")
    for clock.now in (0.0, 20.0):
        assert {here.worker, there.worker} == here.living()
    assert there.beat()
    for clock.now in (25.0, 54.0):
        assert {here.worker, there.worker} == here.living()
    clock.now = 56.0

    assert {here.worker} == here.living()
    assert here.beat()
    assert not there.beat()  # and knows it from then on


@pytest.mark.parametrize("back_at", [29.0, 100.0])
def test_nobody_was_silent_while_the_database_was_away(engine, clock, back_at):
    """Who comes back first may not give up those who have not had the time to beat."""
    here, there = enrolled(engine, clock), enrolled(engine, clock, machine="other")
    assert {here.worker, there.worker} == here.living()
    clock.now = 10.0
    with gone_at(engine, 0), unless_gone():
        here.beat()
    for clock.now in (back_at, back_at + 29.0):
        assert here.beat()
        assert {here.worker, there.worker} == here.living()
    clock.now = back_at + 31.0

    assert {here.worker} == here.living()


def test_a_process_that_ended_on_this_machine_is_lost_at_once(engine, clock):
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    here = enrolled(engine, clock)
    enrolled(engine, clock, pid=int(ended.stdout))

    assert {here.worker} == here.living()


def test_whoever_had_our_process_id_before_is_lost(engine, clock):
    """The first process of a container has the same number after each restart."""
    before, here = enrolled(engine, clock), enrolled(engine, clock)

    assert {here.worker} == here.living()
    assert not before.beat()


def test_whoever_leaves_is_gone(engine, clock):
    here, there = enrolled(engine, clock), enrolled(engine, clock, machine="other")
    there.leave()

    assert {here.worker} == here.living()
