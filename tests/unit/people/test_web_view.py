"""The order of an exam's cards, what calls for somebody, and what the page is told of it."""

import json
from dataclasses import fields, replace

import pytest
from builders.page.board import ACCEPT, NOT_ASSESSED, RESCAN, REVIEW, card, mixture
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.people.card import Answer, Card, Choice
from daemon.core.people.exams import Exam, arrange, believed, has_returned, is_sent_again
from daemon.core.values import Stage, State
from daemon.edge.web.view import NEWEST_MAX, Shown, render_snapshot

NOW = 1_770_000_000.0
EXAM = Exam(exam_id="e", scanner="MR 1", hint="", began_at=NOW - 9000)


def at(card_id: str, age_s: float, **changes: object) -> Card:
    return card(card_id, received_at=NOW - age_s, **changes)


def order(*cards: Card, exam: Exam = EXAM) -> list[str]:
    return [shown.card_id for shown in arrange(exam, cards).cards]


def calling(*cards: Card, exam: Exam = EXAM) -> list[str]:
    return [shown.card_id for shown in arrange(exam, cards).cards if shown.calls]


def answer(choice: Choice = Choice.ACCEPTED, state: State = State.RESCAN) -> Answer:
    return Answer(choice=choice, state=state, reason="", by="anna", at=NOW)


def told(*cards: Card, whole: bool = True) -> dict:
    shown = Shown(views=[arrange(EXAM, cards)], whole=whole)
    return json.loads(render_snapshot(shown, now=NOW, obstacles=["disk full"], page={"page": "abc"}))


def test_the_newest_comes_first() -> None:
    assert ["new", "middle", "old"] == order(at("middle", 20), at("old", 30), at("new", 10))


def test_a_rescan_calls_however_old_it_is_and_however_many_series_follow() -> None:
    later = [at(f"later{n}", 100 + n, description=f"t{n}") for n in range(500)]

    assert "rescan" == order(*later, at("rescan", 80_000, verdict=RESCAN))[0]


@pytest.mark.parametrize("verdict", [ACCEPT, REVIEW, NOT_ASSESSED], ids=["good", "doubtful", "not judged"])
def test_a_rescan_gives_way_once_its_protocol_was_scanned_again_and_the_two_are_linked(verdict) -> None:
    view = arrange(EXAM, [at("rescan", 60, verdict=RESCAN), at("repeat", 5, verdict=verdict)])
    (rescan,) = (shown for shown in view.cards if shown.card_id == "rescan")

    assert not rescan.calls
    assert ("repeat", verdict.state) == (rescan.repeat.card_id, rescan.repeat.state)


def test_of_two_rescans_of_a_protocol_the_later_calls() -> None:
    assert ["second"] == calling(at("first", 60, verdict=RESCAN), at("second", 5, verdict=RESCAN))


def test_a_repeat_without_an_answer_yet_does_not_take_the_rescan_down() -> None:
    repeat = at("repeat", 5, verdict=None, stage=Stage.ASSESSING)

    assert ["rescan", "repeat"] == order(repeat, at("rescan", 60, verdict=RESCAN))


def test_series_without_a_protocols_name_repeat_nothing() -> None:
    unnamed = at("other", 5, description="")

    assert ["rescan"] == calling(unnamed, at("rescan", 60, verdict=RESCAN, description=""))


def test_an_answer_ends_the_call_until_the_verdict_is_another() -> None:
    rescan = at("rescan", 60, verdict=RESCAN)

    assert [] == calling(replace(rescan, answer=answer()))
    assert ["rescan"] == calling(replace(rescan, answer=answer(state=State.REVIEW), revision=2))


def test_nothing_calls_in_an_exam_that_is_over() -> None:
    assert [] == calling(at("rescan", 60, verdict=RESCAN), exam=replace(EXAM, over_at=NOW))


def test_a_superseded_rescan_calls_nobody() -> None:
    newer = at("newer", 5, description="t2")

    assert ["newer", "rescan"] == order(newer, at("rescan", 60, verdict=RESCAN, superseded=True))


def test_what_was_not_judged_is_no_card_but_a_line_a_protocol_and_reason() -> None:
    localizers = [at(f"l{n}", n, verdict=NOT_ASSESSED, description="localizer", images=3) for n in range(60)]
    view = arrange(EXAM, [*localizers, at("t2", 5, verdict=NOT_ASSESSED, description="t2"), at("good", 70)])

    assert ["good"] == [shown.card_id for shown in view.cards]
    assert {("localizer", 60, 180), ("t2", 1, 176)} == {(q.description, q.series, q.images) for q in view.quiet}


cards = st.builds(
    at,
    st.uuids().map(str),
    st.floats(0, 7200),
    verdict=st.sampled_from([None, ACCEPT, RESCAN, NOT_ASSESSED]),
    description=st.sampled_from(["t1", "t2", ""]),
    superseded=st.booleans(),
    answer=st.sampled_from([None, answer()]),
)


@given(st.lists(cards, max_size=12, unique_by=lambda shown: shown.card_id), st.randoms(), st.booleans())
def test_no_series_is_lost_or_doubled_and_the_order_of_arrival_does_not_matter(shown, chance, whole) -> None:
    shuffled = list(shown)
    chance.shuffle(shuffled)
    view = arrange(EXAM, shown)
    snapshot = told(*shown, whole=whole)

    assert len(shown) == len(view.cards) + sum(quiet.series for quiet in view.quiet)
    assert set(order(*shown)) <= {one.card_id for one in shown}
    assert view.cards == arrange(EXAM, shuffled).cards
    assert len(view.cards) == len(snapshot["cards"]) + snapshot["exams"][0]["more"]
    assert {c.card_id for c in view.cards if c.calls} <= {c["card_id"] for c in snapshot["cards"]}


def test_the_wall_shows_every_rescan_that_calls_and_some_of_the_rest() -> None:
    rescans = [at(f"r{n}", 5000 + n, verdict=RESCAN, description=f"p{n}") for n in range(7)]
    others = [at(f"o{n}", n, description=f"q{n}") for n in range(50)]
    snapshot = told(*rescans, *others, whole=False)

    assert 7 == sum(shown["calls"] for shown in snapshot["cards"])
    assert (7 + NEWEST_MAX, 50 - NEWEST_MAX) == (len(snapshot["cards"]), snapshot["exams"][0]["more"])


def test_every_field_of_every_card_is_told_in_plain_json() -> None:
    snapshot = told(*mixture())

    assert (NOW, ["disk full"], "abc") == (snapshot["now"], snapshot["obstacles"], snapshot["page"])
    assert {field.name for field in fields(Card)} == set(snapshot["cards"][0])
    assert {"e"} == {shown["exam"] for shown in snapshot["cards"]}


def test_line_breaks_in_a_description_do_not_break_the_stream() -> None:
    """A server-sent message ends at an empty line (WHATWG HTML, 9.2.6): JSON escapes every line break."""
    view = arrange(EXAM, [replace(at("a", 1), description="a\n\ndata: b\r\r")])
    text = render_snapshot(Shown(views=[view], whole=True), now=NOW, obstacles=["x\ny"], page={})

    assert 1 == len(text.splitlines())


def test_a_study_older_than_the_exam_under_way_was_sent_again_and_a_clock_set_back_is_no_such_thing() -> None:
    assert is_sent_again("20260301080000", "20260301101500")
    assert not is_sent_again("20261025025900", "20261025035800")
    assert not is_sent_again("", "20260301101500")
    assert not is_sent_again("20260301101500", "")


def test_a_patient_has_returned_only_where_the_header_says_so() -> None:
    assert has_returned("20260301103000", "20260301101500")
    assert [False] * 3 == [
        has_returned("20260301100000", "20260301101500"),
        has_returned("", "x"),
        has_returned("9", ""),
    ]


def test_a_time_that_no_time_zone_explains_is_not_believed() -> None:
    at_noon = 1_772_366_400.0  # 2026-03-01 12:00 UTC

    assert "20260302110000" == believed("20260302110000", at_noon)
    assert ["", "", ""] == [believed(text, at_noon) for text in ("20990101000000", "yesterday", "")]
