"""A user's folder of people to a bundle that the daemon judges with, by the one command, killed on the way."""

import json
import shutil
import signal
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import pytest
from builders.images.reader_table import DICOM
from builders.running.commands import ENVIRONMENT, ROOT, run_to_the_end

from export.own.brain_steps import TABLES
from export.own.command import run
from export.own.plan import read_plan
from models.bundle import load_bundle
from training.running.pipeline import PipelineError

PEOPLE = DICOM.parent / "brain"
STEPS = (
    *("people", "label-maps", "bank", "locate", "task", "cause", "student", "stochastic", "borders", "variances"),
    *("export", "harm", "report", "deliver"),
)
WITHOUT = ("--leave-out", "sub-02")

pytestmark = pytest.mark.skipif(not PEOPLE.is_dir(), reason="no people: set SCANSIDE_DATA")


@pytest.fixture
def folder(tmp_path):
    """Three people, labels numbered as BIDS numbers them, below derivatives/."""
    for person in ("sub-01", "sub-02", "sub-04"):
        source = PEOPLE / person / "anat"
        for name, where in (("T1w", ""), ("dseg", "derivatives/silver")):
            anat = tmp_path / "bids" / where / person / "anat"
            anat.mkdir(parents=True, exist_ok=True)
            found = nib.load(source / f"{person}_{'T1w' if name == 'T1w' else 'desc-tissue_dseg'}.nii.gz")
            voxels = np.asarray(found.dataobj)
            if name == "dseg":
                voxels = np.array([0, 3, 1, 2], np.uint8)[voxels]  # 1 grey, 2 white matter, 3 CSF
            nib.save(nib.Nifti1Image(voxels, found.affine), anat / f"{person}_{name}.nii.gz")
    return tmp_path / "bids"


def given(folder, out, *options):
    return ["--bids", str(folder), "--out", str(out), "--plan", "tiny", *options]


def command(folder, out):
    """Of two people: a third shows nothing more."""
    return [sys.executable, "-m", "training", "brain", *given(folder, out, *WITHOUT)]


def refusal(folder, out, *options):
    """What the command ends with; in this process, for another one imports torch for five seconds."""
    with pytest.raises(SystemExit) as ended:
        run("brain", given(folder, out, *options))
    return ended.value.code


def kill_in(step, folder, out):
    """Run until ``step`` has begun, and a little of it, then kill -9."""
    begun = out.with_name(f"{out.name}.run") / "stamps" / f"{step}.begun"
    with subprocess.Popen(
        command(folder, out), cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while not begun.exists() and process.poll() is None:
            time.sleep(0.2)
        time.sleep(1)
        if process.poll() is not None:
            pytest.fail(process.stderr.read())
        process.send_signal(signal.SIGKILL)


def test_a_folder_of_people_becomes_a_bundle_that_judges_though_killed_twice(folder, tmp_path):
    out = tmp_path / "bundle"
    kill_in("task", folder, out)
    stamps = out.with_name("bundle.run") / "stamps"
    kept = {step: (stamps / f"{step}.json").stat().st_mtime_ns for step in STEPS[:4]}
    kill_in("export", folder, out)
    assert not out.exists()
    last = run_to_the_end(command(folder, out))

    assert 0 == last.returncode, last.stderr
    assert kept == {step: (stamps / f"{step}.json").stat().st_mtime_ns for step in STEPS[:4]}
    assert [f"[{n}/{len(STEPS)}] {step}: done before" for n, step in enumerate(STEPS[:10], 1)] == [
        line for line in last.stdout.splitlines() if line.endswith("done before")
    ]
    assert "left in all" in last.stdout
    bundle = load_bundle(out)
    assert bundle.manifest.parity["labels_equal"] > 0.999
    run = out.with_name("bundle.run")
    people = {kind: {path.name for path in (run / "people" / kind).iterdir()} for kind in ("train", "held-out")}
    assert (1, 1) == tuple(len(people[kind]) for kind in ("train", "held-out"))
    assert {"sub-01", "sub-04"} == people["train"] | people["held-out"]
    report = (run / "report" / "report.md").read_text()
    assert all(person in report for person in people["held-out"])
    assert not any(person in report for person in people["train"])
    assert 5 == len(list((run / "report" / "figures").glob("*.png")))
    answer = judged_by(bundle, folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz", tmp_path)
    assert answer["verdict"] in ("ACCEPT", "REVIEW", "RESCAN"), answer
    assert set(answer["volumes_ml"]) == {"CSF", "grey matter", "white matter"}
    assert "done before" in run_to_the_end(command(folder, out)).stdout.splitlines()[-2]  # nothing is left to do


def judged_by(bundle, image, tmp_path):
    """What the daemon's own command says of an image: its golden test was passed before."""
    config = tmp_path / "scanside.toml"
    config.write_text(f'storage = "{tmp_path / "storage"}"\nshipped = false\n[bundles]\nbrain-t1 = "{bundle.folder}"\n')
    found = subprocess.run(
        [sys.executable, "-m", "daemon", "assess", image, "--json", "--config", config],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    assert 0 == found.returncode, found.stderr
    return json.loads(found.stdout)


def test_what_is_wrong_with_the_folder_is_said_in_one_sentence_each(folder, tmp_path):
    shutil.rmtree(folder / "derivatives" / "silver" / "sub-02")
    torn = folder / "sub-04" / "anat" / "sub-04_T1w.nii.gz"
    torn.write_bytes(torn.read_bytes()[:5000])
    first = refusal(folder, tmp_path / "bundle")
    second = refusal(folder, tmp_path / "bundle", *WITHOUT)

    assert first.startswith("BidsError: sub-02/anat/sub-02_T1w.nii.gz: no labels")
    assert "sub-04_T1w.nii.gz" in second
    assert "cannot be read to its end" in second


def test_another_bundle_is_not_overwritten(folder, tmp_path):
    (tmp_path / "bundle").mkdir()

    assert "is there already" in refusal(folder, tmp_path / "bundle")
    assert (tmp_path / "bundle").is_dir()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tusk]\nsteps = 1\n", "no step is called tusk"),
        ("[task]\nstep = 1\n", r"\[task\] has no step:"),
        ('[task]\nsteps = "many"\n', "steps is no int"),
        ('[task]\nprecision = "float16"\n', "precision is none of 32-true, bf16-mixed"),
        ("[task", "give full, tiny or a TOML file"),
    ],
)
def test_a_plan_that_means_nothing_is_refused(tmp_path, text, said):
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(PipelineError, match=said):
        read_plan(str(tmp_path / "plan.toml"), "brain", TABLES)
    with pytest.raises(PipelineError):
        read_plan("not there", "brain", TABLES)


@pytest.mark.parametrize("name", ["full", "tiny"])
def test_the_plans_that_ship_can_be_read(name):
    assert {"bank", "locate", "task", "student", "export", "report"} <= set(read_plan(name, "brain", TABLES))
