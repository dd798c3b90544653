"""The network that draws a FLAIR without its lesions: similarity of structure and absolute error (paper 001, 2.2).

The paper trains on the FLAIR itself and leaves lesions out of it. A synthetic head has a twin without lesions: what is
wanted in a hole is known here.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nets.reconstruction import ReconstructionNet
from training.lesions.atlas import load_atlas
from training.lesions.examples import Stream
from training.lesions.reconstruction.examples import Pair, pairs
from training.lesions.scans import corruptions_in
from training.running.loop import train
from training.running.run import Learner, RunPlan, read_weights

#: How much more a voxel in a hole, or where the images differ, counts than any other.
_HOLE = 20.0
#: Constants of Wang et al. 2004 for intensities that reach to 2, white matter being 1; deviation of its window.
_C1, _C2, _DEVIATION, _REACH = (0.01 * 2) ** 2, (0.03 * 2) ** 2, 1.5, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructionPlan(RunPlan):
    """``data``: the folder with labelmaps/, lesions/ and templates/; ``spoilt``: share of images with an artefact."""

    data: Path
    steps: int = 1500
    peak_rate: float = 2e-3
    warm_up: int = 50
    tail: float = 0.5
    spoilt: float = 0.15


def train_reconstruction(plan: ReconstructionPlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    torch.manual_seed(plan.seed)
    stream = Stream(
        atlas=load_atlas(plan.data, plan.run / "atlas"),
        seed=plan.seed,
        corruption_model=corruptions_in(plan.spoilt),
    )

    def descended(network: nn.Module, pair: Pair) -> tuple[Tensor, dict[str, Tensor]]:
        terms = objective(network(pair.image, pair.hole), pair)
        return terms["absolute"] + terms["dissimilarity"], terms

    train(Learner(ReconstructionNet(), plan), plan, lambda first: pairs(stream, first), descended)


def load_reconstruction(checkpoint: Path) -> ReconstructionNet:
    """The averaged weights of a run.

    Raises:
        FileNotFoundError: there is no checkpoint.
    """
    network = ReconstructionNet()
    network.load_state_dict(read_weights(checkpoint, tuple(network.state_dict())))
    return network.eval()


def objective(found: Tensor, pair: Pair) -> dict[str, Tensor]:
    """The losses of one pair, in float32: what was drawn against the twin without lesions."""
    drawn = found.float()
    weight = 1 + _HOLE * torch.maximum(pair.hole, ((pair.image - pair.twin).abs() > 0.1).float())
    return {
        "absolute": (weight * (drawn - pair.twin).abs()).sum() / weight.sum(),
        "dissimilarity": 1 - similarity(drawn, pair.twin).mean(),
    }


def similarity(first: Tensor, second: Tensor) -> Tensor:
    """SSIM (Wang et al. 2004) at each voxel of two images (1, 1, D, H, W), in a Gaussian window of axial slices."""
    means = _windowed(torch.cat([first, second, first * first, second * second, first * second]))
    a, b, aa, bb, ab = (means[n : n + 1] for n in range(5))
    luminance = (2 * a * b + _C1) / (a * a + b * b + _C1)
    structure = (2 * (ab - a * b) + _C2) / ((aa - a * a) + (bb - b * b) + _C2)
    similar: Tensor = luminance * structure
    return similar


def _windowed(images: Tensor) -> Tensor:
    """Gaussian means of images (N, 1, D, H, W) along D and H, the border's voxels repeated beyond it."""
    offsets = torch.arange(-_REACH, _REACH + 1, dtype=images.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * _DEVIATION**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(images, (0, 0, _REACH, _REACH, _REACH, _REACH), mode="replicate")
    along = F.conv3d(padded, kernel.view(1, 1, -1, 1, 1))
    return F.conv3d(along, kernel.view(1, 1, 1, -1, 1))
