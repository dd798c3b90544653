"""Series of one study in one examination, on real databases: who joins whom, and what is judged again."""

from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest
import sqlalchemy as sa
from builders.judging.values import instance
from builders.running.database import gone_at, opened

from daemon.core.judging.gathering import Offer, gather
from daemon.core.values import ClosedBy, Series, State, Verdict
from daemon.edge.database.index import Index
from daemon.edge.database.results import Published, Results
from daemon.edge.database.studies.examinations import Examinations

FLAIR, T1, OTHER = "1.2.1", "1.2.2", "1.2.3"


class Study:
    """A study whose series are closed and answered one by one, as the line does it."""

    def __init__(self, engine):
        self.engine = engine
        self.index, self.results = Index(engine, b"key"), Results(engine)
        self.examinations = Examinations(engine)
        self.clock = 0.0
        self.images = 0

    def close(self, uid, revision=1, study="1.2"):
        """An image of a series comes, and the series is closed over it."""
        self.images += 1
        self.clock += 1.0
        arrived = replace(instance(self.images), series_instance_uid=uid, study_instance_uid=study)
        self.index.record([arrived], [], f"1:{self.images}")
        earlier = self.index.newest(uid)
        closed = Series(
            series_instance_uid=uid,
            study_instance_uid=study,
            revision=revision,
            instances=(*(earlier.instances if earlier else ()), arrived),
            closed_by=ClosedBy.RELEASE,
            closed_at=self.clock,
            partial=False,
        )
        return self.index.close_series(closed)

    def answer(self, uid, revision, state=State.ACCEPT, *, leads=False, members=None):
        """The line judges it with those that it gathers, or gathered before."""
        series = self.index.series(uid, revision)
        known = self.examinations.offers(series.study_instance_uid, "b") if leads else []
        members = gather(uid, known) if members is None else members
        offer = Offer(
            series_instance_uid=uid,
            revision=revision,
            bundle="b",
            role="flair" if leads else "t1",
            leads=leads,
            every=False,
            partial=series.partial,
            state=state,
            closed_at=series.closed_at,
        )
        published = Published(
            verdict=Verdict(state=state, action=""), assessment=None, description="", seconds={}, objects={},
            bundle="d", at=self.clock, offers=(offer,), members=members,
        )  # fmt: skip
        assert self.results.publish(uid, revision, published, ())
        return [member.series_instance_uid for member in members]


@pytest.fixture
def study(url):
    with opened(url) as engine:
        yield Study(engine)


def test_one_that_leads_is_answered_at_once_and_again_when_another_joins(study):
    study.close(FLAIR)

    assert [] == study.answer(FLAIR, 1, leads=True)
    assert [] == study.examinations.waiting()
    study.close(T1)
    study.answer(T1, 1)

    assert [(FLAIR, 2)] == study.examinations.waiting()
    assert [T1] == study.answer(FLAIR, 2, leads=True)
    assert [] == study.examinations.waiting()
    assert ClosedBy.JOINED is study.results.record(FLAIR, 2).closed_by
    assert study.results.record(FLAIR, 1).superseded


def test_one_that_joins_may_come_first(study):
    study.close(T1)
    study.answer(T1, 1)
    study.close(FLAIR)

    assert [T1] == study.answer(FLAIR, 1, leads=True)
    assert [] == study.examinations.waiting()


def test_of_two_that_are_judged_at_once_none_is_missed(study):
    """The one that leads gathers before the other is answered, and is answered after it."""
    study.close(FLAIR)
    study.close(T1)
    study.answer(T1, 1)
    study.answer(FLAIR, 1, leads=True, members=())

    assert [(FLAIR, 2)] == study.examinations.waiting()
    assert [T1] == study.answer(FLAIR, 2, leads=True)


def test_a_good_one_replaces_a_bad_one_and_a_bad_one_nothing(study):
    study.close(FLAIR)
    study.answer(FLAIR, 1, leads=True)
    study.close(T1)
    study.answer(T1, 1, State.RESCAN)

    assert [] == study.examinations.waiting()
    study.close(OTHER)
    study.answer(OTHER, 1)

    assert [OTHER] == study.answer(FLAIR, 2, leads=True)


def test_a_late_image_of_one_that_joined_makes_the_next_revision(study):
    study.close(T1)
    study.answer(T1, 1)
    study.close(FLAIR)
    study.answer(FLAIR, 1, leads=True)
    study.close(T1, revision=2)
    study.answer(T1, 2)

    assert [(FLAIR, 2)] == study.examinations.waiting()
    study.answer(FLAIR, 2, leads=True)
    assert [2] == [member.revision for member in study.examinations.members(FLAIR, 2)]


def test_a_late_image_of_one_that_was_joined_comes_behind_that_revision(study):
    """The receiving side counts its own revisions: it knows nothing of those that others made."""
    study.close(FLAIR)
    study.answer(FLAIR, 1, leads=True)
    study.close(T1)
    study.answer(T1, 1)
    closed = study.close(FLAIR, revision=2)

    assert 3 == closed.revision
    assert [1, 1, 2] == [len(study.index.series(FLAIR, n).instances) for n in (1, 2, 3)]
    assert [(FLAIR, 2)] == study.examinations.waiting()
    assert [T1] == study.answer(FLAIR, 3, leads=True)
    assert 3 == study.index.close_series(replace(closed)).revision


def test_series_without_a_study_and_of_another_study_join_nobody(study):
    for n, name in enumerate(("", "1.3")):
        study.close(f"9.{n}", study=name)
        study.answer(f"9.{n}", 1)
    study.close(FLAIR)

    assert [] == study.answer(FLAIR, 1, leads=True)
    assert [] == study.examinations.waiting()


def test_two_that_lead_and_join_each_other_come_to_rest(study):
    """An answer to the same images offers nothing new, so that nothing goes round in circles."""
    for uid in (FLAIR, T1):
        study.close(uid)
        study.answer(uid, 1, leads=uid == FLAIR)
    for _ in range(5):
        for uid, revision in study.examinations.waiting():
            study.answer(uid, revision, State.REVIEW, leads=True)

    assert [] == study.examinations.waiting()
    assert 2 == study.index.newest(FLAIR).revision


def test_an_answer_that_is_cut_off_at_any_statement_leaves_nothing_and_is_given_again(study):
    """What a kill between the two series leaves behind: the one that joins is answered wholly or not at all."""
    for number in count():
        lead, joining, name = f"7.{number}", f"8.{number}", f"1.9.{number}"
        for uid in (lead, joining):
            study.close(uid, study=name)
        study.answer(lead, 1, leads=True)
        with gone_at(study.engine, number) as broken, suppress(sa.exc.OperationalError):
            study.answer(joining, 1)
        if not broken:  # it took fewer statements
            break

        assert [] == study.examinations.waiting()
        assert [] == [offer for offer in study.examinations.offers(name, "b") if not offer.leads]
        study.answer(joining, 1)

        assert [(lead, 2)] == study.examinations.waiting()
        assert [joining] == study.answer(lead, 2, leads=True)
        assert [] == study.examinations.waiting()

    assert number > 5
    assert [(lead, 2)] == study.examinations.waiting()
