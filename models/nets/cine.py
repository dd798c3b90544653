"""The multi-task network of short-axis hearts: labels and distance maps from one trunk (Hasan and Linte 2022).

A 2-D U-Net that works at half resolution, with the two neighbouring slices as further channels: where the heart's base
ends is seen beside the slice, not in it. Dropout comes as masks from outside (Gal and Ghahramani 2016): nothing in the
graph is random.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.nets.stochastic import StochasticHead

#: Dimensions in which the logits of a slice vary together.
RANK = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CineConfig:
    """``channels`` of each level, the first at half resolution; ``classes`` with the background first."""

    channels: tuple[int, ...] = (32, 64, 96, 128)
    fine: int = 16
    inputs: int = 3
    classes: int = 4

    @property
    def masks(self) -> tuple[int, ...]:
        """Channels of each dropout mask: of the levels on the way down, then on the way up."""
        return (*self.channels, *self.channels[-2::-1])


class CineOutputs(NamedTuple):
    """``logits`` (B, classes, H, W) and ``distances`` (B, classes - 1, H, W), negative inside, in (-1, 1).

    ``evidence`` (B, fine, H, W): what both are made from.
    """

    logits: Tensor
    distances: Tensor
    evidence: Tensor


class CineNet(nn.Module):
    """Slices (B, inputs, H, W) and dropout masks, each (B, channels), 0 or 1 / (1 - p) -> the two tasks' maps."""

    def __init__(self, config: CineConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CineConfig()
        channels = config.channels
        self.stem = nn.Conv2d(config.inputs, channels[0], 4, stride=2, padding=1)
        widths = zip((channels[0], *channels[:-1]), channels, strict=True)
        self.down = nn.ModuleList(_level(i, o, stride=1 if n == 0 else 2) for n, (i, o) in enumerate(widths))
        pairs = list(pairwise(channels))[::-1]
        self.widen = nn.ModuleList(nn.ConvTranspose2d(deep, shallow, 2, stride=2) for shallow, deep in pairs)
        self.up = nn.ModuleList(_level(2 * shallow, shallow) for shallow, _ in pairs)
        self.sharpen = nn.ConvTranspose2d(channels[0], config.fine, 2, stride=2)
        self.border = nn.Sequential(
            nn.Conv2d(config.fine + config.inputs, config.fine, 1), nn.BatchNorm2d(config.fine), nn.LeakyReLU(0.01)
        )
        self.label = nn.Conv2d(config.fine, config.classes, 1)
        self.distance = nn.Conv2d(config.fine, config.classes - 1, 1)

    def forward(self, image: Tensor, masks: Sequence[Tensor]) -> CineOutputs:
        """Both maps of each slice."""
        left = [mask[:, :, None, None] for mask in masks]
        x, skips = self.stem(image), []
        for level in self.down:
            x = level(x) * left.pop(0)
            skips.append(x)
        skips.pop()
        for widen, level in zip(self.widen, self.up, strict=True):
            x = level(torch.cat([widen(x), skips.pop()], dim=1)) * left.pop(0)
        full = self.border(torch.cat([self.sharpen(x), image], dim=1))
        return CineOutputs(self.label(full), torch.tanh(self.distance(full)), full)


class CineJudge(nn.Module):
    """The trained network with its factors: what a bundle's graphs are made from."""

    def __init__(self, config: CineConfig | None = None) -> None:
        super().__init__()
        self.cine = CineNet(config)
        config = self.cine.config
        self.factor = StochasticHead(config.fine, config.classes, rank=RANK, dimensions=2)

    def forward(self, image: Tensor, keep: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, distances and factor; ``keep`` (B, all channels): the dropout masks side by side, ones for none."""
        found = self.cine(image, torch.split(keep, list(self.cine.config.masks), dim=1))
        return found.logits, found.distances, self.factor(found.evidence)[0]


def whole_masks(config: CineConfig, batch: int) -> list[Tensor]:
    """Masks that drop nothing: the plain pass."""
    return [torch.ones(batch, channels) for channels in config.masks]


def drawn_masks(config: CineConfig, batch: int, share: float) -> list[Tensor]:
    """Masks that drop each channel with probability ``share``."""
    return [(torch.rand(batch, channels) >= share).float() / (1 - share) for channels in config.masks]


def _level(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, outputs, stride), *_convolution(outputs, outputs, 1))


def _convolution(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.01),
    )
