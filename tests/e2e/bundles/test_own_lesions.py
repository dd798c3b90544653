"""A user's folder of people with lesions to a bundle, by the one command, killed on the way."""

import sys
from pathlib import Path

import pytest
from builders.images.flair_people import write_flair_people
from builders.running.commands import kill_in, run_to_the_end

from daemon.edge.engines import OnnxRuntimeSettings, engine_maker
from daemon.line.examination import check_golden, load_examiner
from export.own.command import run
from export.own.lesion_steps import TABLES
from export.own.plan import read_plan
from models.bundle import load_bundle, read_manifest

ROOT = Path(__file__).parents[3]
START = ROOT / "models" / "research" / "brain-wmh"
DONE = ("people", "network-without-0")


def given(folder, out):
    return ["--bids", str(folder), "--out", str(out), "--plan", "tiny", "--folds", "2", "--licence", "ours"]


def command(folder, out):
    return [sys.executable, "-m", "training", "lesions", *given(folder, out)]


def test_a_folder_of_people_becomes_a_bundle_though_killed_on_the_way(tmp_path):
    folder, out = tmp_path / "bids", tmp_path / "bundle"
    write_flair_people(folder, ("sub-Ada", "sub-Bea", "sub-Cleo"))
    kill_in("network-without-1", command(folder, out), out)
    last = run_to_the_end(command(folder, out))

    assert 0 == last.returncode, last.stderr
    assert [f"[{n}/9] {step}: done before" for n, step in enumerate(DONE, 1)] == [
        line for line in last.stdout.splitlines() if line.endswith("done before")
    ]
    bundle, start = load_bundle(out), read_manifest(START)
    check_golden(load_examiner(out, engine_maker(OnnxRuntimeSettings(), tmp_path)))
    manifest = bundle.manifest
    assert start.parity != manifest.parity
    assert manifest.parity["variance over passes"] > 0
    assert (start.thresholds, start.inputs, start.signals) == (manifest.thresholds, manifest.inputs, manifest.signals)
    assert "ours" == manifest.training.licence
    assert manifest.training.data[0].startswith("3 people")
    assert 3 == len(manifest.references[0].scores["entropy"])
    assert 3 == manifest.settings["loss"]["people"]
    report = (out.with_name("bundle.run") / "report" / "report.md").read_text()
    assert "Dice, 3 clean series" in report
    assert not [name for name in ("Ada", "Bea", "Cleo") if name in report + last.stdout]


def test_what_is_wrong_with_the_folder_is_said(tmp_path):
    write_flair_people(tmp_path / "bids", ("sub-1",))
    with pytest.raises(SystemExit, match=r"^BidsError: .*1 of 2"):  # in this process: another one imports torch again
        run("lesions", given(tmp_path / "bids", tmp_path / "out"))


@pytest.mark.parametrize("name", ["full", "tiny"])
def test_the_plans_that_ship_can_be_read(name):
    assert read_plan(name, "lesions", TABLES)["network"]["steps"] > 0


def test_a_plan_says_how_precisely_its_networks_are_trained(tmp_path):
    (tmp_path / "plan.toml").write_text('[network]\nprecision = "bf16-mixed"\n')
    assert read_plan(str(tmp_path / "plan.toml"), "lesions", TABLES)["network"]["precision"] == "bf16-mixed"
