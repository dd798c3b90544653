"""What the judge graph of a bundle computes: labels, and variances split by the evidence for each cause.

The network's artefact variances say how much the task suffers, and where; the spectrum says from what. At every voxel
their total is weighted with the probability that anything went wrong at all, and divided in proportion to each
artefact's own variance times the probability of its presence. Doubt without a known cause stays visible in the task's
variance and in the entropy of the labels.
"""

import torch
from torch import Tensor, nn

from models.nets.brain import BrainNet
from models.nets.cause import CauseHead


class Judge(nn.Module):
    """Image (B, 1, D, H, W), features (B, F) -> logits (B, C, D, H, W), variances (B, 6, D/2, ...), causes (B, 5)."""

    def __init__(self, brain: BrainNet, cause: CauseHead) -> None:
        super().__init__()
        self.brain = brain
        self.cause = cause

    def forward(self, image: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, variances (the task's first) and probabilities of presence."""
        logits, log_variances = self.brain(image)
        causes = self.cause(features).sigmoid()
        variances = log_variances.exp()
        return logits, torch.cat([variances[:, :1], split_by_cause(variances[:, 1:], causes)], dim=1), causes


def split_by_cause(variances: Tensor, causes: Tensor) -> Tensor:
    """Variances (B, K, ...) whose total is that of the network times the probability of any cause (B, K)."""
    weights = variances * (causes + 1e-4)[:, :, None, None, None]
    total = variances.sum(dim=1, keepdim=True) * (1 - (1 - causes).prod(dim=1))[:, None, None, None, None]
    return total * weights / weights.sum(dim=1, keepdim=True)
