"""Index and results on a real SQLite file: what is recorded is there after a restart, and twice is once."""

import json

import pytest
import sqlalchemy as sa
from builders.judging.values import assessment, association_end, instance

from daemon.core.values import ClosedBy, Series, Stage, State, Verdict
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_database
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.results import Published, Results
from models.physics.artefacts import Artefact

VERDICT = Verdict(state=State.RESCAN, cause="noise", cause_word="Noise", action="repeat", reasons=("noise",), rating=20)


@pytest.fixture
def database(tmp_path):
    return tmp_path / "scanside.sqlite"


@pytest.fixture
def index(engine):
    return Index(engine, b"key")


@pytest.fixture
def results(engine):
    return Results(engine)


def close(index, count=3, revision=1, first=0):
    """Record ``count`` new images of one series, and the series as closed over all of them."""
    new = [instance(number) for number in range(first, first + count)]
    index.record(new, [], f"1:{first + count}")
    held, _ = index.unclosed()
    earlier = index.newest("1.2.115")
    series = Series(
        series_instance_uid="1.2.115",
        study_instance_uid="1.2",
        revision=revision,
        instances=(*(earlier.instances if earlier else ()), *held),
        closed_by=ClosedBy.RELEASE,
        closed_at=100.0 + revision,
        partial=False,
    )
    index.close_series(series)
    return series


def publish(results, revision=1, owed=(), place=lambda _: None, unasked=()):
    published = Published(
        verdict=VERDICT,
        assessment=assessment({Artefact.NOISE: 0.5}),
        description="t1",
        seconds={"verdict": 2.0},
        objects={kind: uid for kind, uid, _ in owed},
        bundle="b1",
        at=103.0,
        unasked=unasked,
    )
    return results.publish("1.2.115", revision, published, owed, place)


def test_open_instances_and_the_position_survive_a_restart(index, engine, database):
    index.record([instance(n) for n in range(3)], [association_end(at=5.0)], "1:77")
    engine.dispose()
    again = open_database(f"sqlite:///{database}")
    instances, ends = Index(again, b"key").unclosed()

    assert "1:77" == Index(again, b"key").position()
    assert [instance(n) for n in range(3)] == instances
    assert [association_end(at=5.0)] == ends
    again.dispose()


def test_recording_again_changes_nothing(index):
    for _ in range(2):
        index.record([instance(0), instance(1)], [association_end(at=5.0)], "1:9")

    assert 2 == len(index.unclosed()[0])


def test_a_closed_series_is_read_back_with_its_images(index):
    series = close(index)

    assert series == index.series("1.2.115", 1)
    assert ([], []) == index.unclosed()


def test_a_later_revision_holds_all_images_and_the_earlier_one_its_own(index, results):
    close(index)
    close(index, count=2, revision=2, first=3)

    assert 3 == len(index.series("1.2.115", 1).instances)
    assert 5 == len(index.series("1.2.115", 2).instances)
    assert {1: True, 2: False} == {r.revision: r.superseded for r in results.records(10)}


def test_the_card_is_no_uid_and_differs_by_site(index, engine):
    assert "1.2.115" not in index.card_id("1.2.115")
    assert index.card_id("1.2.115") != Index(engine, b"other").card_id("1.2.115")


def test_what_was_published_is_read_back(index, results):
    close(index)
    publish(results)
    record = results.record("1.2.115", 1)

    assert (VERDICT, Stage.DONE, "b1") == (record.verdict, record.stage, record.bundle)


def test_scores_that_an_older_version_recorded_are_read(index, results, engine):
    """0.1 recorded a mapping of measures, and some of them twice."""
    close(index)
    publish(results)
    old = {"uncertainty": {"value": 1.0}, "measures": {"noise": {"value": 0.5, "unit": "1", "limit": None}}}
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE series SET assessment = :text"), {"text": json.dumps(old)})

    assert {"noise": 0.5} == results.scored()[0].scores


def test_the_newest_revision_of_each_complete_judged_series_is_scored(index, results, engine):
    close(index)
    assert [] == results.scored()
    publish(results)
    (first,) = results.scored()
    close(index, count=1, revision=2, first=3)

    assert ("SCANNER", "t1", "b1", State.RESCAN) == (first.scanner, first.protocol, first.bundle, first.state)
    assert 0.5 == first.scores["noise"]
    assert [] == results.scored()  # the newest is not judged yet, and the one before no longer counts
    publish(results, revision=2)
    assert [first] == results.scored()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE series SET partial = 1 WHERE revision = 2"))
    assert [] == results.scored()


def test_the_verdict_that_is_recorded_first_counts_and_only_it_writes_files(index, results):
    close(index)
    wrote = []

    assert publish(results, owed=[("SR", "9.1", "pacs")], place=lambda _: wrote.append("first"))
    assert not publish(results, owed=[("SR", "9.9", "pacs")], place=lambda _: wrote.append("second"))
    assert ["first"] == wrote
    assert {"SR": "9.1"} == results.record("1.2.115", 1).objects


def test_a_verdict_whose_files_could_not_be_written_is_none(index, results):
    close(index)

    def fail(_) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        publish(results, place=fail)
    assert [("1.2.115", 1)] == results.unjudged()
    assert publish(results)
    assert [] == results.unjudged()


def test_a_revised_report_knows_the_one_it_supersedes(index, results):
    close(index)
    publish(results, owed=[("SR", "9.1", "pacs")])
    close(index, count=1, revision=2, first=3)

    assert results.sr_before("1.2.115", 1) is None
    assert "9.1" == results.sr_before("1.2.115", 2)


def test_a_revised_report_supersedes_the_newest_that_was_made(index, results):
    close(index)
    assert not results.may_supersede("1.2.115", 1)
    publish(results, owed=[("SR", "9.1", "pacs")])
    for revision in (2, 3):
        close(index, count=1, revision=revision, first=2 + revision)
    assert results.may_supersede("1.2.115", 2)
    publish(results, revision=2)

    assert "9.1" == results.sr_before("1.2.115", 3)
    assert results.may_supersede("1.2.115", 3)


def test_an_earlier_revision_without_a_verdict_may_yet_be_told_and_one_without_a_report_never(index, results):
    close(index)
    close(index, count=1, revision=2, first=3)

    assert results.may_supersede("1.2.115", 2)
    publish(results)
    assert not results.may_supersede("1.2.115", 2)


@pytest.mark.parametrize("first_owed", [[("SR", "9.1", "pacs")], []])
def test_an_unasked_verdict_goes_to_those_who_were_told_an_earlier_one(index, results, engine, first_owed):
    close(index)
    publish(results, owed=first_owed)
    close(index, count=1, revision=2, first=3)
    owed = [("SR", "9.2", "pacs"), ("SR", "9.2", "other"), ("SR", "9.2", "curious")]
    publish(results, revision=2, owed=owed, unasked={"pacs", "other"})
    revised = [one for one in Outbox(engine).of_series(["1.2.115"]) if one.revision == 2]

    assert {"curious"} | ({"pacs"} if first_owed else set()) == {one.destination for one in revised}
    assert Stage.DELIVERING is results.record("1.2.115", 2).stage


def test_who_wants_no_such_verdict_is_owed_nothing(index, results, engine):
    close(index)
    publish(results, owed=[("SR", "9.1", "pacs")], unasked={"pacs"})

    assert [] == Outbox(engine).of_series(["1.2.115"])
    assert Stage.DONE is results.record("1.2.115", 1).stage


def test_a_verdict_that_a_later_revision_overtook_is_owed_to_nobody(index, results, engine):
    close(index)
    close(index, count=1, revision=2, first=3)
    publish(results, revision=2)
    publish(results, owed=[("SR", "9.1", "pacs")])

    assert [] == Outbox(engine).of_series(["1.2.115"])
    assert Stage.DONE is results.record("1.2.115", 1).stage


def test_every_change_raises_the_version(index, results):
    versions = [results.version()]
    close(index)
    versions.append(results.version())
    assert [1, 2] == [results.begin("1.2.115", 1) for _ in range(2)]
    versions.append(results.version())
    publish(results)
    versions.append(results.version())

    assert sorted(set(versions)) == versions


def test_a_worker_that_comes_back_begins_nothing_that_was_answered_meanwhile(index, results):
    close(index)
    results.begin("1.2.115", 1)
    assert publish(results)
    before = results.record("1.2.115", 1)

    assert 2 == results.begin("1.2.115", 1)
    assert before == results.record("1.2.115", 1)
    assert Stage.DONE is before.stage
