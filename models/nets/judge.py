"""What the judge graph of a bundle computes: labels, how they vary, how much in doubt they are, and to what it is due.

The spectrum of the stored image, which the box on the network's grid no longer holds, says which artefacts to suspect;
the brain network, told so, says how much of its error is due to each, and where.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nets.brain import BrainNet, smooth_half
from models.nets.cause import CauseHead
from models.nets.stochastic import StochasticHead

#: How much of the artefacts' total is what was learnt; the rest is what the labels' doubt says.
_LEARNT = 0.2
#: Nats. excess = _SOFT softplus((2 H - _USUAL) / _SOFT), H the entropy at half resolution: 2 H of clean grey matter is
#: about _USUAL.
_USUAL, _SOFT = 0.7, 0.25


class JudgeOutput(NamedTuple):
    """The outputs of the graph, in its order and with its names; the arrays of ``models.brain.prediction.Outputs``."""

    logits: Tensor
    variances: Tensor
    causes: Tensor
    factor: Tensor
    deviation: Tensor
    embedding: Tensor
    entropy: Tensor


class Borders(nn.Module):
    """Logits (B, C, ...) + an offset a class: moves the borders between tissues (training/brain/borders.py)."""

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
            variances=pool(found.log_variances, found.entropy),
            causes=suspicion.sigmoid(),
            factor=factor,
            deviation=deviation,
            embedding=embed(found.deep),
            entropy=found.entropy,
        )


def pool(log_variances: Tensor, entropy: Tensor) -> Tensor:
    """Variances (B, 1 + K, d, h, w) of which the artefacts' share a total that two judges agree on; the task's stays.

    The total is the logarithmic opinion pool (Genest and Zidek 1986, section 3.3) of what was learnt, (B, 1 + K, d, h,
    w) log-variances, and of the labels' own doubt, whose entropy (B, D, H, W) in nats is the expected cross-entropy of
    calibrated labels: its ``excess`` (see ``_USUAL``) enters with weight 1 - _LEARNT. What was learnt tells the
    artefacts apart; the entropy ranks people's errors better (docs/log.md).
    """
    artefacts = log_variances[:, 1:]
    learnt = artefacts.logsumexp(dim=1, keepdim=True)
    error = 2 * smooth_half(entropy)[:, None]
    excess = _SOFT * F.softplus((error - _USUAL) / _SOFT)
    total = _LEARNT * learnt + (1 - _LEARNT) * excess.log()
    return torch.cat([log_variances[:, :1], artefacts + total - learnt], dim=1).exp()


def embed(deep: Tensor) -> Tensor:
    """Deepest features (B, F, ...) -> their mean and standard deviation over the image (B, 2 F)."""
    return torch.cat([deep.mean(dim=(2, 3, 4)), deep.std(dim=(2, 3, 4))], dim=1)
