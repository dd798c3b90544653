"""Paper 003 against torch's own distribution, its toy problem and the disc with four raters (specs/methods.md 4.3)."""

import numpy as np
import pytest
import torch
from torch.distributions import LowRankMultivariateNormal

from models.nets.stochastic import StochasticHead, sample_logits
from training.brain.losses import stochastic_nll
from training.brain.stochastic import paired_noise

PIXELS = 21
TARGETS = torch.stack([torch.cat([torch.ones(7), torch.full((7,), float(t)), torch.zeros(7)]).long() for t in (0, 1)])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_samples_have_the_covariance_of_the_low_rank_normal():
    mean, factor, deviation = torch.randn(2, 5), torch.randn(3, 2, 5), torch.rand(2, 5) + 0.1
    samples = sample_logits(mean, factor, deviation, paired_noise(100_000, 3, mean)).flatten(1)
    expected = LowRankMultivariateNormal(mean.flatten(), factor.flatten(1).T, deviation.flatten() ** 2)

    torch.testing.assert_close(samples.mean(dim=0), expected.mean, atol=1e-4, rtol=0)
    error = torch.linalg.norm(samples.T.cov() - expected.covariance_matrix)
    assert error < 0.02 * torch.linalg.norm(expected.covariance_matrix)


def test_one_sample_without_covariance_is_the_cross_entropy():
    mean, labels = torch.randn(4, 30), torch.randint(4, (30,))
    expected = torch.nn.functional.cross_entropy(mean.T, labels)

    torch.testing.assert_close(stochastic_nll(mean[None], labels), expected)


def test_the_loss_lies_between_the_best_and_the_mean_sample():
    samples, labels = torch.randn(20, 4, 30), torch.randint(4, (30,))
    each = torch.stack([stochastic_nll(sample[None], labels) for sample in samples])
    found = stochastic_nll(samples, labels)

    assert each.min() <= found <= each.min() + np.log(20) / 30 + 1e-6
    assert found <= each.mean()


@pytest.mark.parametrize("column", [0, 1, 2])
def test_the_sign_of_a_factor_does_not_change_the_distribution(column):
    mean, factor, deviation = torch.zeros(2, 4), torch.randn(3, 2, 4), torch.zeros(2, 4)
    turned = factor.clone()
    turned[column] *= -1
    noise = paired_noise(50_000, 3, mean)
    covariances = [sample_logits(mean, f, deviation, noise).flatten(1).T.cov() for f in (factor, turned)]

    torch.testing.assert_close(*covariances, atol=0.15, rtol=0.05)


def fit(masks, rank, steps, mean_steps=500):
    """One logit a pixel, the other class's fixed at zero: the paper's recipe, one image, its raters in turn."""
    pixels = masks.shape[1]
    mean = torch.zeros(pixels, requires_grad=True)
    log_deviation = torch.full((pixels,), -0.5, requires_grad=True)
    direction = torch.nn.functional.normalize(torch.rand(rank, pixels) - 0.5, dim=1).requires_grad_()
    scale = torch.full((rank, 1), -1.0, requires_grad=True)

    def samples(count, *, learn=True):
        factor = direction * scale.exp() if rank else torch.zeros(1, pixels)
        noise = paired_noise(count, max(rank, 1), torch.zeros(2, pixels))
        empty = torch.zeros_like
        parts = [torch.stack([empty(p), p], dim=-2) for p in (mean, factor, log_deviation.exp())]
        return sample_logits(*(p if learn else p.detach() for p in parts), noise)

    optimiser = torch.optim.Adam([mean, log_deviation, direction, scale], lr=1e-2)
    for step in range(mean_steps + steps):
        optimiser.zero_grad()
        if step < mean_steps:
            logits = torch.stack([torch.zeros(pixels), mean])[None]
            loss = torch.stack([stochastic_nll(logits, mask) for mask in masks]).mean()
        else:
            loss = torch.stack([stochastic_nll(samples(100), mask) for mask in masks]).mean()
        loss.backward()
        optimiser.step()
    return samples


def log_likelihood(samples, masks, count=20_000):
    drawn = samples(count, learn=False)
    return -np.mean([stochastic_nll(drawn, mask).item() * masks.shape[1] for mask in masks])


@pytest.mark.parametrize(("rank", "least", "most"), [(2, -1.0, -np.log(2)), (0, -5.0, -7 * np.log(2))])
def test_the_toy_problem_reaches_its_analytic_bounds(rank, least, most):
    """Seven pixels that are all set or all clear: together one bit, alone seven (Monteiro et al. 2020, section 4.1)."""
    found = log_likelihood(fit(TARGETS, rank, 1500), TARGETS)

    assert least < found <= most + 0.02


def test_the_volumes_of_a_disc_span_its_raters_only_with_a_factor():
    grid = torch.arange(32) - 15.5
    distance = torch.sqrt(grid[:, None] ** 2 + grid**2).flatten()
    masks = torch.stack([(distance < radius).long() for radius in (5, 7, 9, 11)])

    def interval(rank):
        volumes = fit(masks, rank, 1000)(2000, learn=False).argmax(dim=1).sum(dim=1).float()
        return torch.quantile(volumes, torch.tensor([0.05, 0.95])).tolist()

    (low, high), (narrow_low, narrow_high) = interval(4), interval(0)
    smallest, *_, largest = (mask.sum().item() for mask in masks)

    assert low < 1.3 * smallest
    assert high > 0.8 * largest
    assert narrow_high - narrow_low < 0.2 * (high - low)


def test_the_head_begins_near_the_labels_it_starts_from():
    factor, deviation = StochasticHead(6, 4, rank=10)(torch.randn(2, 6, 4, 4, 4))

    assert (2, 10, 4, 4, 4, 4) == tuple(factor.shape)
    assert (2, 4, 4, 4, 4) == tuple(deviation.shape)
    assert (deviation > 0).all()
    assert factor.abs().mean() < 0.3
