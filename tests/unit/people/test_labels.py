"""Answers as labels: precision, and what they say of references."""

from dataclasses import replace

import pytest
from builders.page.board import ACCEPT, RESCAN

from daemon.core.people.card import Answer, Choice
from daemon.core.people.labels import good_after_all, precisions, spoilt_after_all
from daemon.core.people.replay import Recorded
from daemon.core.values import State


def recorded(number, choice=None, verdict=RESCAN, protocol="t1", state=State.RESCAN):
    answer = choice and Answer(choice=choice, state=state, reason="", by="anna", at=1.0)
    return Recorded(
        card_id=f"c{number}", scanner="MR1", protocol=protocol, digest="d", verdict=verdict, assessment=None,
        judged_at=0.0, answer=answer,
    )  # fmt: skip


def test_precision_counts_what_was_confirmed_of_what_was_answered():
    choices = [Choice.REPEATED, Choice.REPEATED, Choice.NOT_POSSIBLE, Choice.ACCEPTED, Choice.WRONG, None, None]
    (found,) = precisions(recorded(n, choice) for n, choice in enumerate(choices))

    assert (7, 5, 3) == (found.asked, found.answered, found.confirmed)
    assert 0.6 == found.share
    assert pytest.approx((0.2307, 0.8824), abs=1e-3) == found.interval  # statsmodels' proportion_confint, "wilson"


def test_each_cause_and_protocol_has_its_own_and_what_was_accepted_none():
    spike = replace(RESCAN, cause="spike")
    ones = [recorded(1), recorded(2, verdict=spike), recorded(3, protocol="t2"), recorded(4, verdict=ACCEPT)]

    assert [("motion", "t1"), ("motion", "t2"), ("spike", "t1")] == [(p.cause, p.protocol) for p in precisions(ones)]


def test_without_an_answer_nothing_is_known():
    (found,) = precisions([recorded(1)])

    assert (None, (0.0, 1.0)) == (found.share, found.interval)


def test_an_answer_to_another_verdict_does_not_count():
    (found,) = precisions([recorded(1, Choice.WRONG, state=State.REVIEW)])

    assert 0 == found.answered


def test_what_a_person_said_makes_a_reference_or_none():
    ones = [recorded(n, choice) for n, choice in enumerate((*Choice, None))]

    assert {"c3"} == good_after_all(ones)
    assert {"c0", "c2"} == spoilt_after_all(ones)
