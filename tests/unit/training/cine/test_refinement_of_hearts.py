"""Hearts without labels: what is anomalous, what masks are drawn towards, that the guard refuses a worse network."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders.images.stacks import write_stacks

from models.cine.plausibility import SIDE
from models.nets.cine import CineJudge
from models.nets.masks import MaskNet
from training.cine.refinement import train as refinement
from training.cine.refinement.hearts import Agreement, fence
from training.cine.refinement.train import OUTCOME, RefinementPlan, refine, shares_of, table, taken, target


def agreement(dice=(0.9, 0.8, 0.95), phases=4):
    return Agreement(phases=phases, dice=dice, hausdorff_mm=(12.0, 9.0, 7.5))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Hearts, and weights that nothing was taught, as checkpoints hold them."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("hearts")
    (folder / "cardiac").mkdir()
    for name, network in (("start", CineJudge()), ("masks", MaskNet())):
        torch.save({"average": network.state_dict()}, folder / f"{name}.pt")
    return {"data": write_stacks(folder / "cardiac"), "start": folder / "start.pt", "masks": folder / "masks.pt"}


def plan(run, folder, **options):
    return RefinementPlan(run=folder, **run, folds=2, fold=0, steps=2, batch=2, save_every=1, **options)


def test_what_lies_far_below_the_others_is_anomalous():
    values = [0.9, 0.91, 0.92, 0.93, 0.94]

    assert 0.91 - 1.5 * 0.02 == pytest.approx(fence(values))
    assert fence([0.9] * 5) == 0.9


def test_a_mask_is_drawn_to_the_autoencoder_first_and_to_itself_at_last():
    best = torch.eye(4)[torch.randint(4, (2, SIDE, SIDE))].movedim(-1, 1)
    shares = torch.full((2, 4, SIDE, SIDE), 0.25)

    class Background(torch.nn.Module):
        def forward(self, given):
            assert torch.equal(shares, given)
            return 9 * torch.eye(4)[0][None, :, None, None].expand_as(given)

    first, last = (target(shares, best, Background(), share) for share in (0.0, 1.0))

    assert (first[:, 0] == 1).all()
    assert torch.equal(best, last)


def test_shares_add_up():
    shares = shares_of(torch.randn(2, 4, 2 * SIDE, 2 * SIDE))

    assert (2, 4, SIDE, SIDE) == tuple(shares.shape)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2, SIDE, SIDE))


@pytest.mark.parametrize(
    ("after", "expected"),
    [((0.9, 0.8, 0.95), True), ((0.91, 0.8, 0.96), True), ((0.99, 0.79, 0.99), False)],
)
def test_the_guard_takes_what_costs_no_structure_of_the_locked_hearts(after, expected):
    assert expected == taken({"locked": agreement()}, {"locked": agreement(after)})


def test_nobody_is_refined_on_and_asked_by_the_guard_and_trained_on_with_labels(run, tmp_path):
    one = plan(run, tmp_path)

    assert {"sub-001", "sub-002", "sub-003", "sub-021", "sub-022", "sub-023"} == {
        *one.patients,
        *one.unlabelled,
        *one.locked,
    }
    assert 6 == len(one.patients) + len(one.unlabelled) + len(one.locked)


@pytest.mark.parametrize("better", [True, False])
def test_the_refined_network_stays_where_the_guard_takes_it_only(run, tmp_path, monkeypatch, better):
    monkeypatch.setattr(refinement, "taken", lambda *_: better)
    monkeypatch.setattr(refinement, "fence", lambda _: 2.0)  # every mask is anomalous
    outcome = refine(plan(run, tmp_path))

    assert outcome.anomalous == 2 * len(plan(run, tmp_path).unlabelled)
    assert better == (tmp_path / "checkpoint.pt").exists()
    assert better != (tmp_path / "refused.pt").exists()
    assert better == json.loads((tmp_path / OUTCOME).read_text())["taken"]
    assert np.isfinite(outcome.after["locked"].dice).all()


def test_nothing_is_trained_where_no_mask_is_anomalous(run, tmp_path, monkeypatch):
    monkeypatch.setattr(refinement, "fence", lambda _: -1.0)
    outcome = refine(plan(run, tmp_path))

    assert 0 == outcome.anomalous
    assert "0 anomalous phases: nothing to refine on" == next(table(outcome))
    assert outcome.before == outcome.after
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_fold_of_one_heart_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="one for the guard"):
        refine(replace(plan(run, tmp_path), folds=6))


def test_the_table_says_what_got_worse():
    before = {"anomalous": agreement(phases=2), "others without labels": agreement((), 0), "locked": agreement()}
    after = before | {"anomalous": agreement((0.95, 0.7, 0.95), 2)}
    said = "\n".join(table(refinement.Outcome(anomalous=2, taken=True, before=before, after=after)))

    assert "| anomalous (2) | 0.900/0.800/0.950 | 0.950/0.700/0.950 | 12.0/9.0/7.5 |" in said
    assert "others without labels" not in said
