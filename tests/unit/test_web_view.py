"""The order of the cards, and what the page is told of them."""

import json
from dataclasses import fields, replace

from builders.board import ACCEPT, NOT_ASSESSED, RESCAN, card, mixture
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.card import Card
from daemon.core.values import Stage
from daemon.edge.web.view import ATTENTION_S, arrange, render_snapshot

NOW = 1_770_000_000.0


def at(card_id: str, age_s: float, **changes: object) -> Card:
    return card(card_id, received_at=NOW - age_s, **changes)


def order(*cards: Card) -> list[str]:
    return [shown.card_id for shown in arrange(cards, NOW)]


def test_the_newest_comes_first() -> None:
    assert ["new", "middle", "old"] == order(at("middle", 20), at("old", 30), at("new", 10))


def test_a_rescan_stays_on_top_while_newer_series_of_other_protocols_arrive() -> None:
    newer = at("newer", 5, verdict=None, stage=Stage.RECEIVING, description="t2")

    assert ["rescan", "newer"] == order(newer, at("rescan", 60, verdict=RESCAN))


def test_a_rescan_gives_way_once_the_protocol_was_answered_again_on_that_scanner() -> None:
    assert ["repeat", "rescan"] == order(at("repeat", 5, verdict=ACCEPT), at("rescan", 60, verdict=RESCAN))


def test_a_repeat_without_an_answer_yet_does_not_take_the_rescan_down() -> None:
    repeat = at("repeat", 5, verdict=None, stage=Stage.ASSESSING)

    assert ["rescan", "repeat"] == order(repeat, at("rescan", 60, verdict=RESCAN))


def test_the_same_protocol_on_another_scanner_is_no_repeat() -> None:
    elsewhere = at("elsewhere", 5, verdict=ACCEPT, scanner="MR 2")

    assert ["rescan", "elsewhere"] == order(elsewhere, at("rescan", 60, verdict=RESCAN))


def test_a_rescan_gives_way_when_the_patient_must_have_left() -> None:
    newer = at("newer", 5, description="t2")

    assert ["newer", "rescan"] == order(newer, at("rescan", ATTENTION_S + 1, verdict=RESCAN))


def test_a_superseded_rescan_calls_nobody() -> None:
    newer = at("newer", 5, description="t2")

    assert ["newer", "rescan"] == order(newer, at("rescan", 60, verdict=RESCAN, superseded=True))


cards = st.builds(
    at,
    st.uuids().map(str),
    st.floats(0, 7200),
    verdict=st.sampled_from([None, ACCEPT, RESCAN, NOT_ASSESSED]),
    scanner=st.sampled_from(["MR 1", "MR 2"]),
    description=st.sampled_from(["t1", "t2"]),
    superseded=st.booleans(),
)


@given(st.lists(cards, max_size=12), st.randoms())
def test_no_card_is_lost_or_doubled_and_the_order_of_arrival_does_not_matter(shown: list[Card], chance) -> None:
    shuffled = list(shown)
    chance.shuffle(shuffled)

    assert sorted(order(*shown)) == sorted(one.card_id for one in shown)
    assert [one.received_at for one in arrange(shown, NOW)] == [one.received_at for one in arrange(shuffled, NOW)]


def test_every_field_of_every_card_is_told_in_plain_json() -> None:
    snapshot = json.loads(render_snapshot(mixture(), now=NOW, obstacles=["disk full"], page="abc"))

    assert (NOW, ["disk full"], "abc") == (snapshot["now"], snapshot["obstacles"], snapshot["page"])
    assert {field.name for field in fields(Card)} == set(snapshot["cards"][0])
    assert len(mixture()) == len(snapshot["cards"])


def test_enumerations_are_told_by_their_value() -> None:
    done, left_out = (
        json.loads(render_snapshot([shown], now=NOW, obstacles=[], page=""))["cards"][0]
        for shown in (at("a", 1, verdict=RESCAN), at("b", 1, verdict=NOT_ASSESSED))
    )

    assert ("DONE", "RESCAN", "motion") == (done["stage"], done["verdict"]["state"], done["verdict"]["cause"])
    assert "slices are missing" == left_out["verdict"]["not_assessed"]


def test_line_breaks_in_a_description_do_not_break_the_stream() -> None:
    """A server-sent message ends at an empty line (WHATWG HTML, 9.2.6): JSON escapes every line break."""
    text = render_snapshot([replace(at("a", 1), description="a\n\ndata: b\r\r")], now=NOW, obstacles=["x\ny"], page="")

    assert 1 == len(text.splitlines())
