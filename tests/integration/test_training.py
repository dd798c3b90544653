"""Tiny trainings of every part, and the export of what they gave: the loops run, resume, and lead to a bundle."""

import json

import numpy as np
import pytest
import torch
from builders_reader_table import DICOM

from daemon.edge.engine import EngineSettings
from daemon.examination import check_golden, load_examiner
from export.brain import ExportPlan, export_brain
from export.parity import ParityError, check_parity, measure_parity
from models.bundle import BundleError
from models.nets.judge import Judge
from models.prediction import Prepared
from models.preprocess import Grid
from training.anatomy import write_bank
from training.cause import CausePlan, train_cause, write_features
from training.heads import Mishaps, SyntheticHeads
from training.labelmaps import load_label_maps
from training.locate import LocatePlan, train_locator
from training.networks import Checkpoints, load_judge
from training.student import StudentPlan, train_student
from training.task import TaskPlan, train_task

LABEL_MAPS = DICOM.parent / "labelmaps"
PARTS = {"brain": "student", "cause": "cause", "locator": "locate"}

pytestmark = [
    pytest.mark.skipif(not LABEL_MAPS.is_dir(), reason="no label maps: set SCANSIDE_DATA"),
    # torch's exporter and loaders warn of their own future; what we call is what their documentation names today
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bank")
    write_bank(folder, load_label_maps(LABEL_MAPS)[:1], 2, seed=0)
    return folder


@pytest.fixture(scope="module")
def runs(bank, tmp_path_factory):
    """Every part trained for a step or two."""
    folder = tmp_path_factory.mktemp("runs")
    common = {"bank": bank, "label_maps": LABEL_MAPS}
    train_task(TaskPlan(run=folder / "task", steps=2, save_every=1, **common))
    start = folder / "task" / "checkpoint.pt"
    train_student(StudentPlan(run=folder / "student", start=start, steps=2, save_every=1, **common))
    train_locator(LocatePlan(run=folder / "locate", steps=40, **common))
    plan = CausePlan(run=folder / "cause", images=4, steps=20, **common)
    write_features(plan)
    train_cause(plan)
    return folder


def test_a_resumed_run_goes_on_at_its_step_and_writes_one_log(runs, bank):
    plan = TaskPlan(run=runs / "task", steps=3, save_every=1, bank=bank, label_maps=LABEL_MAPS)
    train_task(plan)
    state = torch.load(runs / "task" / "checkpoint.pt", weights_only=True)

    assert 3 == state["step"]
    assert not list((runs / "task").glob("*.part"))


def test_the_same_number_is_the_same_head_whenever_it_is_drawn(bank):
    stream = SyntheticHeads(bank, LABEL_MAPS, seed=1, mishaps=Mishaps(probability=1.0))
    later = SyntheticHeads(bank, LABEL_MAPS, seed=1, first=3, mishaps=Mishaps(probability=1.0))
    first, again, other = stream.head(3), next(iter(later)), stream.head(4)

    np.testing.assert_array_equal(first.corrupted, again.corrupted)
    assert first.corrupted.shape != other.corrupted.shape or (first.corrupted != other.corrupted).any()
    assert first.severity.any()


def test_a_bundle_comes_out_that_the_daemon_takes_and_training_goes_on_from(runs, bank, tmp_path, monkeypatch):
    monkeypatch.setattr("daemon.examination.MOST_TISSUE_ML", float("inf"))  # two steps call everything tissue
    parts = {part: runs / run / "checkpoint.pt" for part, run in PARTS.items()}
    locator = weak_locator_that_finds_everything(runs, tmp_path)
    plan = ExportPlan(
        **(parts | {"locator": locator}),
        bank=bank,
        label_maps=LABEL_MAPS,
        out=tmp_path / "bundle",
        version="0.0.1",
        references=2,
        corrupted=2,
    )
    bundle = export_brain(plan)
    examiner = load_examiner(bundle.folder, EngineSettings())
    check_golden(examiner)
    again = tmp_path / "again"
    train_student(
        StudentPlan(run=again, start=bundle.file("judge.onnx"), bank=bank, label_maps=LABEL_MAPS, steps=1, save_every=1)
    )

    assert (again / "checkpoint.pt").exists()
    manifest = json.loads((bundle.folder / "manifest.json").read_text())
    assert manifest["parity"]["labels_equal"] > 0.999
    manifest["golden"]["expected"]["task"] *= 1.5
    (bundle.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="golden test failed"):
        check_golden(load_examiner(bundle.folder, EngineSettings()))


def weak_locator_that_finds_everything(runs, folder):
    """Forty steps do not find a brain: a bias makes the net call everything brain, which the export must cope with."""
    state = torch.load(runs / "locate" / "checkpoint.pt", weights_only=True)
    state["average"]["brain.bias"] += 30
    torch.save(state, folder / "locator.pt")
    return folder / "locator.pt"


class _Session:
    """A runtime whose graph lost the last bit of one weight: what the gate is there to see."""

    def __init__(self, judge: Judge, shift: float) -> None:
        self._judge, self._shift = judge, shift

    def run(self, _names, inputs):
        logits, variances, causes = self._judge(*(torch.from_numpy(inputs[name]) for name in ("image", "features")))
        return [(logits + self._shift).detach().numpy(), variances.detach().numpy(), causes.detach().numpy()]


@pytest.mark.parametrize(("shift", "passes"), [(0.0, True), (1e-3, True), (0.1, False), (float("nan"), False)])
def test_the_gate_lets_rounding_through_and_nothing_else(runs, shift, passes):
    judge = load_judge(Checkpoints(**{part: runs / run / "checkpoint.pt" for part, run in PARTS.items()}))
    rng = np.random.default_rng(0)
    image = rng.random((32, 32, 32)).astype(np.float32)
    features = rng.random(len(judge.cause.centre)).astype(np.float32)
    parity = measure_parity(judge, _Session(judge, shift), [Prepared(image, Grid(image.shape, np.eye(4)), features)])

    if passes:
        check_parity(parity)
    else:
        with pytest.raises(ParityError):
            check_parity(parity)
