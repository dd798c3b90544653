"""What an item raises costs that item; what a turn raises costs a pause."""

import threading
import weakref

import pytest
from structlog.testing import capture_logs

from daemon.core.errors import DeliveryFailed, ThreadEndedError
from daemon.edge.supervisor import Loop, Supervisor, Turn


class Gone(Exception):
    """What is waited for elsewhere."""


@pytest.fixture
def counted():
    return []


@pytest.fixture
def supervisor(counted):
    return Supervisor(threading.Event(), counted.append, lambda error: isinstance(error, Gone))


def failing(error):
    def work(*_):
        raise error

    return work


def test_what_an_item_raises_sets_it_aside_with_its_reason(supervisor, counted):
    assert 7 == supervisor.item(Loop.JUDGING, lambda: 7, failing(AssertionError))
    assert "call them" == supervisor.item(Loop.JUDGING, failing(DeliveryFailed("call them")), str)
    assert "RecursionError" in supervisor.item(Loop.JUDGING, failing(RecursionError("Doe^Jane")), str)
    assert "Doe" not in supervisor.item(Loop.JUDGING, failing(ValueError("Doe^Jane")), str)
    assert [Loop.JUDGING] * 3 == counted


def test_a_way_out_that_fails_leads_to_the_next_which_is_told_the_first_reason(supervisor, counted):
    first = failing(DeliveryFailed("call them"))

    assert "call them" == supervisor.item(Loop.DELIVERING, first, failing(ValueError()), str)
    with pytest.raises(KeyError):
        supervisor.item(Loop.DELIVERING, first, failing(ValueError()), failing(KeyError()))
    assert 5 == len(counted)


@pytest.mark.parametrize("error", [Gone(), ThreadEndedError("given up"), KeyboardInterrupt()])
def test_what_is_waited_for_elsewhere_and_the_end_of_the_process_pass(supervisor, counted, error):
    with pytest.raises(type(error)):
        supervisor.item(Loop.JUDGING, failing(error), str)
    assert [] == counted


def test_a_turn_that_fails_is_an_obstacle_until_it_succeeds_and_is_tried_again_after_growing_pauses(supervisor):
    turns, seen, pauses = iter([ValueError(), OSError(), 3.0, 0.0, KeyError(), ThreadEndedError("end")]), [], []

    def turn():
        seen.append((len(supervisor.obstacles()), supervisor.failing(Loop.RETENTION)))
        outcome = next(turns)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    supervisor.stop.wait = pauses.append
    with pytest.raises(ThreadEndedError):
        supervisor.repeat(Turn(Loop.RETENTION, "retention", turn))

    assert [0.0, 0.25, 0.5, 3.0, 0.0, 0.25] == pauses
    assert [(0, 0), (1, 1), (1, 1), (0, 0), (0, 0), (1, 1)] == seen


def test_pauses_grow_to_a_minute(supervisor):
    pauses = []
    supervisor.stop.wait = lambda pause: pauses.append(pause) or len(pauses) > 12
    supervisor.repeat(Turn(Loop.RETENTION, "retention", failing(ValueError())))

    assert 60.0 == max(pauses)
    assert pauses == sorted(pauses)


def test_what_an_item_held_is_let_go_before_the_next_way_out(supervisor):
    class Volume:
        pass

    def work():
        volume = Volume()
        held.append(weakref.ref(volume))
        raise MemoryError

    held = []

    with capture_logs():  # structlog's own traces for people keep every local
        assert supervisor.item(Loop.JUDGING, work, lambda _: held[0]() is None)
