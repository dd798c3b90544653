"""A deliverer at a real outbox: what is sent again, what is parked and why, and what it holds up."""

from dataclasses import dataclass, field

import pytest
from builders.running.outbox import owe, save, sop_uid

from daemon.core.errors import DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.values import ReportObject, Stage, State
from daemon.edge.database.results import Results
from daemon.sending.delivering import Deliverer

WEEK_S = 604800.0


@dataclass
class Moody:
    """Takes what it is not told to fail at; a peer that fails in just this way is no real one to be had."""

    trouble: dict[str, Exception] = field(default_factory=dict)
    everything: Exception | None = None
    came: list[str] = field(default_factory=list)
    name: str = "pacs"

    def deliver(self, report_object: ReportObject) -> str:
        error = self.everything or self.trouble.get(report_object.sop_instance_uid)
        if error is not None:
            raise error
        self.came.append(report_object.sop_instance_uid)
        return "B000"


def owed(engine, services, number, state=State.ACCEPT, at=4e9):
    save(services.reports, number)
    return owe(engine, number, state, at=at)


def test_while_nobody_is_there_everything_waits_and_then_the_most_urgent_goes_first(engine, services):
    peer = Moody(everything=DestinationUnreachable("away"))
    deliverer = Deliverer(services, peer, WEEK_S)
    owed(engine, services, 1)
    pauses = [deliverer.turn() for _ in range(9)]
    owed(engine, services, 2, State.RESCAN)
    peer.everything = None

    for low, pause in zip((0.5, 1, 2, 4, 8, 16, 30, 30, 30), pauses, strict=True):
        assert low <= pause <= 2 * low
    assert [0.0, 0.0] == [deliverer.turn() for _ in range(2)]
    assert [sop_uid(2), sop_uid(1)] == peer.came
    assert deliverer.turn() > 0
    assert 2 == len(peer.came)


def test_an_object_that_fails_alone_holds_up_no_other(engine, services):
    peer = Moody(trouble={sop_uid(1): DeliveryFailed("no answer")})
    deliverer = Deliverer(services, peer, WEEK_S)
    uid = owed(engine, services, 1, State.RESCAN)
    owed(engine, services, 2)
    for _ in range(3):
        deliverer.turn()

    assert [sop_uid(2)] == peer.came
    assert Stage.DELIVERING is Results(engine).record(uid, 1).stage


def test_what_is_refused_is_parked_at_once_and_the_rest_goes_on(engine, services):
    peer = Moody(trouble={sop_uid(1): DeliveryRefused("does not accept SR")})
    deliverer = Deliverer(services, peer, WEEK_S)
    uid = owed(engine, services, 1, State.RESCAN)
    owed(engine, services, 2)

    assert [0.0, 0.0] == [deliverer.turn() for _ in range(2)]
    assert [sop_uid(2)] == peer.came
    record = Results(engine).record(uid, 1)
    assert (Stage.DONE, {"pacs": "does not accept SR"}) == (record.stage, record.parked)


@pytest.mark.parametrize("error", [DeliveryFailed("no answer"), DestinationUnreachable("away")])
def test_what_has_waited_longer_than_agreed_is_parked_with_the_last_trouble(engine, services, error):
    deliverer = Deliverer(services, Moody(everything=error), 3600.0)
    owed(engine, services, 1, at=100.0)
    deliverer.turn()
    (parked,) = services.outbox.parked()

    assert f"not delivered in 3600 s: {error}" == parked.parked


def test_a_report_that_is_gone_is_parked_not_stumbled_over_for_ever(engine, services):
    owe(engine, 1)
    Deliverer(services, Moody(), WEEK_S).turn()

    assert "gone" in services.outbox.parked()[0].parked


def test_what_was_claimed_when_the_process_died_is_delivered_by_the_next(engine, services):
    owed(engine, services, 1)
    services.outbox.claim("pacs", "dead", 1e12)
    peer = Moody()
    deliverer = Deliverer(services, peer, WEEK_S)

    assert deliverer.turn() > 0
    services.outbox.release({"w"})
    deliverer.turn()
    assert [sop_uid(1)] == peer.came
