"""What a synthetic head draws at random: scalars on the host, fields of noise where the head is made."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Generators:
    """``host`` draws parameters and coarse lattices; ``device`` is where noise of an image's size is drawn and used.

    The same seed gives the same head on the same kind of device.
    """

    host: np.random.Generator
    device: torch.device

    def noise(self, shape: Shape) -> Tensor:
        """Standard normal noise, float32 ``shape``."""
        return seeded_noise(shape, int(self.host.integers(2**31)), self.device, torch.float32)


def seeded_noise(shape: tuple[int, ...], seed: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Standard normal noise; of a complex ``dtype`` its variance is one over both components together."""
    generator = torch.Generator(device=device).manual_seed(seed)
    return torch.randn(shape, generator=generator, device=device, dtype=dtype)


def generators_of(*seed: int, device: torch.device | str = "cpu") -> Generators:
    """The stream of draws that these numbers name."""
    return Generators(np.random.default_rng(seed), torch.device(device))
