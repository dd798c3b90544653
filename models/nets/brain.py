"""The brain network of paper 000 (Shaw et al. 2021, figure 2): a trunk, tissue logits and log-variances."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nets.unet import Trunk, TrunkConfig
from models.physics.artefacts import ARTEFACTS

_HERE, _EVERYWHERE = 3.0, 10.0
#: Added to a texture's strength before its logarithm: a hundredth of the brain's intensity.
_FAINT = 0.01
#: Logits of presence beyond this are as sure as can be; what is divided by to make them about one.
_SURE, _HALF_SURE = 6.0, 3.0
#: Range of a log-variance: a variance is never zero and never runs away.
_LOG_VARIANCES = -10.0, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainConfig:
    """``tissues``: classes with background. ``sources``: log-variance maps, the task's first, then one an artefact.

    ``textures``: filters of the raw image that the variances see.
    """

    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    tissues: int = 4
    sources: int = 1 + len(ARTEFACTS)
    textures: int = 12

    @property
    def evidence(self) -> int:
        """Channels of what the heads at half resolution see."""
        return self.trunk.channels[0] + 2


class BrainOutput(NamedTuple):
    """What the network says of an image (B, 1, D, H, W).

    ``logits`` (B, tissues, D, H, W), ``log_variances`` (B, sources, D/2, H/2, W/2); ``evidence`` (B, E, D/2, ...) is
    what the heads at half resolution see, ``deep`` (B, F, ...) the trunk's deepest features, ``air`` (B, 1, D/2, ...)
    the probability of background, ``entropy`` (B, D, H, W) the labels' doubt in nats.
    """

    logits: Tensor
    log_variances: Tensor
    evidence: Tensor
    deep: Tensor
    air: Tensor
    entropy: Tensor


class BrainNet(nn.Module):
    """Tissue logits at full, log-variances at half resolution.

    The variances are kept at half resolution: they vary slowly, and an eighth of the voxels is an eighth of the work.
    """

    def __init__(self, config: BrainConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.trunk)
        self.logits = nn.Conv3d(config.trunk.fine, config.tissues, 1)
        self.variances = VarianceHead(config)

    def forward(self, image: Tensor, suspicion: Tensor | None = None) -> BrainOutput:
        """Logits and log-variances of an image (B, 1, D, H, W), and what they were made from.

        ``suspicion`` (B, artefacts): logit of each artefact's presence, where the spectrum was asked for it.
        """
        features = self.trunk(image)
        logits = self.logits(features.full)
        probabilities = logits.detach().float().softmax(dim=1)
        entropy = -(probabilities * probabilities.clamp(min=1e-12).log()).sum(dim=1, keepdim=True)
        evidence = torch.cat([features.half, *doubt(entropy, 1 - probabilities[:, :1])], dim=1)
        air = F.avg_pool3d(probabilities[:, :1], 2)
        strength = self.variances.textures(image)
        log_variances = self.variances(evidence, strength, self.variances.gather(strength, air, suspicion))
        return BrainOutput(logits, log_variances, evidence, features.deep, air, entropy[:, 0])


#: Weights of graphs and checkpoints made before 2026-12, and what they are called now.
_FORMER_NAMES = {"here": "local", "whole": "summary", "everywhere": "broadcast"}


def current_name(name: str) -> str:
    """The name of a weight in today's networks, by the one in a graph or checkpoint of any age."""
    for former, now in _FORMER_NAMES.items():
        name = name.replace(f"variances.{former}.", f"variances.{now}.")
    return name


class VarianceHead(nn.Module):
    """Variances from what instance norm hides from the trunk: how much noise, blur, ringing there is, and of what kind.

    It sees the trunk's features and how much in doubt the labels are; the textures of the raw image, which are filters
    without a norm behind them, around a voxel, over the tissue and over the air (what an artefact leaves in the air
    tells of it too); and what the spectrum suspects. Of textures and of doubt alone it learns how much is wrong; the
    suspicion tells how much a doubt of this kind costs (docs/log.md).
    """

    def __init__(self, config: BrainConfig) -> None:
        super().__init__()
        width = config.trunk.channels[0]
        self.texture = nn.Conv3d(1, config.textures, 4, stride=2, padding=1, bias=False)
        self.local = nn.Conv3d(config.evidence + config.textures, width, 3, padding=1)
        self.summary = nn.Sequential(nn.Linear(2 * config.textures + len(ARTEFACTS), width), nn.LeakyReLU(0.01))
        self.broadcast = nn.Linear(width, width)
        self.level = nn.Linear(width, config.sources)
        self.sources = nn.Conv3d(width, config.sources, 1)
        nn.init.constant_(self.sources.bias, -3.0)  # type: ignore[arg-type]
        nn.init.zeros_(self.level.weight)
        with torch.no_grad():  # half of the filters begin blind to what is even
            sharp = self.texture.weight[: config.textures // 2]
            sharp -= sharp.mean(dim=(2, 3, 4), keepdim=True)

    def textures(self, image: Tensor) -> Tensor:
        """Strength of each texture (B, T, D/2, H/2, W/2) in an image (B, 1, D, H, W)."""
        return self.texture(image).abs().float()  # type: ignore[no-any-return]

    def gather(self, strength: Tensor, air: Tensor, suspicion: Tensor | None = None) -> Tensor:
        """What is known of a whole image: (B, width); ``air`` (B, 1, D/2, ...) is the share of background.

        ``suspicion`` (B, artefacts): logits; none is the same as zeros, which suspect every artefact by half.
        """
        means = torch.cat([_weighted_mean(strength, 1 - air), _weighted_mean(strength, air)], dim=1)
        if suspicion is None:
            suspicion = means.new_zeros(len(means), len(ARTEFACTS))
        suspicion = suspicion.clamp(-_SURE, _SURE) / _HALF_SURE
        return self.summary(torch.cat([(means + _FAINT).log(), suspicion], dim=1))  # type: ignore[no-any-return]

    def forward(self, evidence: Tensor, strength: Tensor, summary: Tensor) -> Tensor:
        """Log-variances (B, sources, d, h, w) of a part of the image, or of all of it.

        A voxel's depends on the evidence and the textures of the three voxels on each side of it.
        """
        around = F.avg_pool3d(strength, 5, stride=1, padding=2)
        seen = self.local(torch.cat([evidence, (around + _FAINT).log()], dim=1))
        hidden = F.leaky_relu(seen + _spread(self.broadcast(summary)), 0.01)
        return torch.clamp(self.sources(hidden) + _spread(self.level(summary)), *_LOG_VARIANCES)


def _spread(values: Tensor) -> Tensor:
    """(B, C) -> (B, C, 1, 1, 1)."""
    return values[:, :, None, None, None]


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of (B, C, ...) with weights (B, 1, ...): (B, C)."""
    total = weights.sum(dim=(2, 3, 4)) + 1
    return (values * weights).sum(dim=(2, 3, 4)) / total


def smooth_half(error: Tensor) -> Tensor:
    """A voxel-wise error map (B, D, H, W) averaged to half resolution and over 3 x 3 x 3 of those voxels."""
    halved = F.avg_pool3d(error[:, None], 2)
    return F.avg_pool3d(halved, 3, stride=1, padding=1, count_include_pad=False)[:, 0]


def doubt(entropy: Tensor, tissue: Tensor) -> tuple[Tensor, Tensor]:
    """Entropy in nats (B, 1, D, H, W) at half resolution, and at every such voxel its mean over the ``tissue``.

    Both are scaled so that a good head and a bad one differ by about one: unscaled, a thousand steps did not find them.
    """
    here = F.avg_pool3d(entropy, 2)
    return _HERE * here, _EVERYWHERE * _spread(_weighted_mean(entropy, tissue)).expand_as(here)
