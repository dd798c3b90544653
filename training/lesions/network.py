"""The lesion network as it is served: probabilities out, masks in; in torch, by the names of the graph."""

from pathlib import Path

import torch
from torch import Tensor, nn

from models.graphs import Array, Run
from models.lesions.prediction import IMAGES, MASKS, OUTPUTS
from models.nets.lesions import LesionConfig, LesionNet
from training.running.run import load_weights


class ServedNet(nn.Module):
    """The network with its probabilities inside the graph."""

    def __init__(self, network: LesionNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, *masks: Tensor) -> tuple[Tensor, Tensor]:
        """Probability of lesion (B, 1, D, H, W) and of each tissue (B, 4, D, H, W)."""
        found = self.network(images, masks)
        return found.lesion.float().sigmoid(), found.tissue.float().softmax(dim=1)


def load_network(checkpoint: Path, config: LesionConfig | None = None) -> ServedNet:
    """The averaged weights of a run."""
    network = LesionNet(config)
    load_weights(checkpoint, network)
    return ServedNet(network).eval()


def run_of(network: ServedNet, *, bf16: bool = False) -> Run:
    """The network as a callable on numpy arrays; ``bf16``: as the training computes."""

    @torch.no_grad()
    def run(inputs: dict[str, Array]) -> dict[str, Array]:
        tensors = [torch.from_numpy(inputs[name]) for name in (IMAGES, *MASKS)]
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs = network(*tensors)
        return {name: output.float().numpy() for name, output in zip(OUTPUTS, outputs, strict=True)}

    return run  # type: ignore[return-value]
