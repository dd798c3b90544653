"""Tiny trainings of every part: the loops run and resume. Their export: tests/e2e/bundles/test_own_brain.py."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from builders.reader_table import DICOM

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
from training.brain.records import write_records
from training.brain.stochastic import StochasticPlan, train_stochastic
from training.brain.student import StudentPlan, train_student
from training.brain.task import TaskPlan, train_task
from training.brain.variances import VariancesPlan, records_plan_of, train_variances
from training.running.run import load_weights
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
    labels = {name: weights for name, weights in student["average"].items() if not name.startswith("variances.")}
    assert labels
    for name, weights in labels.items():
        torch.testing.assert_close(covariance["average"][f"brain.{name}"], weights, rtol=0, atol=0)


@pytest.fixture
def variances(runs, bank, tmp_path):
    """A plan of a tiny training of the variances alone."""
    return VariancesPlan(
        run=tmp_path / "variances",
        start=runs / "student" / "checkpoint.pt",
        cause=runs / "cause" / "checkpoint.pt",
        locator=weak_locator_that_finds_everything(runs, tmp_path),
        bank=bank,
        label_maps=LABEL_MAPS,
        heads=2,
        processes=1,
        steps=2,
        save_every=1,
        corruption_model=CorruptionModel(probability=1.0, kinds=(Artefact.NOISE,), severity=(1.0, 1.0)),
    )


def test_the_variances_learn_from_what_was_looked_at_once_and_leave_the_labels_alone(runs, variances):
    train_variances(variances)
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
    write_records(records_plan_of(variances))
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
    sources = {name: len(state["average"]["variances.sources.bias"]) for name, state in checkpoints.items()}
    assert {"task": 1, "student": 6} | dict.fromkeys(ARTEFACTS, 2) == sources
    assert 2 == student["step"]
    assert 1 == task["step"]
    assert 0.05 == student["schedule"]["epsilon"]


@pytest.fixture
def supply(bank):
    """Two boxes an example, and something wrong in each."""
    corruption_model = CorruptionModel(probability=1.0, second=0.5)
    return Supply(
        label_maps=LABEL_MAPS, bank=bank, corruption_model=corruption_model, seed=1, batch=2, device=torch.device("cpu")
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_several_devices_share_one_stream(supply, workers):
    """Two devices see the examples 0, 2, ... and 1, 3, ..., whoever makes them."""
    streams = [iter(Examples(supply, first=rank, stride=2).through(workers)) for rank in (0, 1)]
    for number in range(2 * 2):
        found, expected = next(streams[number % 2]), supply.example(number)

        torch.testing.assert_close(found.image, expected.image, rtol=0, atol=0)
        torch.testing.assert_close(found.shares, expected.shares, rtol=0, atol=0)
    assert (supply.example(0).severity != supply.example(1).severity).any()


def test_an_example_holds_its_boxes_in_one_order(supply):
    example = next(e for e in map(supply.example, range(20)) if len({*(e.severity > 0).sum(dim=1).tolist()}) == 2)

    assert (2, 1) == tuple(example.image.shape[:2]) == tuple(example.clean.shape[:2])
    torch.testing.assert_close(example.shares.sum(dim=1), torch.ones_like(example.shares[:, 0]))
    for number, images in example.alone.items():
        rows = (example.severity[:, number] > 0).nonzero()[:, 0]
        assert len(rows) == len(images)
        single = (example.severity[rows] > 0).sum(dim=1) == 1
        torch.testing.assert_close(images[single], example.image[rows[single]], rtol=0, atol=0)


def test_heads_are_deformed_anew_where_there_is_no_bank(supply):
    fresh = replace(supply, bank=None)
    origin = origin_of(None, LABEL_MAPS, torch.device("cpu"))

    assert origin is origin_of(None, LABEL_MAPS, torch.device("cpu"))  # the maps are read once
    assert supply.example(0).image.shape == fresh.example(0).image.shape
    assert 3 == fresh.example(0).labels.max()


def stream_of(bank, **options):
    return SyntheticHeads(origin_of(bank, LABEL_MAPS, torch.device("cpu")), seed=1, **options)


def test_each_artefact_is_also_seen_alone(bank):
    """Teachers see the head with their artefact only, of the same parameters as in the head with both."""
    head = stream_of(bank, corruption_model=CorruptionModel(probability=1.0, second=1.0)).head(0)

    assert 2 == len(head.alone) == np.count_nonzero(head.severity)
    assert all(head.severity[ARTEFACTS.index(artefact)] > 0 for artefact in head.alone)
    images = [head.clean, head.corrupted, *head.alone.values()]
    assert all((one != other).any() for i, one in enumerate(images) for other in images[:i])


def test_the_same_number_is_the_same_head_whenever_it_is_drawn(bank):
    stream = stream_of(bank, corruption_model=CorruptionModel(probability=1.0))
    later = stream_of(bank, first=3, corruption_model=CorruptionModel(probability=1.0))
    first, again, other = stream.head(3), next(iter(later)), stream.head(4)

    np.testing.assert_array_equal(first.corrupted, again.corrupted)
    assert first.corrupted.shape != other.corrupted.shape or (first.corrupted != other.corrupted).any()
    assert first.severity.any()


def weak_locator_that_finds_everything(runs, folder):
    """Forty steps do not find a brain: a bias makes the network call everything brain."""
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
