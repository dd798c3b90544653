"""The U-Net of white-matter lesions, with its dropout as inputs (Williams et al. 2021; Gal and Ghahramani 2016).

It is the brain network's trunk, so that it begins with what that knows of heads. Nothing in the graph is random:
runtimes remove dropout nodes without a word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from models.nets.unet import Features, Trunk, TrunkConfig

#: Logit of lesion before anything is learnt: from an even start the first hundred steps teach nothing but that.
_RARE = -4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionConfig:
    """``tissues``: classes with background; the trunk sees FLAIR and T1."""

    trunk: TrunkConfig = field(default_factory=partial(TrunkConfig, inputs=2))
    tissues: int = 4

    @property
    def masks(self) -> tuple[int, ...]:
        """Channels of each dropout mask: of the levels on the way down, then on the way up."""
        channels = self.trunk.channels
        return (*channels, *channels[-2::-1])


class LesionOutputs(NamedTuple):
    """``lesion`` (B, 1, D, H, W) and ``tissue`` (B, 4, D, H, W), both logits."""

    lesion: Tensor
    tissue: Tensor


class LesionNet(nn.Module):
    """FLAIR, and T1 or zeros (B, 2, D, H, W) and dropout masks, each (B, channels), 0 or 1 / (1 - p) -> logits.

    ``trunk`` and ``logits`` are named as the brain network's: it may begin with their weights.
    """

    def __init__(self, config: LesionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or LesionConfig()
        self.trunk = Trunk(config.trunk)
        self.logits = nn.Conv3d(config.trunk.fine, config.tissues, 1)
        self.lesion = nn.Conv3d(config.trunk.fine, 1, 1)
        nn.init.constant_(cast(Tensor, self.lesion.bias), _RARE)

    def forward(self, images: Tensor, masks: Sequence[Tensor]) -> LesionOutputs:
        """Both maps."""
        full = masked_features(self.trunk, images, masks).full
        return LesionOutputs(self.lesion(full), self.logits(full))


def masked_features(trunk: Trunk, image: Tensor, masks: Sequence[Tensor]) -> Features:
    """The trunk's features with some channels of each level dropped."""
    left = [mask[:, :, None, None, None] for mask in masks]
    x, skips = trunk.stem(image), []
    for level in trunk.down:
        x = level(x) * left.pop(0)
        skips.append(x)
    deep = skips.pop()
    for widen, level in zip(trunk.widen, trunk.up, strict=True):
        x = level(torch.cat([widen(x), skips.pop()], dim=1)) * left.pop(0)
    return Features(deep, half=x, full=trunk.border(torch.cat([trunk.sharpen(x), image], dim=1)))


def whole_masks(config: LesionConfig, batch: int = 1) -> list[Tensor]:
    """Masks that drop nothing: the plain pass."""
    return [torch.ones(batch, channels) for channels in config.masks]


def drawn_masks(config: LesionConfig, share: float, batch: int = 1) -> list[Tensor]:
    """Masks that drop each channel with probability ``share``."""
    return [(torch.rand(batch, channels) >= share).float() / (1 - share) for channels in config.masks]
