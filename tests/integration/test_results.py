"""Index and results on a real SQLite file: what is recorded is there after a restart, and twice is once."""

import json
from contextlib import nullcontext
from dataclasses import replace

import pytest
import sqlalchemy as sa
from builders import assessment, association_end, instance

from daemon.core.values import ClosedBy, Series, Stage, State, Verdict
from daemon.edge import schema
from daemon.edge.index import Index
from daemon.edge.results import Published, Results
from daemon.edge.schema import open_database, sqlite_url
from models.artefacts import Artefact

VERDICT = Verdict(state=State.RESCAN, cause=Artefact.NOISE, action="repeat", reasons=("noise",), rating=20)


@pytest.fixture
def database(tmp_path):
    return tmp_path / "scanside.sqlite"


@pytest.fixture
def engine(database):
    opened = open_database(sqlite_url(database))
    yield opened
    opened.dispose()


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


def publish(results, revision=1, owed=()):
    published = Published(
        verdict=VERDICT,
        assessment=assessment({Artefact.NOISE: 0.5}),
        description="t1",
        seconds={"verdict": 2.0},
        objects={kind: uid for kind, uid, _ in owed},
        bundle="b1",
    )
    results.publish("1.2.115", revision, published, owed)


def test_open_instances_and_the_position_survive_a_restart(index, engine, database):
    index.record([instance(n) for n in range(3)], [association_end(at=5.0)], "1:77")
    engine.dispose()
    again = open_database(sqlite_url(database))
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
    assert assessment({Artefact.NOISE: 0.5}) == record.assessment


def test_an_assessment_from_before_p_values_and_references_is_read(index, results, engine):
    close(index)
    publish(results)
    with engine.begin() as connection:
        old = json.loads(connection.execute(sa.text("SELECT assessment FROM series")).scalar_one())
        del old["reference"]
        for measure in (old["uncertainty"], *old["artefacts"].values(), *old["measures"].values()):
            del measure["p_value"], measure["level"]
        connection.execute(sa.text("UPDATE series SET assessment = :text"), {"text": json.dumps(old)})
    found = results.record("1.2.115", 1).assessment

    assert assessment({Artefact.NOISE: 0.5}) == found
    assert found.uncertainty.abnormal


def test_a_database_from_before_a_column_gains_it_and_keeps_its_rows(index, results, engine, database):
    close(index)
    publish(results)
    before = results.record("1.2.115", 1)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE series DROP COLUMN bundle"))
    engine.dispose()
    again = open_database(sqlite_url(database))
    open_database(sqlite_url(database)).dispose()  # once more: nothing is left to do

    assert replace(before, bundle="") == Results(again).record("1.2.115", 1)
    publish(Results(again))
    assert "b1" == Results(again).record("1.2.115", 1).bundle
    again.dispose()


def test_two_processes_may_miss_a_column_at_once(database, monkeypatch):
    """The second ALTER fails because the first succeeded; only a column that is still missing is an error."""
    open_database(sqlite_url(database)).dispose()
    has = schema._has  # noqa: SLF001 - nothing outside tells when another process was faster
    for looks in ([False, True], [False, False]):
        answers = iter(looks)
        monkeypatch.setattr(schema, "_has", lambda e, c, a=answers: next(a) if c.name == "bundle" else has(e, c))
        with nullcontext() if looks[1] else pytest.raises(sa.exc.OperationalError, match="duplicate"):
            open_database(sqlite_url(database)).dispose()


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


def test_a_series_is_done_when_everything_owed_is_settled(index, results):
    close(index)
    publish(results, owed=[("SC", "9.1", "pacs"), ("SR", "9.2", "pacs"), ("SR", "9.2", "other")])

    assert [("1.2.115", 1)] == results.unfinished()
    results.delivered("9.1", "pacs", 104.0)
    results.delivered("9.2", "pacs", 105.0)
    assert results.finish("1.2.115", 1) is None
    results.park("9.2", "other", "refused")
    seconds = results.finish("1.2.115", 1)

    assert [] == results.unfinished()
    assert 103.0 == seconds["sr"]  # the last image came at 2.0
    assert {"other": "refused"} == results.record("1.2.115", 1).parked


def test_the_first_delivery_counts(index, results):
    close(index)
    publish(results, owed=[("SR", "9.2", "pacs")])
    results.delivered("9.2", "pacs", 104.0)
    results.delivered("9.2", "pacs", 999.0)
    results.park("9.2", "pacs", "late refusal")

    assert 102.0 == results.finish("1.2.115", 1)["sr"]
    assert {} == results.record("1.2.115", 1).parked


def test_a_revised_report_knows_the_one_it_supersedes(index, results):
    close(index)
    publish(results, owed=[("SR", "9.1", "pacs")])
    close(index, count=1, revision=2, first=3)

    assert results.sr_before("1.2.115", 1) is None
    assert "9.1" == results.sr_before("1.2.115", 2)


def test_every_change_raises_the_version(index, results):
    versions = [results.version()]
    close(index)
    versions.append(results.version())
    results.advance("1.2.115", 1, Stage.ASSESSING)
    versions.append(results.version())
    publish(results)
    versions.append(results.version())

    assert sorted(set(versions)) == versions
