"""Which images an evaluation judges: every person with draws of its own, by the simulator that was asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.physics.artefacts import ARTEFACTS
from training.evaluation import evaluate as evaluation
from training.evaluation.evaluate import EvaluationPlan, TablesPlan, evaluate, print_tables
from training.evaluation.grids import UNTOUCHED
from training.evaluation.measure import Row
from training.evaluation.rows import read_rows
from training.evaluation.severity_tables import LADDER
from training.truth import Truth

PLAN = EvaluationPlan(data=Path("people"), out=Path("out"), bundle=Path("bundle"), people=3, repeats=2)


@pytest.fixture
def asked(monkeypatch):
    """Three people, and what was asked of either simulator."""
    voxels, labels = np.ones((4, 4, 4), np.float32), np.full((4, 4, 4), 2, np.uint8)
    people = [Truth(name=f"p{k}", voxels=voxels, labels=labels, affine=np.eye(4)) for k in range(3)]
    calls = []

    def record(simulator):
        def scanned(truth, artefact, severity, seed):
            calls.append((simulator, truth.name, artefact, severity, seed))
            present = [severity * (a == artefact) for a in ARTEFACTS]
            return replace(truth, severity=np.array(present, np.float32))

        return scanned

    def measured(truth, _):
        severity = dict(zip((a.value for a in ARTEFACTS), truth.severity.tolist(), strict=True))
        scores = dict.fromkeys(
            [*severity, "uncertainty", "task", "entropy", "snr", "cnr"], 0.1 + sum(severity.values())
        )
        dice = dict.fromkeys(("CSF", "grey matter", "white matter"), 0.8)
        return Row(name=truth.name, setting=truth.setting, severity=severity, dice=dice, scores=scores, causes=severity)

    monkeypatch.setattr(evaluation, "real_people", lambda _: iter(people))
    monkeypatch.setattr(evaluation, "with_artefact", record("own"))
    monkeypatch.setattr(evaluation, "by_the_second_scanner", record("torchio"))
    monkeypatch.setattr(evaluation, "on_other_grids", lambda p: [replace(p, setting=s) for s in (UNTOUCHED, "thick")])
    monkeypatch.setattr(evaluation, "measure", measured)
    monkeypatch.setattr(evaluation, "onnx_networks", lambda *_: None)
    monkeypatch.setattr("training.evaluation.ranks._RESAMPLES", 5)
    return calls


def run(tmp_path, **changed):
    evaluate(replace(PLAN, out=tmp_path, **changed))
    return read_rows(tmp_path / "rows.csv")


def test_no_two_people_share_the_draw_of_an_artefact(asked, tmp_path):
    """They once did: sixteen people had the same two positions of a spike, and the table said 31 of 32 right."""
    run(tmp_path)

    assert 3 * 2 * len(ARTEFACTS) == len(asked)
    for artefact in ARTEFACTS:
        assert 6 == len({seed for _, _, applied, _, seed in asked if applied == artefact})


def test_the_second_simulator_scans_the_clean_heads_too(asked, tmp_path):
    rows = run(tmp_path, simulator="torchio", repeats=1)

    assert {"torchio"} == {simulator for simulator, *_ in asked}
    assert 3 == sum(artefact is None for _, _, artefact, _, _ in asked)
    assert 3 * (1 + len(ARTEFACTS)) == len(rows)


def test_the_ladder_changes_the_severity_and_nothing_else(asked, tmp_path):
    rows = run(tmp_path, ladder=2)

    assert 2 * (1 + len(ARTEFACTS) * len(LADDER)) == len(rows)
    for person in ("p0", "p1"):
        assert 1 == len({seed for _, name, _, _, seed in asked if name == person})
        assert set(LADDER) == {severity for _, name, _, severity, _ in asked if name == person}
    assert "ladder of severities" in (tmp_path / "report.md").read_text()


def test_other_grids_have_a_table_of_their_own_and_tables_can_be_printed_again(asked, tmp_path, capsys):
    run(tmp_path, grids=2)
    written = (tmp_path / "report.md").read_text()
    capsys.readouterr()
    print_tables(TablesPlan(rows=tmp_path / "rows.csv"))

    assert not asked
    assert "| thick | 2 | 0.800 | +0.000 |" in written
    assert written == capsys.readouterr().out
