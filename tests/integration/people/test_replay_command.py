"""scanside replay and export-labels, over a database that a daemon could have left."""

import csv
import json
import time
from dataclasses import replace

import pytest
from builders.judging.values import assessment, instance

from daemon.__main__ import main
from daemon.config import load_settings, shipped_bundles
from daemon.core.judging.verdict import decide
from daemon.core.people.access import Deed
from daemon.core.people.card import Answer, Choice
from daemon.core.values import ClosedBy, Series, State
from daemon.edge.access.audit import Audit
from daemon.edge.database.answers import Answers
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_database
from daemon.edge.database.results import Published, Results
from models.bundle import load_bundle
from models.physics.artefacts import Artefact


@pytest.fixture
def site(tmp_path):
    """A configuration whose database has three judged series, one of them answered."""
    config = tmp_path / "scanside.toml"
    config.write_text(f'storage = "{tmp_path}"\n')
    engine = open_database(load_settings(config).database_url)
    bundle = load_bundle(shipped_bundles()["brain-t1"])
    for number, levels in enumerate(({}, {Artefact.MOTION: 9.0}, {Artefact.NOISE: 0.9})):
        judge(engine, f"1.2.{number}", assessment(levels, presence={"motion": 1.0, "noise": 1.0}), bundle)
    answer = Answer(choice=Choice.WRONG, state=State.RESCAN, reason="Mr Muster coughed", by="anna", at=5.0)
    Answers(engine).give(Index(engine, b"key").card_id("1.2.1"), 1, answer)
    yield config, engine
    engine.dispose()


def judge(engine, uid, found, bundle):
    series = Series(
        series_instance_uid=uid, study_instance_uid="1", revision=1,
        instances=(replace(instance(0), series_instance_uid=uid),), closed_by=ClosedBy.RELEASE, closed_at=time.time(),
        partial=False,
    )  # fmt: skip
    Index(engine, b"key").close_series(series)
    published = Published(
        verdict=decide(found, bundle.manifest), assessment=found, description="t1", seconds={}, objects={},
        bundle=bundle.digest,
        at=time.time(),
    )  # fmt: skip
    assert Results(engine).publish(uid, 1, published, ())


def test_replay_reproduces_what_was_recorded_and_says_so(site, capsys):
    config, _ = site

    assert 0 == main(["replay", "--config", str(config)])
    assert "3 verdicts, 3 can be replayed, 0 of them are not reproduced" in capsys.readouterr().out


def test_replay_says_which_verdicts_other_thresholds_change(site, capsys):
    config, _ = site
    assert 0 == main(["replay", "--impaired", "100", "--tolerated-loss", "100", "--json", "--config", str(config)])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert 2 == [one["recorded"] for one in found].count("RESCAN")
    assert "RESCAN" not in {one["replayed"] for one in found}
    assert ["wrong"] == [one["answer"] for one in found if one["answer"]]


def test_labels_are_exported_without_what_people_wrote_and_the_trail_tells_of_it(site, tmp_path):
    config, engine = site
    out = tmp_path / "labels.csv"
    assert 0 == main(["export-labels", "--out", str(out), "--answered", "--config", str(config)])
    (row,) = csv.DictReader(out.read_text().splitlines())

    assert "wrong" == row["answer"]
    assert "Muster" not in out.read_text()
    assert 0o600 == out.stat().st_mode & 0o777
    assert ["1 labels"] == [entry.subject for entry in Audit(engine).entries(0.0) if entry.deed is Deed.EXPORTED]


def test_precision_is_told_a_line_a_kind(site, capsys):
    config, _ = site
    assert 0 == main(["export-labels", "--precision", "--config", str(config)])
    header, *rows = csv.reader(capsys.readouterr().out.splitlines())

    assert "precision" in header
    assert ["0.000"] == [row[header.index("precision")] for row in rows if row[header.index("answered")] == "1"]
