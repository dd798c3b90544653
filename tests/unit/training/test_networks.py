"""The networks as graphs: shapes, ranges, and what one part may tell another."""

import numpy as np
import pytest
import torch

from models.nets.brain import BrainConfig, BrainNet, doubt
from models.nets.judge import pool
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
    found = BrainNet(SMALL)(torch.randn(2, 1, 16, 24, 16))
    expected = torch.distributions.Categorical(logits=found.logits.movedim(1, -1)).entropy()
    here, everywhere = found.evidence[:, -2], found.evidence[:, -1]

    torch.testing.assert_close(found.entropy, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(here.mean() / 3, expected.mean())
    assert 2 == len(everywhere.unique())
    assert expected.min() <= everywhere.mean() / 10 <= expected.max()


def test_the_doubt_of_a_whole_head_is_that_of_its_tissue():
    entropy, tissue = torch.rand(1, 1, 4, 4, 4), torch.zeros(1, 1, 4, 4, 4)
    tissue[0, 0, :2] = 1
    everywhere = doubt(entropy, tissue)[1]

    assert everywhere.flatten()[0].item() == pytest.approx(10 * entropy[0, 0, :2].sum().item() / 33, rel=1e-5)


@pytest.fixture
def head():
    """A variance head that has learnt something, and what it sees of two images."""
    network = BrainNet(SMALL).variances
    torch.nn.init.normal_(network.level.weight)
    return (
        network,
        torch.randn(2, SMALL.evidence, 12, 10, 12),
        torch.randn(2, 1, 24, 20, 24),
        torch.rand(2, 1, 12, 10, 12),
    )


def test_a_part_of_an_image_has_the_variances_that_it_has_in_the_whole(head):
    network, evidence, image, air = head
    strength = network.textures(image)
    known = network.gather(strength, air)
    whole = network(evidence, strength, known)
    part = network(evidence[..., 2:10, 1:9, 3:11], strength[..., 2:10, 1:9, 3:11], known)

    torch.testing.assert_close(part[..., 3:-3, 3:-3, 3:-3], whole[..., 5:7, 4:6, 6:8])


def test_noise_is_seen_that_instance_norm_hides(head):
    """The same evidence and a noisier image: the trunk's features may be alike, the textures are not."""
    network, _, image, air = head
    calm, noisy = (network.gather(network.textures(scale * image), air) for scale in (0.1, 1.0))

    assert (calm - noisy).abs().max() > 0.1


def test_nothing_suspected_is_every_artefact_by_half_and_certainty_has_an_end(head):
    network, _, image, air = head
    strength = network.textures(image)
    for one, other in ((None, torch.zeros(2, 5)), (torch.full((2, 5), 6.0), torch.full((2, 5), 60.0))):
        torch.testing.assert_close(network.gather(strength, air, one), network.gather(strength, air, other))
    assert (network.gather(strength, air) != network.gather(strength, air, torch.full((2, 5), 6.0))).any()


@pytest.fixture
def learnt():
    """Log-variances of two images, and the entropy of their labels, the same everywhere in each."""
    return torch.randn(2, 6, 4, 4, 4), torch.tensor([0.3, 0.9]).reshape(2, 1, 1, 1).expand(2, 8, 8, 8)


def test_pooled_variances_keep_what_the_task_has_and_how_the_artefacts_compare(learnt):
    log_variances, entropy = learnt
    before, after = log_variances.exp(), pool(log_variances, entropy)

    torch.testing.assert_close(after[:, 0], before[:, 0])
    for variances in (before, after):
        variances[:, 1:] /= variances[:, 1:].sum(dim=1, keepdim=True)
    torch.testing.assert_close(after[:, 1:], before[:, 1:])


def test_the_pooled_total_is_a_geometric_mean_of_what_was_learnt_and_what_is_in_doubt(learnt):
    log_variances, entropy = learnt
    total = pool(log_variances, entropy)[:, 1:].sum(dim=1).numpy()
    excess = 0.25 * np.logaddexp(0, (2 * np.array([0.3, 0.9]) - 0.7) / 0.25)[:, None, None, None]
    expected = log_variances[:, 1:].exp().sum(dim=1).numpy() ** 0.2 * excess**0.8

    np.testing.assert_allclose(total, expected, rtol=1e-5)
