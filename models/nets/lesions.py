"""The U-Net of white-matter lesions, with its dropout as inputs (Williams et al. 2021; Gal and Ghahramani 2016).

Most of it works at half resolution, where a convolution costs an eighth; one level at full resolution on either side
keeps lesions of a voxel. Nothing in the graph is random: runtimes remove dropout nodes without a word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

#: Logit of lesion before anything is learnt: from an even start the first hundred steps teach nothing but that.
_RARE = -4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionConfig:
    """``channels`` of the three levels from half resolution on; ``fine``: at full resolution; ``inputs``: FLAIR, T1."""

    channels: tuple[int, int, int] = (32, 64, 128)
    fine: int = 16
    inputs: int = 2
    tissues: int = 4

    @property
    def multiple(self) -> int:
        """Every side of the input must be a multiple of this."""
        return int(2 ** len(self.channels))

    @property
    def masks(self) -> tuple[int, ...]:
        """Channels of each of the five dropout masks: three on the way down, two on the way up."""
        first, second, third = self.channels
        return first, second, third, second, first


class LesionOutputs(NamedTuple):
    """``lesion`` (B, 1, D, H, W) and ``tissue`` (B, 4, D, H, W), both logits."""

    lesion: Tensor
    tissue: Tensor


class LesionNet(nn.Module):
    """Images (B, inputs, D, H, W) and dropout masks, each (B, channels), 0 or 1 / (1 - p) -> logits."""

    def __init__(self, config: LesionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or LesionConfig()
        first, second, third = config.channels
        self.entrance = _convolution(config.inputs, config.fine)
        self.stem = nn.Conv3d(config.fine, first, 2, stride=2)
        self.down = nn.ModuleList((_level(first, first), _level(first, second, 2), _level(second, third, 2)))
        self.widen = nn.ModuleList((_doubled(third, second), _doubled(second, first), _doubled(first, config.fine)))
        self.up = nn.ModuleList((_level(2 * second, second), _level(2 * first, first)))
        self.exit = _convolution(2 * config.fine, config.fine)
        self.head = nn.Conv3d(config.fine, 1 + config.tissues, 1)
        nn.init.constant_(cast(Tensor, self.head.bias)[:1], _RARE)

    def forward(self, images: Tensor, masks: Sequence[Tensor]) -> LesionOutputs:
        """Both maps."""
        left = [mask[:, :, None, None, None] for mask in masks]
        full = self.entrance(images)
        x, skips = self.stem(full), []
        for level in self.down:
            x = level(x) * left.pop(0)
            skips.append(x)
        skips.pop()
        for widen, level in zip(self.widen[:2], self.up, strict=True):
            x = level(torch.cat([widen(x), skips.pop()], dim=1)) * left.pop(0)
        logits = self.head(self.exit(torch.cat([self.widen[2](x), full], dim=1)))
        return LesionOutputs(logits[:, :1], logits[:, 1:])


def whole_masks(config: LesionConfig, batch: int = 1) -> list[Tensor]:
    """Masks that drop nothing: the plain pass."""
    return [torch.ones(batch, channels) for channels in config.masks]


def drawn_masks(config: LesionConfig, share: float, batch: int = 1) -> list[Tensor]:
    """Masks that drop each channel with probability ``share``."""
    return [(torch.rand(batch, channels) >= share).float() / (1 - share) for channels in config.masks]


def _level(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, outputs, stride), _convolution(outputs, outputs))


def _doubled(inputs: int, outputs: int) -> nn.ConvTranspose3d:
    return nn.ConvTranspose3d(inputs, outputs, 2, stride=2)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.InstanceNorm3d(outputs, affine=True),
        nn.LeakyReLU(0.01),
    )
