"""A small U-Net on 8 mm voxels that finds the brain, so that the fine network always sees the same field."""

from torch import Tensor, nn

from models.nets.unet import Trunk, TrunkConfig

LOCATOR_TRUNK = TrunkConfig(channels=(24, 48, 64), fine=8)


class Locator(nn.Module):
    """Image (B, 1, D, H, W), 8 mm voxels, sides a multiple of 8 -> logit of brain (B, 1, D, H, W)."""

    def __init__(self, trunk: TrunkConfig = LOCATOR_TRUNK) -> None:
        super().__init__()
        self.trunk = Trunk(trunk)
        self.brain = nn.Conv3d(trunk.fine, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logit of brain."""
        return self.brain(self.trunk(image).full)  # type: ignore[no-any-return]
