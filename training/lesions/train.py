"""The lesion network on synthetic heads: soft Dice of lesions, cross-entropy of lesions, cross-entropy of tissues.

``loss = "two-class"`` is paper 001's own: soft Dice of lesion and background, nothing else.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nets.lesions import LesionNet, LesionOutputs, drawn_masks
from training.lesions.atlas import load_atlas
from training.lesions.examples import Example, Stream
from training.lesions.network import begin
from training.lesions.scans import corruptions_in
from training.running.loop import train
from training.running.run import Learner, RunPlan

_CROSS_ENTROPY, _TISSUE = 8.0, 0.3
Loss = Literal["dice-ce", "two-class"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionPlan(RunPlan):
    """``data``: the folder with labelmaps/, lesions/ and templates/; ``dropout``: share of the channels.

    ``start``: the judge of a brain bundle, whose trunk and tissues the network begins with, or the graph of a lesion
    bundle. ``spoilt``: share of the images in which something goes wrong; ``t1``: share that has a T1 beside it.
    ``loss``: see above.
    """

    data: Path
    start: Path | None = None
    steps: int = 4000
    peak_rate: float = 1.5e-3
    warm_up: int = 100
    dropout: float = 0.2
    spoilt: float = 0.15
    t1: float = 0.5
    loss: Loss = "dice-ce"


def train_lesions(plan: LesionPlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    torch.manual_seed(plan.seed)
    begun = LesionNet() if plan.start is None else begin(plan.start, lacking="lesion.")
    config = begun.config
    atlas = load_atlas(plan.data, plan.run / "atlas")
    stream = Stream(
        atlas=atlas,
        seed=plan.seed,
        corruption_model=corruptions_in(plan.spoilt),
        t1=plan.t1,
    )

    def descended(network: nn.Module, example: Example) -> tuple[Tensor, dict[str, Tensor]]:
        terms = objective(network(example.images, drawn_masks(config, plan.dropout)), example)
        return loss_of(terms, plan.loss), terms

    train(Learner(begun, plan), plan, stream.batches, descended)


def loss_of(terms: dict[str, Tensor], loss: Loss) -> Tensor:
    """What is descended on."""
    if loss == "two-class":
        return (terms["dice"] + terms["background"]) / 2
    return terms["dice"] + _CROSS_ENTROPY * terms["cross entropy"] + _TISSUE * terms["tissue"]


def objective(found: LesionOutputs, example: Example) -> dict[str, Tensor]:
    """The losses of one example, in float32."""
    logit, lesions = found.lesion.float(), example.lesions
    probability = logit.sigmoid()
    return {
        "dice": soft_dice_loss(probability, lesions),
        "cross entropy": F.binary_cross_entropy_with_logits(logit, lesions),
        "tissue": F.cross_entropy(found.tissue.float(), example.tissues),
        "background": soft_dice_loss(1 - probability, 1 - lesions),
    }


def soft_dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """1 - (2 sum(py) + 1) / (sum(p) + sum(y) + 1)."""
    return 1 - (2 * (probability * truth).sum() + 1) / (probability.sum() + truth.sum() + 1)
