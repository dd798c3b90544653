"""The lesion network as it is served: probabilities out, masks in; in torch, by the names of the graph."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.graphs import Array, Run
from models.lesions.prediction import IMAGES, MASKS, OUTPUTS
from models.nets.lesions import LesionConfig, LesionNet
from training.running.run import read_weights

#: Axes of the weights of a convolution.
_CONVOLUTION = 5


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
    """The averaged weights of a run, or those of a lesion bundle's graph."""
    return ServedNet(begin(checkpoint, config)).eval()


def begin(path: Path, config: LesionConfig | None = None, *, lacking: str | None = None) -> LesionNet:
    """A network with the weights of a run, of a lesion bundle's graph or of a brain bundle's judge.

    Where these saw one contrast it is blind to the others: their weights are zero. ``lacking``: prefix of what stays as
    it begins where the file has nothing of it.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: it holds the weights of no such network.
    """
    network = LesionNet(config)
    own = network.state_dict()
    found = read_weights(path, tuple(own))
    kept = {} if lacking is None else {name: own[name] for name in own if name.startswith(lacking)}
    network.load_state_dict({**kept, **{name: widened(w, own.get(name, w)) for name, w in found.items()}})
    return network


def widened(weights: Tensor, like: Tensor) -> Tensor:
    """Weights with zeros for the inputs that they lack to those of another tensor."""
    lacking = like.shape[1] - weights.shape[1] if weights.ndim == like.ndim == _CONVOLUTION else 0
    return F.pad(weights, (0, 0, 0, 0, 0, 0, 0, lacking)) if lacking > 0 else weights


def run_of(network: ServedNet, *, bf16: bool = False) -> Run:
    """The network as a callable on numpy arrays; ``bf16``: as the training computes."""

    @torch.no_grad()
    def run(inputs: dict[str, Array]) -> dict[str, Array]:
        tensors = [torch.from_numpy(inputs[name]) for name in (IMAGES, *MASKS)]
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs = network(*tensors)
        return {name: output.float().numpy() for name, output in zip(OUTPUTS, outputs, strict=True)}

    return run  # type: ignore[return-value]
