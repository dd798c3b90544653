"""Few labels: whose they are, that the others' are never seen, what the adversary does to both networks, the table."""

import nibabel as nib
import numpy as np
import pytest
import torch
from builders.images.stacks import write_stacks
from torch.nn import functional as F

from training.cine.examples import Slices
from training.cine.semisupervised import shares
from training.cine.semisupervised.adversary import Adversary, reversed_gradient
from training.cine.semisupervised.shares import KINDS, Outcome, SharesPlan, compare_shares, read_outcomes, table
from training.cine.semisupervised.train import ShareRun, labelled_patients, train_share


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_stacks(tmp_path_factory.mktemp("cardiac"))


def run(data, folder, **options):
    given = {"share": 0.5, "kind": "semi-supervised", "steps": 2, "batch": 2, "folds": 3, "save_every": 1}
    return ShareRun(run=folder, data=data, **(given | options))


def test_of_one_seed_the_fewer_are_among_the_more_and_nobody_of_the_judged_fold(data, tmp_path):
    known = [labelled_patients(run(data, tmp_path, share=share, seed=5)) for share in (0.01, 0.5, 1.0)]

    assert [1, 2, 4] == [len(names) for names in known]
    assert set(known[0]) < set(known[1]) < set(known[2]) == set(run(data, tmp_path).patients)
    assert 1 < len({labelled_patients(run(data, tmp_path, share=0.5, seed=seed)) for seed in range(9)})


def test_slices_without_labels_are_the_same_whatever_the_labels_are(data, tmp_path):
    other = write_stacks(tmp_path)
    for path in other.glob("*/*_dseg.nii.gz"):
        labels = nib.Nifti1Image.from_filename(path)
        nib.save(nib.Nifti1Image(np.roll(np.asarray(labels.dataobj), 9, axis=0), labels.affine), path)
    first, second = (Slices.without_labels(folder, ("sub-001", "sub-021")) for folder in (data, other))

    assert 0 == first.labels.max()
    for name in ("image", "labels", "distances", "centres"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert torch.equal(first.image, Slices.of(data, ("sub-001", "sub-021")).image)


def test_the_segmenter_ascends_what_the_adversary_descends():
    torch.manual_seed(0)
    adversary, image = Adversary(3, 3), torch.randn(2, 3, 32, 32)
    plain, turned = (torch.randn(2, 3, 32, 32, generator=torch.manual_seed(1)).requires_grad_() for _ in range(2))
    found = []
    for given in (plain, reversed_gradient(turned, 0.25)):
        adversary.zero_grad()
        F.binary_cross_entropy_with_logits(adversary(image, given), torch.zeros(2)).backward()
        found.append([parameter.grad.clone() for parameter in adversary.parameters()])

    torch.testing.assert_close(turned.grad, -0.25 * plain.grad)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
    assert plain.grad.abs().sum() > 0


def test_the_adversary_learns_to_tell_both_kinds_of_maps():
    torch.manual_seed(0)
    adversary, image = Adversary(3, 3), torch.zeros(8, 3, 32, 32)
    smooth, rough = torch.zeros(8, 3, 32, 32), torch.randn(8, 3, 32, 32)
    optimiser = torch.optim.Adam(adversary.parameters(), 1e-2)
    for _ in range(40):
        optimiser.zero_grad()
        logits = torch.cat([adversary(image, smooth), adversary(image, rough)])
        F.binary_cross_entropy_with_logits(logits, torch.tensor([1.0] * 8 + [0.0] * 8)).backward()
        optimiser.step()

    assert adversary(image, smooth).min() > 0 > adversary(image, rough).max()


def test_with_everybodys_labels_nobody_is_without(data, tmp_path):
    with pytest.raises(ValueError, match="nobody is without labels"):
        train_share(run(data, tmp_path, share=1.0))


def test_images_without_labels_change_the_network_and_a_u_net_learns_no_distances(data, tmp_path):
    for kind in KINDS:
        train_share(run(data, tmp_path / kind, kind=kind))
    weights = {kind: torch.load(tmp_path / kind / "checkpoint.pt")["average"] for kind in KINDS}

    def apart(first, second, name):
        return not torch.equal(weights[first][name], weights[second][name])

    assert apart("multi-task", "semi-supervised", "cine.stem.weight")
    assert apart("u-net", "multi-task", "cine.distance.weight")
    assert apart("multi-task", "semi-supervised", "adversary.verdict.weight")
    assert not apart("u-net", "multi-task", "adversary.verdict.weight")


def outcome(kind, seed, dice):
    return Outcome(
        kind=kind,
        share=10,
        seed=seed,
        labelled=3,
        patients=("sub-001", "sub-001", "sub-002", "sub-002"),
        dice=((dice,) * 3,) * 2 + ((dice + 0.1,) * 3,) * 2,
        hausdorff_mm=((10.0, 8.0, 6.0),) * 4,
        doubt=(0.5, 0.25, 0.75),
        ece=0.03,
    )


def test_the_table_compares_what_the_same_seeds_have():
    rows = list(table([outcome("u-net", 0, 0.7), outcome("u-net", 1, 0.2), outcome("multi-task", 0, 0.72)]))

    assert 4 == len(rows)
    assert "| 3 (10 %) | u-net (2) | 0.500/0.500/0.500 | 0.500 |  |" in rows[2]
    assert "| 3 (10 %) | multi-task (1) | 0.770/0.770/0.770 | 0.770 | +0.020 [+0.020, +0.020] |" in rows[3]
    assert rows[3].endswith("| 10.0/8.0/6.0 | 0.50/0.25/0.75 | 0.030 |")


def test_every_network_is_trained_once_and_the_table_comes_again(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shares, "SHARES", (50,))
    plan = SharesPlan(run=tmp_path, data=data, folds=3, seeds=1, steps=1, batch=2)
    compare_shares(plan)
    first = capsys.readouterr().out
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    compare_shares(plan)

    assert set(KINDS) == {one.kind for one in read_outcomes(tmp_path)}
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert capsys.readouterr().out.strip() in first
