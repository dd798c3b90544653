"""The multi-task network from labelled stacks: labels, distance maps, and the agreement of both (Hasan and Linte 2022).

Loss: cross-entropy + soft Dice + squared error of the distances + the cross-task consistency of section 2.3, a ramped
weight on the squared gap between a structure's probability and the mask that its distance map implies.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nets.cine import CineConfig, CineNet, CineOutputs, drawn_masks
from training.cine.examples import CLASSES, Batch, Slices, batches
from training.cine.stacks import FoldPlan
from training.running.loop import train
from training.running.run import Learner

#: Steepness of the mask that a distance map implies: 2 logits a pixel.
STEEPNESS = 32.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CinePlan(FoldPlan):
    """``fold`` of so many ``folds`` is left out, none where it is their number.

    ``dropout``: share of the channels; ``consistency``: weight of the cross-task gap once it is ramped up.
    """

    steps: int = 3000
    peak_rate: float = 2e-3
    warm_up: int = 100
    tail: float = 0.5
    batch: int = 12
    dropout: float = 0.1
    consistency: float = 0.3


def train_cine(plan: CinePlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    torch.manual_seed(plan.seed)
    config = CineConfig(classes=CLASSES)
    network = CineNet(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    slices = Slices.of(plan.data, plan.patients)

    def descended(network: nn.Module, item: tuple[int, Batch]) -> tuple[Tensor, dict[str, Tensor]]:
        step, batch = item
        masks = drawn_masks(config, plan.batch, plan.dropout)
        terms = objective(network(batch.image.to(memory_format=torch.channels_last), masks), batch)
        ramp = plan.consistency * ramped(step, plan.steps)
        return terms["cross entropy"] + terms["dice"] + terms["distance"] + ramp * terms["gap"], terms

    def items(first: int) -> Iterator[tuple[int, Batch]]:
        return enumerate(batches(slices, plan.batch, plan.seed, first), start=first)

    train(Learner(network, plan), plan, items, descended)


def ramped(step: int, steps: int) -> float:
    """From 0.007 to 1 over the first half of the steps."""
    return math.exp(-5 * (1 - min(1.0, 2 * step / steps)) ** 2)


def objective(found: CineOutputs, batch: Batch) -> dict[str, Tensor]:
    """The four losses of a batch, in float32."""
    logits, distances = found.logits.float(), found.distances.float()
    probabilities = logits.softmax(dim=1)
    truth = F.one_hot(batch.labels, CLASSES).movedim(-1, 1).float()
    inside = probabilities[:, 1:]
    both = (inside * truth[:, 1:]).sum(dim=(0, 2, 3))
    total = inside.sum(dim=(0, 2, 3)) + truth[:, 1:].sum(dim=(0, 2, 3))
    return {
        "cross entropy": F.cross_entropy(logits, batch.labels),
        "dice": 1 - (2 * both / (total + 1)).mean(),
        "distance": F.mse_loss(distances, batch.distances),
        "gap": gap_of(found),
    }


def gap_of(found: CineOutputs) -> Tensor:
    """Mean squared difference between each structure's probability and the mask that its distance map implies."""
    inside = found.logits.float().softmax(dim=1)[:, 1:]
    return (torch.sigmoid(-STEEPNESS * found.distances.float()) - inside).square().mean()
