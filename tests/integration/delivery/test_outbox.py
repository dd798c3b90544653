"""The outbox on real databases: the order of deliveries, claims, parking, and starting again."""

import threading

import pytest
import sqlalchemy as sa
from builders.running.database import opened
from builders.running.outbox import owe, sop_uid

from daemon.core.values import Stage, State
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.results import Results


@pytest.fixture
def engine(url):
    with opened(url) as engine:
        yield engine


@pytest.fixture
def outbox(engine):
    return Outbox(engine)


def settled(outbox, name="pacs", worker="w", now=1e9) -> list[str]:
    """Deliver until nothing is due; what, in order."""
    order = []
    while (delivery := outbox.claim(name, worker, now)) is not None:
        order.append(delivery.sop_instance_uid)
        outbox.delivered(delivery, now)
    return order


def test_what_a_person_waits_for_goes_first_and_of_the_same_urgency_the_older(engine, outbox):
    states = [State.ACCEPT, State.RESCAN, State.NOT_ASSESSED, State.REVIEW, State.RESCAN]
    for number, state in enumerate(states):
        owe(engine, number, state, kinds=("SC", "SR"), at=100.0 + number)

    expected = [sop_uid(number, kind) for number in (1, 4, 3, 2, 0) for kind in ("SC", "SR")]
    assert expected == settled(outbox)


def test_a_series_is_done_when_everything_owed_is_settled(engine, outbox):
    uid = owe(engine, 1, kinds=("SC", "SR"), to=("pacs", "other"))
    results = Results(engine)
    settled(outbox, now=105.0)

    assert Stage.DELIVERING is results.record(uid, 1).stage
    outbox.delivered(outbox.claim("other", "w", 106.0), 106.0)
    seconds = outbox.park(outbox.claim("other", "w", 106.0), "refused")
    record = results.record(uid, 1)

    assert (Stage.DONE, {"other": "refused"}) == (record.stage, record.parked)
    assert 105.0 == seconds["sr"]  # the last image came at 0
    assert seconds == record.seconds


def test_the_first_delivery_counts(engine, outbox):
    uid = owe(engine, 1)
    delivery = outbox.claim("pacs", "w", 104.0)
    outbox.delivered(delivery, 104.0)
    outbox.delivered(delivery, 999.0)
    outbox.park(delivery, "late refusal")
    outbox.postpone(delivery, "late trouble", 0.0)
    record = Results(engine).record(uid, 1)

    assert (104.0, {}) == (record.seconds["sr"], record.parked)
    assert outbox.claim("pacs", "w", 1e9) is None


def test_two_workers_never_have_the_same_object(engine, outbox):
    for number in range(40):
        owe(engine, number)
    orders = {"a": [], "b": []}
    threads = [threading.Thread(target=lambda w=w: orders[w].extend(settled(outbox, worker=w))) for w in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(sop_uid(number) for number in range(40)) == sorted(orders["a"] + orders["b"])


def test_a_claim_is_its_workers_until_the_worker_is_gone(engine, outbox):
    owe(engine, 1)
    held = outbox.claim("pacs", "a", 1e9)

    assert outbox.claim("pacs", "b", 1e9) is None
    outbox.release({"a", "b"})
    assert outbox.claim("pacs", "b", 1e9) is None
    assert held == outbox.claim("pacs", "a", 1e9)  # its own, once more
    outbox.release({"b"})
    assert held == outbox.claim("pacs", "b", 1e9)


def test_what_fails_alone_steps_back_and_what_nobody_took_keeps_its_place(engine, outbox):
    owe(engine, 1, State.RESCAN)
    owe(engine, 2)
    first = outbox.claim("pacs", "w", 10.0)
    outbox.keep(first, "nobody there")

    assert first.sop_instance_uid == outbox.claim("pacs", "w", 10.0).sop_instance_uid
    outbox.postpone(first, "no answer", 20.0)
    assert sop_uid(2) == outbox.claim("pacs", "w", 10.0).sop_instance_uid
    again = outbox.claim("pacs", "w", 20.0)
    assert (sop_uid(1), 1) == (again.sop_instance_uid, again.attempts)


def test_the_parked_wait_for_a_person_and_start_anew(engine, outbox):
    uids = [owe(engine, number, to=("pacs", "other")) for number in range(3)]
    for name in ("pacs", "other"):
        while (delivery := outbox.claim(name, "w", 1e9)) is not None:
            outbox.park(delivery, f"{name} refused")

    assert 6 == len(outbox.parked())
    assert 1 == outbox.requeue(500.0, uids[0], "pacs")
    assert 0 == outbox.requeue(500.0, uids[0], "pacs")
    assert Stage.DELIVERING is Results(engine).record(uids[0], 1).stage
    assert [sop_uid(0)] == settled(outbox)
    assert Stage.DONE is Results(engine).record(uids[0], 1).stage
    assert 3 == outbox.requeue(500.0, destination="other")
    assert 2 == outbox.requeue(500.0)
    assert 3 == len(settled(outbox, "other"))
    assert [] == outbox.parked()


def test_what_is_owed_to_nobody_known_is_parked(engine, outbox):
    uid = owe(engine, 1, to=("pacs", "gone"))
    outbox.park_unknown(["pacs"])

    assert {"gone"} == set(Results(engine).record(uid, 1).parked)
    assert [sop_uid(1)] == settled(outbox)
    assert Stage.DONE is Results(engine).record(uid, 1).stage


def test_two_last_deliveries_at_once_still_end_the_series(engine, outbox):
    names = ("pacs", "other")
    for number in range(20):
        owe(engine, number, to=names)
    threads = [threading.Thread(target=settled, args=(outbox, name, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {Stage.DONE} == {record.stage for record in Results(engine).records(100)}


def test_words_that_a_database_cannot_hold_are_replaced(engine, outbox):
    uid = owe(engine, 1)
    outbox.park(outbox.claim("pacs", "w", 1e9), "nul \0 and \ud800 half")

    assert "nul � and ? half" == Results(engine).record(uid, 1).parked["pacs"]


def test_each_change_has_its_number_in_the_order_in_which_it_is_seen(engine):
    """The page asks for what is newer than a number: two changes of one number would hide the second."""
    for number in range(20):
        owe(engine, number)
    outbox, results = Outbox(engine), Results(engine)
    threads = [threading.Thread(target=settled, args=(outbox, "pacs", worker)) for worker in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        versions = connection.execute(sa.text("SELECT version FROM series")).scalars().all()

    assert 20 == len(set(versions))
    assert max(versions) == results.version()
