"""The past of each protocol in the database: kept with the verdict, once, bounded, and gone with what it came from."""

import pytest
from builders.running.database import closed

from daemon.core.judging.own_past import Entry, Member
from daemon.core.people.card import Answer, Choice, is_rejection
from daemon.core.values import State, Verdict
from daemon.edge.database.answers import Answers
from daemon.edge.database.migrations import open_database
from daemon.edge.database.pasts import Pasts
from daemon.edge.database.results import Published, Results

ACCEPT = Verdict(state=State.ACCEPT, action="carry on")


@pytest.fixture
def opened(url):
    engine = open_database(url)
    yield engine
    engine.dispose()


def publish(engine, uid, snr, *, revision=1, at=10.0, most=300):  # noqa: PLR0913 - what a row has
    member = Member(parameters={"EchoTime": (90.0,), "ImageType": ("M",)}, measures={"snr": snr}) if snr else None
    entry = Entry(bundle="b", scanner="MR1", protocol="t2", member=member, most=most) if member else None
    published = Published(
        verdict=ACCEPT, assessment=None, description="t2", seconds={}, objects={}, bundle="b", at=at, past=entry
    )
    return Results(engine).publish(uid, revision, published, ())


def kept(engine, **chosen):
    return [
        one.measures["snr"]
        for one in Pasts(engine).members(**{"bundle": "b", "scanner": "MR1", "protocol": "t2"} | chosen)
    ]


def test_what_was_accepted_is_there_after_a_restart_as_it_was(opened, url):
    publish(opened, closed(opened, "a"), 20.0)
    opened.dispose()
    again = open_database(url)
    (member,) = Pasts(again).members("b", "MR1", "t2")
    again.dispose()

    assert Member(parameters={"EchoTime": (90.0,), "ImageType": ("M",)}, measures={"snr": 20.0}) == member


def test_a_series_that_is_judged_twice_counts_once(opened):
    uid = closed(opened, "a")

    assert [True, False] == [publish(opened, uid, 20.0), publish(opened, uid, 21.0)]
    assert [20.0] == kept(opened)


def test_a_later_revision_takes_the_place_of_an_earlier_one(opened):
    publish(opened, closed(opened, "a"), 20.0)
    publish(opened, closed(opened, "a", revision=2), 22.0, revision=2)

    assert [22.0] == kept(opened)


def test_a_later_revision_that_adds_nothing_takes_out_the_earlier_one(opened):
    publish(opened, closed(opened, "a"), 20.0)
    publish(opened, closed(opened, "a", revision=2), None, revision=2)

    assert [] == kept(opened)


def test_an_overtaken_revision_changes_nothing(opened):
    uid = closed(opened, "a")
    closed(opened, "a", revision=2)
    publish(opened, uid, 22.0, revision=2)
    publish(opened, uid, 20.0, revision=1)

    assert [22.0] == kept(opened)


def test_the_newest_of_a_protocol_are_kept(opened):
    for number, name in enumerate("abcdef"):
        publish(opened, closed(opened, name), float(number + 1), at=float(number), most=3)

    assert [6.0, 5.0, 4.0] == kept(opened)


def test_what_another_bundle_measured_or_another_scanner_sent_does_not_count(opened):
    publish(opened, closed(opened, "a"), 20.0)

    assert [] == kept(opened, bundle="c") + kept(opened, scanner="MR2") + kept(opened, protocol="t1")


def test_what_is_learnt_from_is_what_is_kept_of_all_protocols_the_newest_first(opened):
    uids = [closed(opened, name) for name in "abc"]
    for number, uid in enumerate(uids):
        publish(opened, uid, 20.0, at=float(number))
    answer = Answer(choice=Choice.REPEATED, state=State.ACCEPT, reason="", by="r", at=11.0)
    Answers(opened).give(Results(opened).record(uids[1], 1).card_id, 1, answer)
    found = Pasts(opened).kept("b")

    assert [uids[2], uids[0]] == [one.series_instance_uid for one in found]
    assert {("MR1", "t2")} == {(one.scanner, one.protocol) for one in found}
    assert {"EchoTime": (90.0,), "ImageType": ("M",)} == found[0].parameters
    assert [] == Pasts(opened).kept("another")


def test_a_series_is_not_compared_with_itself(opened):
    uid = closed(opened, "a")
    publish(opened, uid, 20.0)

    assert [] == kept(opened, but=uid)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [(Choice.REPEATED, []), (Choice.NOT_POSSIBLE, []), (Choice.WRONG, []), (Choice.ACCEPTED, [20.0])],
)
def test_what_a_person_answered_counts(opened, choice, expected):
    uid = closed(opened, "a")
    publish(opened, uid, 20.0)
    card = Results(opened).record(uid, 1).card_id
    answer = Answer(choice=choice, state=State.ACCEPT, reason="", by="r", at=11.0)
    Answers(opened).give(card, 1, answer)
    found = kept(opened)
    Answers(opened).take_back(card, 1, answer)

    assert expected == found
    assert [20.0] == kept(opened)


def test_a_review_that_was_called_wrong_shows_a_good_image():
    assert (False, True) == (is_rejection("wrong", "REVIEW"), is_rejection("wrong", "ACCEPT"))


def test_what_is_left_out_by_its_uid_is_gone(opened):
    uid = closed(opened, "a")
    publish(opened, uid, 20.0)

    assert 1 == Pasts(opened).leave_out([uid, "1.2.3"])
    assert [] == kept(opened)
    assert {} == Pasts(opened).counts("b")
