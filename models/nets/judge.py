"""What the judge graph of a bundle computes: labels, how they vary, and variances split by the evidence for each cause.

The network's artefact variances say how much the task suffers, and where; the spectrum says from what. The total of
the variances is kept at every voxel, and divided in proportion to each artefact's own variance times the probability
of its presence.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.nets.brain import BrainNet
from models.nets.cause import CauseHead
from models.nets.stochastic import StochasticHead


class JudgeOutput(NamedTuple):
    """The outputs of the graph, in its order and with its names (`models/prediction.py: Outputs` is the numpy twin)."""

    logits: Tensor
    variances: Tensor
    causes: Tensor
    factor: Tensor
    deviation: Tensor
    embedding: Tensor


class Borders(nn.Module):
    """Logits (B, C, ...) + an offset a class: moves the borders between tissues (training/borders.py)."""

    offsets: Tensor

    def __init__(self, tissues: int) -> None:
        super().__init__()
        self.register_buffer("offsets", torch.zeros(tissues))

    def forward(self, logits: Tensor) -> Tensor:
        """The logits, moved."""
        return logits + self.offsets[:, None, None, None]


class Judge(nn.Module):
    """Image (B, 1, D, H, W), features (B, F) -> everything a host needs to judge a head."""

    def __init__(self, brain: BrainNet, cause: CauseHead, stochastic: StochasticHead, borders: Borders) -> None:
        super().__init__()
        self.brain = brain
        self.cause = cause
        self.stochastic = stochastic
        self.borders = borders

    def forward(self, image: Tensor, features: Tensor) -> JudgeOutput:
        """Logits, variances (the task's first), probabilities of presence, covariance of the logits, embedding."""
        found = self.brain(image)
        causes = self.cause(features).sigmoid()
        variances = found.log_variances.exp()
        factor, deviation = self.stochastic(found.evidence)
        return JudgeOutput(
            logits=self.borders(found.logits),
            variances=torch.cat([variances[:, :1], split_by_cause(variances[:, 1:], causes)], dim=1),
            causes=causes,
            factor=factor,
            deviation=deviation,
            embedding=embed(found.deep),
        )


def embed(deep: Tensor) -> Tensor:
    """Deepest features (B, F, ...) -> their mean and standard deviation over the image (B, 2 F)."""
    return torch.cat([deep.mean(dim=(2, 3, 4)), deep.std(dim=(2, 3, 4))], dim=1)


def split_by_cause(variances: Tensor, causes: Tensor) -> Tensor:
    """Variances (B, K, ...) of the same total at every voxel, shared in proportion to variance x presence (B, K)."""
    weights = variances * (causes + 1e-4)[:, :, None, None, None]
    return variances.sum(dim=1, keepdim=True) * weights / weights.sum(dim=1, keepdim=True)
