"""What the judge graph of a bundle computes: labels, and variances split by the evidence for each cause.

The network's artefact variances say how much the task suffers, and where; the spectrum says from what. The total of
the variances is kept at every voxel, and divided in proportion to each artefact's own variance times the probability
of its presence.
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
    """Variances (B, K, ...) of the same total at every voxel, shared in proportion to variance x presence (B, K)."""
    weights = variances * (causes + 1e-4)[:, :, None, None, None]
    return variances.sum(dim=1, keepdim=True) * weights / weights.sum(dim=1, keepdim=True)
