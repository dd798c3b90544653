"""The networks as graphs: shapes, ranges, and what one part may tell another."""

import itertools

import numpy as np
import pytest
import torch

from models.nets.brain import BrainConfig, BrainNet, doubt
from models.nets.judge import split_by_cause
from models.nets.locator import Locator
from models.nets.unet import TrunkConfig

SMALL = BrainConfig(trunk=TrunkConfig(channels=(4, 8), fine=4))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", [(16, 16, 16), (24, 16, 32)])
def test_logits_have_the_size_of_the_image_and_variances_half_of_it(shape):
    logits, log_variances, *_ = BrainNet(SMALL)(torch.randn(2, 1, *shape))

    assert (2, 4, *shape) == tuple(logits.shape)
    assert (2, 6, *(n // 2 for n in shape)) == tuple(log_variances.shape)
    assert Locator(SMALL.trunk)(torch.randn(1, 1, *shape)).shape == (1, 1, *shape)


def test_a_log_variance_is_never_below_minus_ten_or_above_five():
    log_variances = BrainNet(SMALL)(1e6 * torch.randn(1, 1, 16, 16, 16)).log_variances

    assert log_variances.min() >= -10
    assert log_variances.max() <= 5


def test_the_variances_do_not_train_the_labels_through_their_doubt():
    network = BrainNet(SMALL)
    network(torch.randn(1, 1, 16, 16, 16)).log_variances.sum().backward()

    assert network.logits.weight.grad is None


def test_doubt_is_the_entropy_of_the_labels():
    logits = torch.randn(1, 4, 4, 4, 4)
    here, everywhere = doubt(logits)
    expected = torch.distributions.Categorical(logits=logits.movedim(1, -1)).entropy()

    torch.testing.assert_close(here.mean() / 3, expected.mean())
    assert 1 == len(everywhere.unique())
    assert expected.min() <= everywhere.mean() / 10 <= expected.max()


def test_labels_that_are_certain_or_even_have_the_least_and_the_most_doubt():
    certain = torch.zeros(1, 4, 2, 2, 2)
    certain[:, 2] = 60

    assert doubt(certain)[0].item() == pytest.approx(0, abs=1e-6)
    assert doubt(torch.zeros(1, 4, 2, 2, 2))[0].item() == pytest.approx(3 * np.log(4))


def split(presence, variances=None):
    variances = torch.rand(1, 5, 2, 2, 2) if variances is None else variances
    return variances, split_by_cause(variances, torch.tensor([presence]))


def test_a_certain_cause_gets_the_whole_total_at_every_voxel():
    variances, parts = split([0.0, 1.0, 0.0, 0.0, 0.0])

    torch.testing.assert_close(parts.sum(dim=1), variances.sum(dim=1))
    torch.testing.assert_close(parts[:, 1], variances.sum(dim=1), rtol=1e-2, atol=0)


@pytest.mark.parametrize("presence", [[0.0] * 5, [0.3, 0.9, 0.0, 0.1, 0.5]])
def test_the_total_is_kept_whatever_the_evidence(presence):
    """Tried and dropped: a total weighted with the probability of any cause lost every motion it was unsure of."""
    variances, parts = split(presence)

    torch.testing.assert_close(parts.sum(dim=1), variances.sum(dim=1))


def test_equal_evidence_shares_in_proportion_to_the_variances():
    variances, parts = split([1.0] * 5)

    torch.testing.assert_close(parts, variances)


def test_more_evidence_for_one_cause_never_lessens_its_part():
    variances = torch.rand(1, 5, 2, 2, 2)
    parts = [split([p, 0.5, 0.0, 0.0, 0.0], variances)[1][:, 0] for p in (0.0, 0.2, 0.6, 1.0)]

    assert all((later >= earlier).all() for earlier, later in itertools.pairwise(parts))
