"""An adversary that tells distance maps of patients with labels from those of patients without.

A small convolutional network over the image and its maps (Li, Zhang and He 2020, section 2.3). Segmenter and adversary
descend one loss: between them the gradient changes its sign (Ganin and Lempitsky 2015).
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.2


class Adversary(nn.Module):
    """Images (B, images, H, W) and distance maps (B, structures, H, W) -> logit that it has labels, (B,)."""

    def __init__(self, structures: int, images: int, channels: tuple[int, ...] = (16, 32, 64, 96)) -> None:
        super().__init__()
        self.image = nn.Conv2d(images, channels[0], 4, stride=2, padding=1)
        self.distances = nn.Conv2d(structures, channels[0], 4, stride=2, padding=1)
        self.deeper = nn.ModuleList(nn.Conv2d(i, o, 4, stride=2, padding=1) for i, o in pairwise(channels))
        self.verdict = nn.Linear(channels[-1], 1)

    def forward(self, image: Tensor, distances: Tensor) -> Tensor:
        """The logit of each slice."""
        x = F.leaky_relu(self.image(image) + self.distances(distances), _SLOPE)
        for convolution in self.deeper:
            x = F.leaky_relu(convolution(x), _SLOPE)
        logits: Tensor = self.verdict(x.mean(dim=(2, 3)))[:, 0]
        return logits


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor, weight: float) -> Tensor:  # noqa: ANN401 - torch's own
        context.weight = weight
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 - torch's own
        return -context.weight * gradients[0], None


def reversed_gradient(values: Tensor, weight: float) -> Tensor:
    """The same values; what is descended behind them is ascended before them, ``weight`` times."""
    reversed_values: Tensor = _Reversed.apply(values, weight)  # type: ignore[no-untyped-call]
    return reversed_values
