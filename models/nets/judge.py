"""What the judge graph of a bundle computes: labels, how they vary, how much in doubt they are, and to what it is due.

The spectrum of the stored image, which the box on the network's grid no longer holds, says which artefacts to suspect;
the brain network, told so, says how much of its error is due to each, and where.
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
    entropy: Tensor


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
        """Logits, variances (the task's first), probabilities of presence, covariance of the logits, embedding, doubt.

        The entropy is that of the labels before their borders are moved: the network's own doubt.
        """
        suspicion = self.cause(features)
        found = self.brain(image, suspicion)
        factor, deviation = self.stochastic(found.evidence)
        return JudgeOutput(
            logits=self.borders(found.logits),
            variances=found.log_variances.exp(),
            causes=suspicion.sigmoid(),
            factor=factor,
            deviation=deviation,
            embedding=embed(found.deep),
            entropy=found.entropy,
        )


def embed(deep: Tensor) -> Tensor:
    """Deepest features (B, F, ...) -> their mean and standard deviation over the image (B, 2 F)."""
    return torch.cat([deep.mean(dim=(2, 3, 4)), deep.std(dim=(2, 3, 4))], dim=1)
