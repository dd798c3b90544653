"""The losses have the optima that their papers give them."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from training.losses import error_maps, poisson_regression, smooth_half, soft_dice_loss, variance_targets


def minimise(loss, start, steps=400):
    value = torch.tensor(start, requires_grad=True)
    optimiser = torch.optim.Adam([value], lr=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(value).backward()
        optimiser.step()
    return value.detach()


def test_poisson_regression_finds_the_mean_of_a_sparse_target_not_its_median():
    target = torch.zeros(100)
    target[:7] = 3.0
    found = minimise(lambda s: poisson_regression(s.expand(100), target), -3.0).exp()

    assert found.item() == pytest.approx(0.21, rel=0.01)


def test_twice_the_cross_entropy_is_the_heteroscedastic_optimum():
    """Shaw et al. 2021, eq. 4: CE / v + log(v) / 2 is minimal at v = 2 CE."""
    cross_entropy = 0.7
    found = minimise(lambda s: cross_entropy * torch.exp(-s) + s / 2, 0.0).exp()

    assert found.item() == pytest.approx(2 * cross_entropy, rel=1e-3)


def test_soft_dice_of_certain_predictions_is_one_minus_dice():
    labels = torch.tensor([[[[0, 1, 1, 2]]]])
    predicted = torch.tensor([[[[0, 1, 2, 2]]]])
    certain = torch.log(F.one_hot(predicted, 3).movedim(-1, 1).float().clamp(min=1e-12))
    first, second = (2 * 1 + 1) / (1 + 2 + 1), (2 * 1 + 1) / (2 + 1 + 1)

    assert soft_dice_loss(certain, labels).item() == pytest.approx(1 - (first + second) / 2, abs=1e-5)


def test_error_maps_have_no_gradient_and_keep_the_mean():
    cross_entropy = torch.rand(1, 8, 8, 8, requires_grad=True)
    found = error_maps(cross_entropy)

    assert not found.requires_grad
    assert tuple(found.shape) == (1, 4, 4, 4)
    assert smooth_half(torch.ones(1, 8, 8, 8)).numpy() == pytest.approx(np.ones((1, 4, 4, 4)))


def test_the_targets_add_up_to_the_error_of_the_corrupted_head():
    clean, corrupted = torch.rand(1, 4, 4, 4), torch.rand(1, 4, 4, 4) + 1
    severity = torch.tensor([[0.0, 0.6, 0.0, 0.2, 0.0]])
    targets = variance_targets(corrupted, clean, severity)

    assert torch.allclose(targets.sum(dim=1), corrupted)
    assert torch.allclose(targets[:, 2], 3 * targets[:, 4])
    assert not targets[:, [1, 3, 5]].any()


def test_a_head_without_artefact_has_only_task_error():
    clean = torch.rand(1, 4, 4, 4)
    targets = variance_targets(clean, clean, torch.zeros(1, 5))

    assert torch.equal(targets[:, 0], clean)
    assert not targets[:, 1:].any()
