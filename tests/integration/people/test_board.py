"""What becomes of stored results on the page's board, on a real SQLite file."""

from dataclasses import replace
from itertools import pairwise

import pytest
import sqlalchemy as sa
from builders.page.site import Site

from daemon.core.errors import Reason
from daemon.core.judging.verdict import decline
from daemon.core.people.card import Answer, Choice
from daemon.core.people.exams import Whose
from daemon.core.values import Incoming, State
from daemon.edge.database.outbox import Outbox


@pytest.fixture
def site(engine, tmp_path):
    return Site(engine, tmp_path)


SMALL, OTHER = decline(Reason.TOO_FEW, "1 slice"), decline(Reason.UNROUTED, "a localizer")
ACCEPTED = replace(SMALL, state=State.ACCEPT, not_assessed=None, reasons=())
RESCAN = replace(ACCEPTED, state=State.RESCAN)


def test_a_study_of_tiny_series_is_one_line_and_what_was_judged_a_card_each(site):
    site.answer("1.2.9", ACCEPTED)
    for n in range(60):
        site.answer(f"1.2.3.{n}", SMALL)
    site.answer("1.2.10", ACCEPTED)
    view = site.view()

    assert [(60, 120)] == [(quiet.series, quiet.images) for quiet in view.quiet]
    assert [site.index.card_id(uid) for uid in ("1.2.10", "1.2.9")] == [card.card_id for card in view.cards]


def test_the_next_patients_exam_takes_the_page_and_the_first_is_found_under_its_own(site):
    site.answer("1.2.9", RESCAN)
    first = site.view()
    site.answer("1.5.1", ACCEPTED, study="1.5")
    earlier = site.board.earlier("MR 1", 20)

    assert [State.ACCEPT] == [card.verdict.state for card in site.view().cards]
    assert [first.exam.exam_id] == [view.exam.exam_id for view in earlier]
    assert [(State.RESCAN, False)] == [(card.verdict.state, card.calls) for card in earlier[0].cards]
    assert earlier[0] == site.board.exam(first.exam.exam_id)


def test_an_answer_is_shown_until_it_is_taken_back(site):
    site.answer("1.2.9", RESCAN)
    card = site.view().cards[0]
    given = Answer(choice=Choice.WRONG, state=State.RESCAN, reason="ear plug", by="anna", at=5.0)
    site.answers.give(card.card_id, 1, replace(given, choice=Choice.REPEATED))
    site.answers.give(card.card_id, 1, given)
    answered = site.view().cards[0]
    site.answers.take_back(card.card_id, 1, given)

    assert (True, False, given) == (card.calls, answered.calls, answered.answer)
    assert site.view().cards[0].calls


def test_a_series_that_comes_in_again_keeps_the_verdict_that_it_overtakes(site):
    site.answer("1.2.9", RESCAN)
    site.answer("1.2.9", None, revision=2)
    (waiting,) = site.view().cards
    site.incoming = [
        Incoming(series_instance_uid="1.2.9", calling_ae="A", revision=3, images=34, last_received_at=5.0, expected=176)
    ]
    (arriving,) = site.view().cards

    assert (2, State.RESCAN, True) == (waiting.revision, waiting.verdict.state, waiting.superseded)
    assert (3, 34, 176, True) == (arriving.revision, arriving.images, arriving.expected, arriving.superseded)
    assert "dynamic" == arriving.description


def test_series_of_before_there_were_exams_get_one(site, engine):
    site.answer("1.2.9", ACCEPTED)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM exams")
        connection.exec_driver_sql("DELETE FROM exam_series")
    site.exams.adopt({"SCANNER": "MR 1"})

    assert [State.ACCEPT] == [card.verdict.state for card in site.view().cards]


def test_an_exam_is_shown_beside_the_usual_list_of_its_like(site):
    for exam in range(13):
        for number, protocol in enumerate(("localizer", "t1", "flair", "dwi")):
            site.answer(f"1.2.{exam}.{number}", ACCEPTED, study=f"1.2.{exam}", description=protocol, images=1)
    for number, protocol in enumerate(("localizer", "t1", "swi")):
        site.answer(f"1.3.{number}", ACCEPTED, study="1.3", description=protocol, images=1)
    listed = site.view().listed

    assert (("flair", "dwi"), ("swi",), 13) == (listed.missing, listed.extra, listed.alike)
    site.answer("1.3.9", ACCEPTED, study="1.3", description="flair", images=1)
    assert ("dwi",) == site.view().listed.missing
    first = site.board.earlier("MR 1", 20)[-1]
    assert ((), ()) == (first.listed.missing, first.listed.extra)


def test_whatever_changes_is_shown_as_by_a_board_that_has_seen_nothing_yet(site, engine):
    card, given = site.index.card_id("1.2.9"), Answer(choice=Choice.WRONG, state=State.RESCAN, reason="", by="", at=5.0)
    arriving = Incoming(series_instance_uid="1.2.9", calling_ae="A", revision=3, images=3, last_received_at=5.0)
    outbox = Outbox(engine)

    def arrive(images):
        site.incoming = [replace(arriving, images=images)] if images else []

    changes = [
        lambda: site.answer("1.2.9", None),
        lambda: site.results.begin("1.2.9", 1),
        lambda: site.publish("1.2.9", RESCAN, owed=[("SR", "1.9", "archive")]),
        lambda: outbox.park(outbox.of_series(["1.2.9"])[0], "full"),
        lambda: outbox.requeue(9.0),
        lambda: site.answers.give(card, 1, given),
        lambda: site.answers.take_back(card, 1, given),
        lambda: site.answer("1.2.10", SMALL),
        lambda: site.answer("1.2.9", ACCEPTED, revision=2),
        lambda: arrive(3),
        lambda: arrive(4),
        lambda: site.answer("1.5.1", ACCEPTED, study="1.5"),
        lambda: site.exams.enter("MR 1", Whose(study_instance_uid="1.5", protocol="t2"), 900.0, "1.5.2"),
        lambda: site.answer("1.2.11", ACCEPTED),
        lambda: arrive(0),
    ]
    shown = []
    for change in changes:
        change()
        fresh = site.new_board()
        shown.append((site.view(), site.board.earlier("MR 1", 20)))

        assert (fresh.current(), fresh.earlier("MR 1", 20)) == ([shown[-1][0]], shown[-1][1])
    assert len(changes) - 2 <= sum(one != other for one, other in pairwise(shown))


def test_an_exam_of_which_nothing_has_changed_is_not_read_again(site, engine):
    for number in range(5):
        site.answer(f"1.{number}.1", ACCEPTED, study=f"1.{number}")
    asked = []
    sa.event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    looks = []
    for _ in range(2):
        site.board.earlier("MR 1", 20)
        looks.append(len(asked))
        asked.clear()

    assert looks[0] > 4 * 4
    assert 3 == looks[1]  # which exams there are, what comes in, what has changed
