"""The network that draws a FLAIR anew without its lesions (Rec U-Net of Williams et al. 2021)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nets.unet import Trunk, TrunkConfig


class ReconstructionNet(nn.Module):
    """FLAIR (B, 1, D, H, W), white matter 1, and a hole (B, 1, D, H, W), 1 where nothing is shown -> FLAIR, same shape.

    Every side must be a multiple of 16. No intensity is below zero.
    """

    def __init__(self, trunk: TrunkConfig | None = None) -> None:
        super().__init__()
        config = trunk or TrunkConfig(channels=(16, 32, 64, 96), fine=8, inputs=2)
        self.trunk = Trunk(config)
        self.image = nn.Conv3d(config.fine, 1, 1)

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """The image as it would be without what lies in the hole, and without lesions elsewhere."""
        features = self.trunk(torch.cat([image * (1 - hole), hole], dim=1))
        return F.softplus(self.image(features.full))
