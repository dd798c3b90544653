"""The losses have the optima that their papers give them."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.nets.brain import smooth_half
from training.brain.losses import (
    consistency_loss,
    cross_entropy,
    dissimilarity,
    error_maps,
    heteroscedastic_loss,
    poisson_regression,
    soft_dice_loss,
    variance_targets,
)
from training.running.schedule import EpsilonSchedule


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

    shares = F.one_hot(labels, 3).movedim(-1, 1).float()
    assert soft_dice_loss(certain, shares).item() == pytest.approx(1 - (first + second) / 2, abs=1e-5)


def test_soft_dice_of_whole_voxels_is_that_of_milletari():
    shares = F.one_hot(torch.randint(4, (2, 6, 6, 6)), 4).movedim(-1, 1).float()
    found = torch.randn(2, 4, 6, 6, 6).softmax(dim=1)
    overlap, both = (found * shares).sum(dim=(2, 3, 4)), (found + shares).sum(dim=(2, 3, 4))
    expected = 1 - ((2 * overlap + 1) / (both + 1))[:, 1:].mean()

    assert soft_dice_loss(found.log(), shares).item() == pytest.approx(expected.item(), abs=1e-5)


def test_of_mixed_voxels_their_shares_are_the_best_answer_for_both_losses():
    shares = torch.tensor([0.3, 0.45, 0.25]).reshape(1, 3, 1, 1, 1).expand(1, 3, 4, 4, 4)

    def loss(logits):
        log_probabilities = logits.reshape(1, 3, 1, 1, 1).expand(1, 3, 4, 4, 4).log_softmax(dim=1)
        return soft_dice_loss(log_probabilities, shares) + cross_entropy(log_probabilities, shares).mean()

    found = minimise(loss, [0.0, 0.0, 0.0]).softmax(dim=0)
    assert found.numpy() == pytest.approx(np.array([0.3, 0.45, 0.25]), abs=0.02)


def test_cross_entropy_with_shares_is_torchs():
    logits, shares = torch.randn(2, 4, 3, 3, 3), torch.rand(2, 4, 3, 3, 3).softmax(dim=1)
    expected = F.cross_entropy(logits, shares, reduction="none")

    torch.testing.assert_close(cross_entropy(logits.log_softmax(dim=1), shares), expected)


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


@pytest.mark.parametrize("epsilon", [0.05, 1e-3])
@pytest.mark.parametrize("cross_entropy", [0.01, 0.3, 1.2])
def test_the_variance_of_the_cascade_is_optimal_at_twice_the_cross_entropy_less_epsilon(cross_entropy, epsilon):
    candidates = torch.linspace(0, 4, 4001, dtype=torch.float64)
    losses = torch.stack([heteroscedastic_loss(torch.tensor(cross_entropy), v, epsilon) for v in candidates])

    assert candidates[losses.argmin()].item() == pytest.approx(max(0.0, 2 * cross_entropy - epsilon), abs=6e-4)


def test_the_labels_learn_less_where_the_variance_is_large():
    logits = torch.zeros(1, 3, requires_grad=True)
    gradients = []
    for variance in (0.5, 2.0):
        loss = heteroscedastic_loss(F.cross_entropy(logits, torch.tensor([1])), torch.tensor(variance), 0.0)
        gradients.append(torch.autograd.grad(loss, logits)[0])

    torch.testing.assert_close(gradients[0], 4 * gradients[1])


def test_consistency_is_zero_for_the_same_map_and_counts_levels_edges_and_structure():
    target = torch.rand(1, 8, 8, 8)
    shifted = consistency_loss(target + 0.1, target) - 0.1 * dissimilarity(target + 0.1, target)

    assert consistency_loss(target, target).item() == pytest.approx(0, abs=1e-6)
    assert shifted.item() == pytest.approx(0.1, rel=1e-4)  # the same everywhere: no edge differs
    checked = torch.zeros(1, 4, 4, 4)
    checked[:, 1] = 1.0  # one plane: a quarter of the voxels, and two of the three steps across it
    expected = 0.25 + 2 / 3 + 0.1 * dissimilarity(checked, torch.zeros_like(checked)).item()
    assert consistency_loss(checked, torch.zeros_like(checked)).item() == pytest.approx(expected, rel=1e-5)


def test_dissimilarity_is_its_definition():
    """Against the definition written out in numpy over every 3 x 3 x 3 window."""
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 6, 6, 6))
    windows = [np.lib.stride_tricks.sliding_window_view(a, (3, 3, 3)).reshape(-1, 27) for a in (first, second)]
    means, variances = [w.mean(axis=1) for w in windows], [w.var(axis=1) for w in windows]
    shared = (windows[0] * windows[1]).mean(axis=1) - means[0] * means[1]
    c1, c2 = 1e-4, 9e-4
    similarity = (2 * means[0] * means[1] + c1) * (2 * shared + c2)
    similarity /= (means[0] ** 2 + means[1] ** 2 + c1) * (variances[0] + variances[1] + c2)
    found = dissimilarity(*(torch.from_numpy(a)[None].float() for a in (first, second)))

    assert found.item() == pytest.approx(np.clip((1 - similarity) / 2, 0, 1).mean(), abs=1e-5)


def observe(schedule, *losses):
    for loss in losses:
        schedule.observe({"loss": loss})
    return schedule.epsilon, schedule.rate_factor


def test_epsilon_and_rate_halve_on_a_plateau_only():
    schedule = EpsilonSchedule(patience=2)

    assert (0.05, 1.0) == observe(schedule, 1.0, 0.9, 0.8, 0.795)
    assert (0.025, 0.5) == observe(schedule, 0.795)
    assert (0.025, 0.5) == observe(schedule, 2.0, 2.0)  # the first under the new floor is the new measure


def test_epsilon_ends_below_a_thousandth():
    schedule = EpsilonSchedule(patience=1)
    observe(schedule, *([1.0] * 100))

    assert 0.0005 <= schedule.epsilon < 0.001


def test_a_restored_schedule_goes_on_where_it_was():
    schedule, again = EpsilonSchedule(), EpsilonSchedule()
    observe(schedule, 1.0, 0.5, 0.5, 0.5, 0.4, 0.4)
    again.load_state_dict(schedule.state_dict())

    assert observe(schedule, 0.4) == observe(again, 0.4)
