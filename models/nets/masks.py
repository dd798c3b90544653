"""The autoencoder of heart masks (Galati and Zuluaga 2021): what it cannot say again is unlike every mask it saw."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskConfig:
    """``channels`` of the levels on the way down, each at half the resolution of the last; ``latent`` at the end."""

    classes: int = 4
    channels: tuple[int, ...] = (32, 64, 96, 96)
    latent: int = 12
    dropout: float = 0.1


class MaskNet(nn.Module):
    """Shares of each class (B, classes, 64, 64) -> logits of the same, through ``latent`` x 4 x 4 numbers."""

    def __init__(self, config: MaskConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MaskConfig()
        widths = (config.classes, *config.channels)
        down = [layer for pair in pairwise(widths) for layer in _halved(*pair, config.dropout)]
        up = [layer for pair in pairwise(config.channels[::-1]) for layer in _doubled(*pair, config.dropout)]
        self.encoder = nn.Sequential(*down, nn.Conv2d(config.channels[-1], config.latent, 1))
        self.decoder = nn.Sequential(
            nn.Conv2d(config.latent, config.channels[-1], 1),
            nn.LeakyReLU(0.2),
            *up,
            nn.ConvTranspose2d(config.channels[0], config.classes, 4, stride=2, padding=1),
        )

    def forward(self, shares: Tensor) -> Tensor:
        """Logits."""
        return self.decoder(self.encoder(shares))  # type: ignore[no-any-return]


def _halved(inputs: int, outputs: int, dropout: float) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), *_after(outputs, dropout)


def _doubled(inputs: int, outputs: int, dropout: float) -> tuple[nn.Module, ...]:
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), *_after(outputs, dropout)


def _after(channels: int, dropout: float) -> tuple[nn.Module, ...]:
    return nn.BatchNorm2d(channels), nn.LeakyReLU(0.2), nn.Dropout2d(dropout)
