"""Stochastic segmentation networks (paper 003, Monteiro et al. 2020): logits that vary together.

The logits of a whole image are one normal distribution, mean + factor w + deviation e, with w of a few dimensions for
what moves together (a border that lies further out, a whole tissue more) and e for each voxel alone. The covariance
is factor factor' + diag(deviation^2) (equation 6).
"""

from typing import Literal

import torch
from torch import Tensor, nn

_CONVOLUTIONS: dict[int, type[nn.Conv2d | nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}


class StochasticHead(nn.Module):
    """Evidence (B, E, ...) -> factor (B, rank, classes, ...) and deviation (B, classes, ...), of 2 or 3 ``dimensions``.

    The factor carries a learnt scale for each rank: a product lets the covariance grow, where a plain layer stays
    small (`tests/unit/training/test_stochastic.py`). Both begin near zero: a run starts from the labels' mean as it is.
    """

    def __init__(
        self, evidence: int, classes: int, rank: int = 10, width: int = 32, dimensions: Literal[2, 3] = 3
    ) -> None:
        super().__init__()
        self.rank, self.classes = rank, classes
        convolution = _CONVOLUTIONS[dimensions]
        self.shared = nn.Sequential(convolution(evidence, width, 3, padding=1), nn.LeakyReLU(0.01))
        self.direction = convolution(width, rank * classes, 1)
        self.log_scale = nn.Parameter(torch.full((rank, 1, *(1,) * dimensions), -1.0))
        self.log_variance = convolution(width, classes, 1)
        nn.init.constant_(self.log_variance.bias, -2.0)  # type: ignore[arg-type]

    def forward(self, evidence: Tensor) -> tuple[Tensor, Tensor]:
        """Factor and deviation."""
        shared = self.shared(evidence)
        direction = self.direction(shared).unflatten(1, (self.rank, self.classes))
        log_variance = torch.clamp(self.log_variance(shared), -10.0, 6.0)
        return direction * self.log_scale.exp(), torch.exp(0.5 * log_variance)


def sample_logits(mean: Tensor, factor: Tensor, deviation: Tensor, noise: tuple[Tensor, Tensor]) -> Tensor:
    """Samples (M, C, S) of the logits: mean (C, S) + factor (R, C, S) w + deviation (C, S) e.

    ``noise``: standard normal w (M, R) and e (M, C, S).
    """
    together, alone = noise
    return mean + torch.einsum("mr,rcs->mcs", together, factor) + deviation * alone
