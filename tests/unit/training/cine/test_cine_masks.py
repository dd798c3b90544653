"""Masks of hearts: what an autoencoder says again, what planted faults cost, that good masks set the limits."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from builders.images.beating import anatomy
from builders.images.stacks import write_stacks

from models.cine.crops import CROP
from models.cine.masks import fitted_limits
from models.cine.plausibility import SIDE, SIDE_MM, likelihood, mask_shares, pseudo_scores, said_again
from models.cine.rules import rule_scores
from models.nets.masks import MaskConfig, MaskNet
from training.cine.evaluate import Fold, good_masks
from training.cine.judge import Judged, mask_run
from training.cine.mask_autoencoder import MaskPlan, mask_batches, train_masks, true_masks
from training.cine.mask_faults import MASK_FAULTS, Mask, mask_fault_table


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_stacks(tmp_path_factory.mktemp("cardiac"))


def faithful(inputs):
    return {"logits": 20 * inputs["shares"]}


def silent(inputs):
    """Says background, whatever it is given."""
    return {"logits": np.eye(4, dtype=np.float32)[0][None, :, None, None] * np.full_like(inputs["shares"][:, :1], 9.0)}


def heart(radius=18.0):
    return anatomy(radius, side=CROP, at=(64, 64))


def test_shares_add_up_and_keep_every_pixel():
    labels = heart()
    shares = mask_shares(labels)

    assert (labels.shape[2], 4, SIDE, SIDE) == shares.shape
    np.testing.assert_allclose(1.0, shares.sum(axis=1))
    for number in range(4):
        assert (labels == number).sum() == pytest.approx(shares[:, number].sum() * (CROP / SIDE) ** 2)


def test_a_mask_that_is_said_again_scores_one_and_no_distance():
    labels = heart()
    found = pseudo_scores(labels, said_again(labels, faithful), 10.0)

    assert {1, 2, 3} == set(found)
    assert all(pytest.approx((1.0, 0.0)) == pair for pair in found.values())


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_empty_structure_never_scores_one(number):
    """Nor where the autoencoder leaves it empty, too."""
    labels = heart()
    labels[labels == number] = 0
    dice, apart = pseudo_scores(labels, said_again(labels, faithful), 10.0)[number]

    assert 0.0 == dice
    assert np.hypot(SIDE, SIDE) * SIDE_MM == pytest.approx(apart)
    nothing = np.zeros_like(labels)
    assert all(0.0 == d for d, _ in pseudo_scores(nothing, said_again(nothing, silent), 10.0).values())


def test_distances_are_in_millimetres_along_and_across_slices():
    labels = np.zeros((CROP, CROP, 6), np.uint8)
    labels[40:60, 40:60, 1:4] = 3
    logits = said_again(labels, faithful)
    further = np.roll(logits, 5, axis=2)  # five pixels of 3 mm
    deeper = np.roll(logits, 1, axis=0)

    assert 15.0 == pytest.approx(pseudo_scores(labels, further, 10.0)[3][1])
    assert 10.0 == pytest.approx(pseudo_scores(labels, deeper, 10.0)[3][1])


def test_a_mask_is_less_likely_the_less_of_it_is_said_again():
    labels = heart()
    same, none = (likelihood(labels, said_again(labels, run)) for run in (faithful, silent))

    assert (none > 10 * same).all()
    assert 0.0 == likelihood(np.zeros_like(labels), said_again(labels, faithful)).max()


def test_a_structure_in_two_large_parts_is_no_loose_piece_and_a_blob_is_one():
    labels = heart()
    parted, blob = labels.copy(), labels.copy()
    side = parted[:, :, 3] == 1
    parted[:, 63:66, 3][side[:, 63:66]] = 0
    blob[100:105, 100:105, 3] = 1

    assert 0 == rule_scores(labels)["pieces"][3] == rule_scores(parted)["pieces"][3]
    assert 25 == rule_scores(blob)["pieces"][3]


def test_a_small_piece_that_a_neighbouring_slice_bears_out_is_no_loose_one():
    labels = heart()
    labels[100:105, 100:105, 3:5] = 1
    alone = labels.copy()
    alone[100:105, 100:105, 4] = 0

    assert [0, 0] == rule_scores(labels)["pieces"][3:5].tolist()
    assert [25, 0] == rule_scores(alone)["pieces"][3:5].tolist()


def test_masks_that_stand_out_set_no_limit_and_so_few_are_beyond_them():
    chance = np.random.default_rng(0)
    stacks = [{"holes": np.array([0.0, 0.0]), "dents": chance.uniform(0.1, 0.2, 2)} for _ in range(40)]
    stacks[7]["holes"][0], stacks[9]["dents"][0] = 300.0, 0.9
    inner = [np.array([True, False])] * len(stacks)
    limits, all_kept = (fitted_limits(stacks, inner, share) for share in (0.05, 0.0))

    assert (4.0, 4.0) == limits["holes"]
    assert 0.2 > limits["dents"][0] > 0.19
    assert (300.0, 0.9) == (all_kept["holes"][0], all_kept["dents"][0])


def test_two_odd_masks_of_one_rule_do_not_keep_its_limit_where_it_is():
    quiet = {"gap": np.zeros(5), "dents": np.full(5, 0.15)}
    stacks = [quiet] * 60 + [quiet | {"gap": np.full(5, 430.0)}, quiet | {"gap": np.full(5, 420.0)}]
    stacks += [quiet | {"dents": np.full(5, 0.3)}]
    limits = fitted_limits(stacks, [np.array([False, True, True, True, False])] * len(stacks), 0.05)

    assert {"gap": (20.0, 20.0), "dents": (0.15, 0.15)} == limits


def test_a_mask_that_lacks_a_structure_between_its_slices_is_no_good_one_whatever_its_dice():
    truth = heart()
    lacking, at_the_end = truth.copy(), truth.copy()
    middle = truth.shape[2] // 2
    lacking[:, :, middle][truth[:, :, middle] == 1] = 0
    at_the_end[:, :, 0][truth[:, :, 0] == 1] = 0
    phases = [
        Judged(
            patient="sub-001",
            name="ED",
            phase=SimpleNamespace(labels=labels),
            truth=truth,
            pixels=np.bincount(truth.ravel(), minlength=4).astype(float),
            gap_mm=10.0,
        )
        for labels in (truth, lacking, at_the_end)
    ]
    fold = Fold(number=0, patients=tuple(SimpleNamespace(both=(one, one)) for one in phases), graphs={})

    kept = [mask.labels for mask in good_masks([fold])]
    assert 4 == len(kept)
    assert all(np.array_equal(a, b) for a, b in zip(kept, (truth, truth, at_the_end, at_the_end), strict=True))


def test_the_same_number_is_the_same_batch_and_most_masks_are_spoilt(data):
    masks = true_masks(data, ("sub-001", "sub-021"))
    first, again = (next(mask_batches(masks, 16, 1, 3)) for _ in range(2))
    given, wanted = first

    assert torch.equal(given, again[0])
    assert (16, 4, SIDE, SIDE) == tuple(given.shape) == tuple(wanted.shape)
    assert 4 < sum(not torch.equal(a, b) for a, b in zip(given, wanted, strict=True)) < 16


def test_the_autoencoder_learns_its_masks(data, tmp_path):
    train_masks(MaskPlan(run=tmp_path, data=data, steps=20, batch=6, peak_rate=5e-3, warm_up=1, report_every=5))
    lines = [json.loads(line)["dice"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]

    assert lines[-1] < 0.9 * lines[0]


def test_every_planted_fault_is_scored_and_the_plain_ones_are_found():
    network = mask_run(MaskNet(MaskConfig(channels=(4, 4, 4, 4), latent=2)))
    radii = (16.0, 17.0, 18.0, 19.0, 20.0)
    good = [Mask(labels=heart(radius), gap_mm=10.0, run=network) for radius in radii]
    rows = [row.split(" | ") for row in mask_fault_table(good)]
    caught = {row[0].strip("| "): float(row[-2]) for row in rows[2:]}

    assert list(MASK_FAULTS) == list(caught)
    for fault in ("hole 10 mm", "blob 6 mm", "LV called myocardium", "LV and RV swapped", "RV missing", "LV missing"):
        assert 1.0 == caught[fault]
