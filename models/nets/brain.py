"""The brain network of paper 000 (Shaw et al. 2021, figure 2): a trunk, tissue logits and log-variances."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.artefacts import ARTEFACTS
from models.nets.unet import Trunk, TrunkConfig

_HERE, _EVERYWHERE = 3.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainConfig:
    """``tissues``: classes with background. ``sources``: log-variance maps, the task's first, then one an artefact."""

    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    tissues: int = 4
    sources: int = 1 + len(ARTEFACTS)

    @property
    def evidence(self) -> int:
        """Channels of what the heads at half resolution see."""
        return self.trunk.channels[0] + 2


class BrainOutput(NamedTuple):
    """What the network says of an image (B, 1, D, H, W).

    ``logits`` (B, tissues, D, H, W), ``log_variances`` (B, sources, D/2, H/2, W/2); ``evidence`` (B, E, D/2, ...) is
    what the heads at half resolution see, ``deep`` (B, F, ...) the trunk's deepest features.
    """

    logits: Tensor
    log_variances: Tensor
    evidence: Tensor
    deep: Tensor


class BrainNet(nn.Module):
    """Tissue logits at full, log-variances at half resolution.

    The variances are kept at half resolution: they vary slowly, and an eighth of the voxels is an eighth of the work.
    Their logarithm is clamped to [-10, 5], so that a variance is never zero and never runs away.

    Beside the trunk's features the variances see how much in doubt the labels are, here and in the whole head: the
    entropy of calibrated labels is their expected error, while instance norm hides from the features how much noise
    there is (without it the variances were those of a clean head whatever went wrong, see docs/log.md).
    """

    def __init__(self, config: BrainConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.trunk)
        self.logits = nn.Conv3d(config.trunk.fine, config.tissues, 1)
        self.variances = nn.Sequential(
            nn.Conv3d(config.evidence, config.trunk.channels[0], 3, padding=1),
            nn.LeakyReLU(0.01),
            nn.Conv3d(config.trunk.channels[0], config.sources, 1),
        )
        nn.init.constant_(self.variances[2].bias, -3.0)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> BrainOutput:
        """Logits and log-variances of an image, and what they were made from."""
        features = self.trunk(image)
        logits = self.logits(features.full)
        evidence = torch.cat([features.half, *doubt(logits.detach())], dim=1)
        log_variances = torch.clamp(self.variances(evidence), -10.0, 5.0)
        return BrainOutput(logits, log_variances, evidence, features.deep)


def doubt(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Entropy in nats at half resolution (B, 1, D/2, H/2, W/2), and its mean over the tissue, at every such voxel.

    Both are scaled so that a good head and a bad one differ by about one: unscaled, a thousand steps did not find them.
    """
    log_probabilities = logits.float().log_softmax(dim=1)
    probabilities = log_probabilities.exp()
    entropy = -(probabilities * log_probabilities).sum(dim=1, keepdim=True)
    tissue = 1 - probabilities[:, :1]
    mean = (entropy * tissue).sum(dim=(2, 3, 4), keepdim=True) / (tissue.sum(dim=(2, 3, 4), keepdim=True) + 1)
    here = F.avg_pool3d(entropy, 2)
    return _HERE * here, _EVERYWHERE * mean.expand_as(here)
