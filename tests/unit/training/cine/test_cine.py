"""Short-axis hearts: distances, folds, the heart's place, the network's masks, what is kept of a mask."""

import numpy as np
import pytest
import torch
from builders.images.stacks import heart, stack, write_stacks
from scipy import ndimage

from models.nets.cine import CineConfig, CineJudge, CineNet, drawn_masks, whole_masks
from training.cine.examples import CROP, Slices, batches
from training.cine.judge import judge_patient, torch_graphs
from training.cine.stacks import FARTHEST_PX, STRUCTURES, folds, heart_centre, read_stacks, signed_distances
from training.cine.stochastic import CineStochasticPlan, train_cine_stochastic
from training.cine.train import CinePlan, objective, train_cine

SMALL = CineConfig(channels=(4, 8), fine=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_stacks(tmp_path_factory.mktemp("cardiac"))


def test_distances_are_scipys_negative_inside_and_one_where_there_is_nothing():
    labels = heart()[:, :, 0]
    labels[labels == 1] = 0
    maps = signed_distances(labels)
    outward = ndimage.distance_transform_edt(labels != 3)

    assert (len(STRUCTURES) - 1, *labels.shape) == maps.shape
    assert 1.0 == maps[0].min()
    assert (maps[2] < 0).sum() == (labels == 3).sum()
    np.testing.assert_allclose(np.minimum(outward / FARTHEST_PX, 1)[labels != 3], maps[2][labels != 3], rtol=1e-5)


def test_folds_part_the_patients_and_share_each_group(data):
    parts = folds(data, 3)

    assert 6 == len({patient for part in parts for patient in part})
    assert all(1 == sum(patient < "sub-020" for patient in part) for part in parts)


def test_an_empty_folder_says_what_to_give(tmp_path):
    with pytest.raises(FileNotFoundError, match="--data"):
        list(read_stacks(tmp_path))


def test_the_heart_is_where_the_image_moves():
    first, second = heart_centre(stack("ED", 9).image, stack("ES", 6).image)

    assert 30 == pytest.approx(first, abs=4)
    assert 34 == pytest.approx(second, abs=4)


def test_a_dropped_channel_changes_the_answer_and_whole_masks_do_not_scale_it():
    torch.manual_seed(0)
    network = CineNet(SMALL).eval()
    image = torch.randn(2, 3, 32, 32)
    plain, again = (network(image, whole_masks(SMALL, 2)).logits for _ in range(2))
    dropped = network(image, drawn_masks(SMALL, 2, 0.5)).logits

    assert torch.equal(plain, again)
    assert (2, 4, 32, 32) == tuple(plain.shape)
    assert not torch.allclose(plain, dropped)


def test_drawn_masks_keep_the_mean():
    torch.manual_seed(0)
    masks = drawn_masks(CineConfig(), 400, 0.2)

    assert all(1.0 == pytest.approx(float(mask.mean()), abs=0.05) for mask in masks)


def test_labels_and_distances_of_an_example_are_warped_together(data):
    slices = Slices.of(data, ("sub-001", "sub-021"))
    batch = next(batches(slices, 6, seed=1, first=0))
    inside = batch.distances[:, 2] < -0.03

    assert (6, 3, CROP, CROP) == tuple(batch.image.shape)
    assert inside.any()
    assert (batch.labels[inside] == 3).float().mean() > 0.97


def test_the_same_number_is_the_same_batch(data):
    slices = Slices.of(data, ("sub-001",))
    first, again, other = (next(batches(slices, 2, seed=1, first=n)) for n in (5, 5, 6))

    assert torch.equal(first.image, again.image)
    assert not torch.equal(first.image, other.image)


def test_the_truth_itself_costs_least(data):
    batch = next(batches(Slices.of(data, ("sub-001",)), 2, seed=1, first=0))
    right = torch.nn.functional.one_hot(batch.labels, 4).movedim(-1, 1) * 20.0
    network = CineNet(SMALL)
    found = network(batch.image, whole_masks(SMALL, 2))
    truth, guess = (objective(one, batch) for one in (found._replace(logits=right, distances=batch.distances), found))

    assert all(truth[name] < guess[name] for name in truth)


def test_training_goes_on_at_its_step(data, tmp_path):
    for steps in (2, 4):
        train_cine(CinePlan(run=tmp_path, data=data, steps=steps, batch=2, save_every=2, fold=0))

    assert 4 == torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"]


def test_a_patient_is_judged_on_the_crops_grid_with_the_whole_truth_counted():
    stacks = {phase: stack(phase, radius) for phase, radius in (("ED", 9), ("ES", 6))}
    patient = judge_patient("sub-001", stacks, torch_graphs(CineJudge(SMALL)), 1.0)

    assert {"ED", "ES"} >= {one.name for one in patient.both}
    for one in patient.both:
        labels = stacks[one.name].labels
        assert (labels == 3).sum() == one.pixels[3] == (one.truth == 3).sum()
        assert 1.0 == one.dice(one.truth, 2)


def test_the_second_stage_leaves_the_labels_as_they_are(data, tmp_path):
    train_cine(CinePlan(run=tmp_path / "first", data=data, steps=2, batch=2, save_every=2))
    start = tmp_path / "first" / "checkpoint.pt"
    train_cine_stochastic(
        CineStochasticPlan(run=tmp_path / "second", start=start, data=data, steps=2, batch=2, samples=4)
    )
    before = torch.load(start, weights_only=True)["average"]
    after = torch.load(tmp_path / "second" / "checkpoint.pt", weights_only=True)["average"]

    assert all(torch.equal(weight, after[f"cine.{name}"]) for name, weight in before.items())
    assert (after["factor.log_scale"] != -1).any()
