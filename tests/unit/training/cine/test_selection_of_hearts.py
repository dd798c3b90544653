"""Which of several networks' masks is taken: by the ranks and the fence of paper 004, whatever the truth is."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders.images.stacks import write_stacks

from models.cine.crops import CROP
from models.cine.plausibility import SIDE
from models.cine.reading import Detail, Phase
from models.nets.cine import CineJudge
from models.nets.masks import MaskNet
from training.cine.judge import Judged
from training.cine.refinement.hearts import fence, upper_fence
from training.cine.refinement.selection import SelectionPlan, averaged, choose, read_network, select, table
from training.cine.semisupervised.train import Opponents

EMPTY = Detail(*(np.zeros((1, n, 1, 1), np.float32) for n in (4, 3, 1)))


def rings(shift=0, slices=4):
    """Three structures, each in every slice, moved by so many pixels."""
    x, y = np.meshgrid(np.arange(CROP) - 64 - shift, np.arange(CROP) - 64, indexing="ij")
    radius = np.hypot(x, y)
    flat = np.where(radius < 14, 3, np.where(radius < 22, 2, np.where(np.hypot(x + 38, y) < 14, 1, 0)))
    return np.repeat(flat[:, :, None], slices, axis=2).astype(np.uint8)


def judged(labels, truth=None):
    shares = np.stack([(labels == n) for n in range(4)]).astype(np.float32)
    phase = Phase(
        number=0,
        image=np.zeros(labels.shape, np.float32),
        probabilities=shares,
        called=labels,
        labels=labels,
        gap=shares[1:],
        detail=EMPTY,
    )
    truth = rings() if truth is None else truth
    return Judged(
        patient="sub-001",
        name="ED",
        phase=phase,
        truth=truth,
        pixels=np.bincount(truth.ravel(), minlength=4).astype(float),
        gap_mm=8.0,
    )


def says(*answers):
    """An autoencoder that says what it is told to, one answer (x, y, slice) after the other."""
    left = list(answers)

    def run(_):
        labels = left.pop(0)[::2, ::2]
        return {"logits": np.moveaxis(np.stack([9.0 * (labels == n) for n in range(4)]), -1, 0)}

    return run


def test_the_mask_that_is_said_again_best_is_taken_and_not_the_true_one():
    near, far = judged(rings(2)), judged(rings())
    choice = choose((far, near), says(rings(16), rings(2)), limit=9.0)

    assert choice.selected is near
    assert choice.oracle is far
    assert not choice.fell_back


def test_beyond_the_fence_the_next_one_is_taken():
    """The best pseudo Dice has one pixel said again far away."""
    spoilt = rings()
    spoilt[2:6, 2:6] = 3
    best, second = judged(rings()), judged(rings(2))
    choice = choose((best, second), says(spoilt, rings(8)), limit=30.0)

    assert choice.selected is second
    assert choose((best, second), says(spoilt, rings(8)), limit=1e9).selected is best


def test_where_none_is_within_the_fence_the_best_by_either_are_averaged():
    spoilt = rings()
    spoilt[2:6, 2:6] = 3
    best, second, third = judged(rings()), judged(rings(2)), judged(rings(4))
    choice = choose((third, second, best), says(rings(30), rings(8), spoilt), limit=0.0)

    assert choice.fell_back
    expected = (best.phase.probabilities + second.phase.probabilities) / 2
    np.testing.assert_allclose(expected, choice.selected.phase.probabilities)
    assert not np.array_equal(choice.mean.phase.probabilities, expected)


def test_the_mean_of_probabilities_calls_what_most_say():
    same, other = judged(rings()), judged(rings(6))
    mean = averaged([same, other, same])

    np.testing.assert_array_equal(rings(), mean.phase.called)
    np.testing.assert_allclose(1.0, mean.phase.probabilities.sum(axis=0), rtol=1e-6)


def test_the_upper_fence_mirrors_the_lower_one():
    values = [3.0, 8.0, 9.0, 10.0, 30.0]

    assert -fence([-value for value in values]) == pytest.approx(upper_fence(values)) == pytest.approx(10.0 + 1.5 * 2.0)


def test_the_table_has_a_row_for_each_way_before_and_after_the_clean_up():
    island = rings()
    island[:3, :3] = 3
    dirty = judged(island)
    dirty = replace(dirty, phase=replace(dirty.phase, labels=rings()))
    rows = list(table([choose((dirty, judged(rings(2))), says(rings(), rings(30)), limit=1e9)]))

    assert "1 phases, 2 networks; no mask within the fence: 0" == rows[0]
    (before,), (after,) = (
        [r for r in rows if r.startswith(f"| ED, {state} | selected")] for state in ("as called", "cleaned")
    )
    assert "1.000/1.000/0.9" in before
    assert "| 1.000/1.000/1.000 | 1.000 | 0.0/0.0/0.0 | 0.0 |" in after


@pytest.mark.parametrize("made", [CineJudge, lambda: CineJudge().cine, lambda: Opponents(CineJudge().cine.config)])
def test_a_network_is_read_from_the_checkpoint_of_any_run(made, tmp_path):
    torch.manual_seed(3)
    network = made()
    torch.save({"average": network.state_dict()}, tmp_path / "checkpoint.pt")
    found = read_network(tmp_path / "checkpoint.pt").cine.state_dict()

    for name, tensor in getattr(network, "cine", network).state_dict().items():
        torch.testing.assert_close(found[name], tensor)


def test_folds_without_networks_are_left_out_and_none_is_said(tmp_path, capsys):
    (tmp_path / "cardiac").mkdir()
    data = write_stacks(tmp_path / "cardiac")
    for patient in sorted(data.iterdir())[1:-1]:  # one in each of two folds
        shutil.rmtree(patient)
    torch.manual_seed(0)
    for name, network in (("first0", CineJudge()), ("second0", CineJudge()), ("masks0", MaskNet())):
        torch.save({"average": network.state_dict()}, tmp_path / f"{name}.pt")
    names = {"networks": f"{tmp_path}/first{{fold}}.pt,{tmp_path}/second{{fold}}.pt", "data": data, "folds": 2}
    select(SelectionPlan(masks=f"{tmp_path}/masks{{fold}}.pt", **names))

    assert "2 phases, 2 networks" in capsys.readouterr().out
    assert SIDE == CROP // 2
    with pytest.raises(FileNotFoundError, match="cine-masks first"):
        select(SelectionPlan(masks=f"{tmp_path}/none{{fold}}.pt", **names))
    with pytest.raises(ValueError, match="is the same for every fold"):
        select(SelectionPlan(masks=f"{tmp_path}/masks0.pt", **names))
