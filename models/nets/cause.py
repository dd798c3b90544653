"""The cause head: spectral features of the stored image -> one logit an artefact."""

import torch
from torch import Tensor, nn


class CauseHead(nn.Module):
    """Features (B, F) -> logits (B, artefacts); the scaling of the features is part of the head."""

    centre: Tensor
    spread: Tensor

    def __init__(self, features: int, artefacts: int, width: int = 96) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.layers = nn.Sequential(
            nn.Linear(features, width),
            nn.SiLU(),
            nn.Dropout(0.5),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Dropout(0.5),
            nn.Linear(width, artefacts),
        )

    def fit_scale(self, features: Tensor) -> None:
        """Take centre and spread of each feature from a sample (N, F)."""
        self.centre.copy_(features.median(dim=0).values)
        self.spread.copy_((features - self.centre).abs().mean(dim=0) + 1e-3)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of presence; features far outside the training range count as at its edge."""
        scaled = torch.clamp((features - self.centre) / self.spread, -6.0, 6.0)
        return self.layers(scaled)  # type: ignore[no-any-return]
