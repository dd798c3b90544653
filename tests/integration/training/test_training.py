"""Tiny trainings of every part: the loops run and resume. Their export: tests/e2e/bundles/test_own_brain.py.

Of one label map, in boxes of an eighth of the largest that are served, with one held-out example: each head takes a
second of a core.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from builders.images.reader_table import DICOM

from export.parity import ParityError, check_parity, measure_parity
from models.brain.prediction import Prepared
from models.nets.brain import BrainConfig, BrainNet
from models.nets.judge import Borders, Judge
from models.physics.artefacts import ARTEFACTS, Artefact
from models.preprocess import Grid
from training.brain.cascade import CascadePlan, train_cascade
from training.brain.cause import CausePlan, train_cause, write_features
from training.brain.locate import LocatePlan, train_locator
from training.brain.networks import BRAIN_GRID, Checkpoints, load_judge
from training.brain.stochastic import StochasticPlan, train_stochastic
from training.brain.student import StudentPlan, train_student
from training.brain.task import TaskPlan, train_task
from training.brain.variances import VariancesPlan, train_variances
from training.running.run import load_weights
from training.synthesis import examples
from training.synthesis.anatomy import write_bank
from training.synthesis.examples import Examples, Supply, origin_of
from training.synthesis.heads import CorruptionModel, SyntheticHeads
from training.synthesis.labelmaps import load_label_maps

LABEL_MAPS = DICOM.parent / "labelmaps"
PARTS = {"brain": "student", "cause": "cause", "stochastic": "stochastic", "borders": "borders", "locator": "locate"}

pytestmark = [
    pytest.mark.skipif(not LABEL_MAPS.is_dir(), reason="no label maps: set SCANSIDE_DATA"),
    # torch's exporter and loaders warn of their own future; what we call is what their documentation names today
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def small_boxes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "BOX_SIDES", ((32, 48), (48, 64), (32, 48)))
        yield


@pytest.fixture(scope="module")
def label_maps(tmp_path_factory):
    """One of the label maps: a head is deformed from one."""
    folder = tmp_path_factory.mktemp("label-maps")
    for path in (*LABEL_MAPS.glob("*.npy"), LABEL_MAPS / "training_seg_01.nii.gz"):
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def bank(label_maps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bank")
    write_bank(folder, load_label_maps(label_maps), 2, seed=0)
    return folder


@pytest.fixture(scope="module")
def boxes(bank, label_maps):
    """What every trainer on boxes is given."""
    return {"bank": bank, "label_maps": label_maps, "held_out": 1, "save_every": 1}


@pytest.fixture(scope="module")
def runs(boxes, bank, label_maps, tmp_path_factory):
    """Every part trained for a step or two; another process makes the heads of the first, as by default."""
    folder = tmp_path_factory.mktemp("runs")
    train_task(TaskPlan(run=folder / "task", steps=2, **boxes))
    start = folder / "task" / "checkpoint.pt"
    train_student(StudentPlan(run=folder / "student", start=start, steps=2, workers=0, **boxes))
    start = folder / "student" / "checkpoint.pt"
    train_stochastic(StochasticPlan(run=folder / "stochastic", start=start, steps=2, workers=0, **boxes))
    common = {"bank": bank, "label_maps": label_maps}
    train_locator(LocatePlan(run=folder / "locate", steps=8, workers=0, **common))
    (folder / "borders").mkdir()
    torch.save({"average": Borders(4).state_dict()}, folder / "borders" / "checkpoint.pt")
    plan = CausePlan(run=folder / "cause", images=4, steps=20, seed=6, **common)  # each image of 2 mm voxels
    write_features(plan)
    train_cause(plan)
    return folder


def test_a_resumed_run_goes_on_at_its_step_and_writes_one_log(runs, boxes):
    train_task(TaskPlan(run=runs / "task", steps=3, **boxes))
    state = torch.load(runs / "task" / "checkpoint.pt", weights_only=True)

    assert 3 == state["step"]
    assert not list((runs / "task").glob("*.part"))


def test_the_stochastic_head_leaves_the_labels_alone(runs):
    student, covariance = (
        torch.load(runs / run / "checkpoint.pt", weights_only=True) for run in ("student", "stochastic")
    )
    labels = {name: weights for name, weights in student["average"].items() if not name.startswith("variances.")}
    assert labels
    for name, weights in labels.items():
        torch.testing.assert_close(covariance["average"][f"brain.{name}"], weights, rtol=0, atol=0)


@pytest.fixture(scope="module")
def variances(runs, bank, label_maps, tmp_path_factory):
    """The plan of a tiny training of the variances alone, after it."""
    folder = tmp_path_factory.mktemp("variances")
    plan = VariancesPlan(
        run=folder / "variances",
        start=runs / "student" / "checkpoint.pt",
        cause=runs / "cause" / "checkpoint.pt",
        locator=weak_locator_that_finds_everything(runs, folder),
        bank=bank,
        label_maps=label_maps,
        heads=2,
        processes=1,
        steps=2,
        save_every=1,
        corruption_model=CorruptionModel(probability=1.0, kinds=(Artefact.NOISE,), severity=(1.0, 1.0)),
    )
    train_variances(plan)
    return plan


def test_the_variances_learn_from_what_was_looked_at_once_and_leave_the_labels_alone(runs, variances):
    records = {path.name: path.stat().st_mtime_ns for path in (variances.run / "records").glob("*.npz")}
    train_variances(replace(variances, steps=3))
    student, after = (torch.load(run / "checkpoint.pt", weights_only=True) for run in (runs / "student", variances.run))

    assert {f"{n:06d}-{kind}.npz" for n in (0, 1) for kind in ("clean", "spoilt")} == set(records)
    assert records == {path.name: path.stat().st_mtime_ns for path in (variances.run / "records").glob("*.npz")}
    assert 3 == after["step"]
    changed = {name for name, w in student["average"].items() if (after["average"][name] != w).any()}
    assert changed
    assert all(name.startswith("variances.") for name in changed)


def test_a_record_holds_what_the_network_sees_of_the_served_image(variances):
    network = BrainNet(BrainConfig()).eval()
    load_weights(variances.start, network, without="variances.")
    for kind in ("clean", "spoilt"):
        with np.load(variances.run / "records" / f"000000-{kind}.npz") as record:
            image, evidence, air, targets = (
                torch.from_numpy(record[name].astype(np.float32)) for name in ("image", "evidence", "air", "targets")
            )
        with torch.no_grad():
            found = network(image[None, None])

        assert BRAIN_GRID.box == tuple(image.shape)
        torch.testing.assert_close(found.evidence[0], evidence, atol=0.05, rtol=0.05)  # kept in half precision
        torch.testing.assert_close(found.air[0], air, atol=0.01, rtol=0)
        assert (targets >= 0).all()
        assert (targets[1:].sum() > 0) == (kind == "spoilt")
        assert not targets[2:].any()  # noise is the first artefact, and the only one


def test_the_cascade_trains_seven_networks_and_resumes(runs, boxes):
    plan = CascadePlan(
        run=runs / "cascade",
        start=runs / "student" / "checkpoint.pt",
        task_steps=1,
        teacher_steps=1,
        steps=1,
        workers=0,
        **boxes,
    )
    train_cascade(plan)
    checkpoints = {path.parent.name: torch.load(path, weights_only=True) for path in plan.run.glob("*/checkpoint.pt")}
    train_cascade(replace(plan, steps=2))
    student = torch.load(plan.run / "student" / "checkpoint.pt", weights_only=True)
    task = torch.load(plan.run / "task" / "checkpoint.pt", weights_only=True)

    assert {"task", "student", *ARTEFACTS} == set(checkpoints)
    sources = {name: len(state["average"]["variances.sources.bias"]) for name, state in checkpoints.items()}
    assert {"task": 1, "student": 6} | dict.fromkeys(ARTEFACTS, 2) == sources
    assert 2 == student["step"]
    assert 1 == task["step"]
    assert 0.05 == student["schedule"]["epsilon"]


@pytest.fixture(scope="module")
def supply(bank, label_maps):
    """Something wrong in each head. The seed's first ones have voxels of 2 mm, and one or two faults in turn."""
    model, device = CorruptionModel(probability=1.0, second=0.5), torch.device("cpu")
    return Supply(label_maps=label_maps, bank=bank, corruption_model=model, seed=114, batch=1, device=device)


@pytest.fixture(scope="module")
def first_four(supply):
    return [supply.example(number) for number in range(4)]


@pytest.mark.parametrize("workers", [0, 2])
def test_several_devices_share_one_stream(supply, first_four, workers):
    """Two devices see the examples 0, 2, ... and 1, 3, ..., whoever makes them."""
    streams = [iter(Examples(supply, first=rank, stride=2).through(workers)) for rank in (0, 1)]
    for number, expected in enumerate(first_four):
        found = next(streams[number % 2])

        torch.testing.assert_close(found.image, expected.image, rtol=0, atol=0)
        torch.testing.assert_close(found.shares, expected.shares, rtol=0, atol=0)
    assert (first_four[0].severity != first_four[1].severity).any()


def test_an_example_holds_its_boxes_in_one_order(supply):
    of_two = replace(supply, batch=2)
    example = next(e for e in map(of_two.example, range(20)) if len({*(e.severity > 0).sum(dim=1).tolist()}) == 2)

    assert (2, 1) == tuple(example.image.shape[:2]) == tuple(example.clean.shape[:2])
    torch.testing.assert_close(example.shares.sum(dim=1), torch.ones_like(example.shares[:, 0]))
    for number, images in example.alone.items():
        rows = (example.severity[:, number] > 0).nonzero()[:, 0]
        assert len(rows) == len(images)
        single = (example.severity[rows] > 0).sum(dim=1) == 1
        torch.testing.assert_close(images[single], example.image[rows[single]], rtol=0, atol=0)


def test_heads_are_deformed_anew_where_there_is_no_bank(supply, first_four):
    fresh = replace(supply, bank=None)
    origin = origin_of(None, supply.label_maps, torch.device("cpu"))

    assert origin is origin_of(None, supply.label_maps, torch.device("cpu"))  # the maps are read once
    example = fresh.example(0)
    assert first_four[0].image.shape == example.image.shape
    assert 3 == example.labels.max()


@pytest.fixture
def stream(bank, label_maps):
    return partial(SyntheticHeads, origin_of(bank, label_maps, torch.device("cpu")), seed=1)


def test_each_artefact_is_also_seen_alone(stream):
    """Teachers see the head with their artefact only, of the same parameters as in the head with both."""
    head = stream(corruption_model=CorruptionModel(probability=1.0, second=1.0)).head(0)

    assert 2 == len(head.alone) == np.count_nonzero(head.severity)
    assert all(head.severity[ARTEFACTS.index(artefact)] > 0 for artefact in head.alone)
    images = [head.clean, head.corrupted, *head.alone.values()]
    assert all((one != other).any() for i, one in enumerate(images) for other in images[:i])


def test_the_same_number_is_the_same_head_whenever_it_is_drawn(stream):
    heads = stream(corruption_model=CorruptionModel(probability=1.0))
    later = stream(first=3, corruption_model=CorruptionModel(probability=1.0))
    first, again, other = heads.head(3), next(iter(later)), heads.head(4)

    np.testing.assert_array_equal(first.corrupted, again.corrupted)
    assert first.corrupted.shape != other.corrupted.shape or (first.corrupted != other.corrupted).any()
    assert first.severity.any()


def weak_locator_that_finds_everything(runs, folder):
    """A few steps do not find a brain: a bias makes the network call everything brain."""
    state = torch.load(runs / "locate" / "checkpoint.pt", weights_only=True)
    state["average"]["brain.bias"] += 30
    torch.save(state, folder / "locator.pt")
    return folder / "locator.pt"


class _Shifted:
    """A runtime whose graph lost the last bit of one weight: what the gate is there to see."""

    def __init__(self, judge: Judge, shift: float) -> None:
        self._judge, self._shift = judge, shift

    def __call__(self, inputs):
        outputs = self._judge(*(torch.from_numpy(inputs[name]) for name in ("image", "features")))
        found = {name: output.detach().numpy() for name, output in outputs._asdict().items()}
        return found | {"logits": found["logits"] + self._shift}


@pytest.mark.parametrize(("shift", "passes"), [(0.0, True), (1e-3, True), (0.1, False), (float("nan"), False)])
def test_the_gate_lets_rounding_through_and_nothing_else(runs, shift, passes):
    judge = load_judge(Checkpoints(**{part: runs / run / "checkpoint.pt" for part, run in PARTS.items()}))
    rng = np.random.default_rng(0)
    image = rng.random((32, 32, 32)).astype(np.float32)
    features = rng.random(len(judge.cause.centre)).astype(np.float32)
    parity = measure_parity(judge, _Shifted(judge, shift), [Prepared(image, Grid(image.shape, np.eye(4)), features)])

    if passes:
        check_parity(parity)
    else:
        with pytest.raises(ParityError):
            check_parity(parity)
