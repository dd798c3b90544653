"""A user's folder of hearts to a bundle, by the one command, killed on the way."""

import shutil
import sys

import pytest
from builders.images.reader_table import DICOM
from builders.running.commands import kill_in, run_to_the_end

from export.own.cine_steps import TABLES
from export.own.command import run
from export.own.plan import read_plan
from models.bundle import load_bundle
from training.running.pipeline import PipelineError

HEARTS = DICOM.parent / "cardiac"

pytestmark = pytest.mark.skipif(not HEARTS.is_dir(), reason="no hearts: set SCANSIDE_DATA")


def given(folder, out):
    return ["--bids", str(folder), "--out", str(out), "--plan", "tiny", "--folds", "2", "--licence", "ours"]


def command(folder, out):
    return [sys.executable, "-m", "training", "cine", *given(folder, out)]


def test_a_folder_of_hearts_becomes_a_bundle_though_killed_on_the_way(tmp_path):
    folder, out = tmp_path / "bids", tmp_path / "bundle"
    for person in ("sub-001", "sub-007", "sub-024"):
        shutil.copytree(HEARTS / person, folder / person / "anat")
    kill_in("covariance-without-1", command(folder, out), out)
    last = run_to_the_end(command(folder, out))

    assert 0 == last.returncode, last.stderr
    assert [f"[{n}/13] {step}: done before" for n, step in enumerate(DONE, 1)] == [
        line for line in last.stdout.splitlines() if line.endswith("done before")
    ]
    manifest = load_bundle(out).manifest
    assert max(manifest.parity.values()) < 1e-3
    assert "ours" == manifest.training.licence
    assert "3 hearts" in manifest.training.data[0]
    report = (out.with_name("bundle.run") / "report" / "report.md").read_text()
    assert "3 patients of 2 folds" in report
    assert list((out.with_name("bundle.run") / "report" / "figures").glob("*.png"))


DONE = ("people", "labels-without-0", "covariance-without-0", "masks-without-0", "labels-without-1")


def test_what_is_wrong_with_the_folder_is_said(tmp_path):
    shutil.copytree(HEARTS / "sub-001", tmp_path / "bids" / "sub-001")
    with pytest.raises(SystemExit, match=r"^BidsError: .*1 of 2"):  # in this process: another one imports torch again
        run("cine", given(tmp_path / "bids", tmp_path / "out"))


@pytest.mark.parametrize("name", ["full", "tiny"])
def test_the_plans_that_ship_can_be_read(name):
    assert read_plan(name, "cine", TABLES)["labels"]["steps"] > 0


@pytest.mark.parametrize(("table", "key"), [("labels", "fold"), ("masks", "folds"), ("export", "version")])
def test_what_the_command_says_is_no_plans_to_say(tmp_path, table, key):
    (tmp_path / "plan.toml").write_text(f"[{table}]\n{key} = 3\n")
    with pytest.raises(PipelineError, match=rf"\[{table}\] has no {key}:"):
        read_plan(str(tmp_path / "plan.toml"), "cine", TABLES)


def test_a_plan_says_how_precisely_its_networks_are_trained(tmp_path):
    (tmp_path / "plan.toml").write_text('[labels]\nprecision = "bf16-mixed"\n')
    assert read_plan(str(tmp_path / "plan.toml"), "cine", TABLES)["labels"]["precision"] == "bf16-mixed"
