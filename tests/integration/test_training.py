"""Tiny trainings of every part, and the export of what they gave: the loops run, resume, and lead to a bundle."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders_reader_table import DICOM

from daemon.edge.engine import EngineSettings
from daemon.examination import check_golden, load_examiner
from export.brain import ExportPlan, export_brain
from export.parity import ParityError, check_parity, measure_parity
from models.artefacts import ARTEFACTS
from models.bundle import BundleError
from models.nets.judge import Borders, Judge
from models.prediction import Prepared
from models.preprocess import Grid
from training.anatomy import write_bank
from training.cascade import CascadePlan, train_cascade
from training.cause import CausePlan, train_cause, write_features
from training.heads import Mishaps, SyntheticHeads
from training.labelmaps import load_label_maps
from training.locate import LocatePlan, train_locator
from training.networks import Checkpoints, load_judge
from training.stochastic import StochasticPlan, train_stochastic
from training.student import StudentPlan, train_student
from training.task import TaskPlan, train_task

LABEL_MAPS = DICOM.parent / "labelmaps"
PARTS = {"brain": "student", "cause": "cause", "stochastic": "stochastic", "borders": "borders", "locator": "locate"}

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
    start = folder / "student" / "checkpoint.pt"
    train_stochastic(StochasticPlan(run=folder / "stochastic", start=start, steps=2, save_every=1, **common))
    train_locator(LocatePlan(run=folder / "locate", steps=40, **common))
    (folder / "borders").mkdir()
    torch.save({"average": Borders(4).state_dict()}, folder / "borders" / "checkpoint.pt")
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


def test_the_stochastic_head_leaves_the_labels_alone(runs):
    student, covariance = (
        torch.load(runs / run / "checkpoint.pt", weights_only=True) for run in ("student", "stochastic")
    )
    for name, weights in student["average"].items():
        torch.testing.assert_close(covariance["average"][f"brain.{name}"], weights, rtol=0, atol=0)


def test_the_cascade_trains_seven_networks_and_resumes(runs, bank):
    plan = CascadePlan(
        run=runs / "cascade",
        start=runs / "student" / "checkpoint.pt",
        bank=bank,
        label_maps=LABEL_MAPS,
        task_steps=1,
        teacher_steps=1,
        steps=1,
        save_every=1,
        workers=0,
    )
    train_cascade(plan)
    checkpoints = {path.parent.name: torch.load(path, weights_only=True) for path in plan.run.glob("*/checkpoint.pt")}
    train_cascade(replace(plan, steps=2))
    student = torch.load(plan.run / "student" / "checkpoint.pt", weights_only=True)
    task = torch.load(plan.run / "task" / "checkpoint.pt", weights_only=True)

    assert {"task", "student", *ARTEFACTS} == set(checkpoints)
    sources = {name: len(state["average"]["variances.2.bias"]) for name, state in checkpoints.items()}
    assert {"task": 1, "student": 6} | dict.fromkeys(ARTEFACTS, 2) == sources
    assert 2 == student["step"]
    assert 1 == task["step"]
    assert 0.05 == student["schedule"]["epsilon"]


def test_several_devices_share_one_stream(bank):
    """Two devices of two workers each would see the heads 0, 2, 4, ... and 1, 3, 5, ..."""
    streams = [SyntheticHeads(bank, LABEL_MAPS, seed=1, first=rank, stride=2) for rank in (0, 1)]
    whole = SyntheticHeads(bank, LABEL_MAPS, seed=1)
    shared = [next(iter(stream)) for stream in streams]

    for number, head in enumerate(shared):
        np.testing.assert_array_equal(head.clean, whole.head(number).clean)


def test_each_artefact_is_also_seen_alone(bank):
    """Teachers see the head with their artefact only, of the same parameters as in the head with both."""
    stream = SyntheticHeads(bank, LABEL_MAPS, seed=1, mishaps=Mishaps(probability=1.0, second=1.0))
    head = stream.head(0)

    assert 2 == len(head.alone) == np.count_nonzero(head.severity)
    assert all(head.severity[ARTEFACTS.index(artefact)] > 0 for artefact in head.alone)
    images = [head.clean, head.corrupted, *head.alone.values()]
    assert all((one != other).any() for i, one in enumerate(images) for other in images[:i])


def test_the_same_number_is_the_same_head_whenever_it_is_drawn(bank):
    stream = SyntheticHeads(bank, LABEL_MAPS, seed=1, mishaps=Mishaps(probability=1.0))
    later = SyntheticHeads(bank, LABEL_MAPS, seed=1, first=3, mishaps=Mishaps(probability=1.0))
    first, again, other = stream.head(3), next(iter(later)), stream.head(4)

    np.testing.assert_array_equal(first.corrupted, again.corrupted)
    assert first.corrupted.shape != other.corrupted.shape or (first.corrupted != other.corrupted).any()
    assert first.severity.any()


def test_a_bundle_comes_out_that_the_daemon_takes_and_training_goes_on_from(runs, bank, tmp_path, monkeypatch):
    monkeypatch.setattr("daemon.examination.MOST_TISSUE_ML", float("inf"))  # two steps call everything tissue,
    monkeypatch.setattr("daemon.examination.BRIGHT_GREY", float("inf"))  # and any of it grey matter
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
        outputs = self._judge(*(torch.from_numpy(inputs[name]) for name in ("image", "features")))
        logits, *others = (output.detach().numpy() for output in outputs)
        return [logits + self._shift, *others]


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
