"""The covariance of a finished segmentation network's logits (paper 003), alone: the labels stay as they are.

The mean was trained before, as the paper's own recipe does; trunk and mean are frozen here. Each descent looks at one
voxel of every 2 x 2 x 2, at a random offset: the likelihood of a part of the voxels is that of the same distribution,
and an eighth of the work.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from models.nets.brain import BrainConfig, BrainNet
from models.nets.stochastic import StochasticHead, sample_logits
from training.brain.boxes import BoxPlan, train_on_boxes
from training.brain.losses import stochastic_nll
from training.brain.networks import VARIANCES
from training.running.run import Learner, load_weights
from training.synthesis.examples import Example
from training.synthesis.heads import CorruptionModel


@dataclass(frozen=True, slots=True, kw_only=True)
class StochasticPlan(BoxPlan):
    """``start``: checkpoint of the brain network, or an exported judge; ``samples``: drawn a descent, in pairs."""

    start: Path
    steps: int = 1000
    peak_rate: float = 2e-3
    warm_up: int = 50
    samples: int = 20
    corruption_model: CorruptionModel = field(default_factory=lambda: CorruptionModel(probability=0.6))
    seed: int = 9


class _Covariance(nn.Module):
    """A frozen brain network with the head that is trained; Fabric sees one network."""

    def __init__(self, brain: BrainNet, head: StochasticHead) -> None:
        super().__init__()
        self.brain = brain.requires_grad_(requires_grad=False)
        self.head = head

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean logits at full, factor and deviation at half resolution."""
        with torch.no_grad():
            found = self.brain(image)
        return found.logits, *self.head(found.evidence)


def train_stochastic(plan: StochasticPlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    torch.manual_seed(plan.seed)  # the first weights are drawn before the learner seeds everything
    config = BrainConfig()
    brain = BrainNet(config)
    load_weights(plan.start, brain, without=VARIANCES)
    learner = Learner(_Covariance(brain, StochasticHead(config.evidence, config.tissues)), plan)

    def objective(network: nn.Module, example: Example) -> tuple[Tensor, dict[str, Tensor]]:
        found = zip(*network(example.image), example.labels, strict=True)
        each = [_losses(*head, samples=plan.samples) for head in found]
        losses = torch.stack([torch.stack(terms) for terms in each]).mean(dim=0)
        return losses[0], dict(zip(("nll", "nll_of_mean", "deviation"), losses, strict=True))

    train_on_boxes(learner, plan, plan.corruption_model, objective)


def _losses(
    mean: Tensor, factor: Tensor, deviation: Tensor, labels: Tensor, *, samples: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Of one head: the likelihood of the samples and of the mean alone, and the mean deviation."""
    i, j, k = torch.randint(2, (3,)).tolist()
    mean = mean[:, i::2, j::2, k::2].flatten(1).float()
    labels = labels[i::2, j::2, k::2].flatten()
    inside = (labels > 0) | (mean.argmax(dim=0) > 0)  # air is certain, and most of the box
    mean, labels = mean[:, inside], labels[inside]
    factor, deviation = (t.flatten(-3)[..., inside].float() for t in (factor, deviation))
    noise = paired_noise(samples, factor.shape[0], mean)
    together = stochastic_nll(sample_logits(mean, factor, deviation, noise), labels)
    return together, stochastic_nll(mean[None], labels), deviation.mean()


def paired_noise(samples: int, rank: int, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Standard normal w (M, rank) and e (M, *mean.shape) in antithetic pairs: the samples' mean is the mean."""
    together = torch.randn(samples // 2, rank, device=mean.device)
    alone = torch.randn(samples // 2, *mean.shape, device=mean.device)
    return torch.cat([together, -together]), torch.cat([alone, -alone])
