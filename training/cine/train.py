"""The multi-task network from labelled stacks: labels, distance maps, and the agreement of both (Hasan and Linte 2022).

Loss: cross-entropy + soft Dice + squared error of the distances + the cross-task consistency of section 2.3, a ramped
weight on the squared gap between a structure's probability and the mask that its distance map implies.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from models.nets.cine import CineConfig, CineNet, CineOutputs, drawn_masks
from training.cine.examples import CLASSES, Batch, Slices, batches
from training.cine.stacks import folds
from training.running.run import Journal, Learner, Losses, RunPlan, learning_rate

_REPORT_EVERY = 50
#: Steepness of the mask that a distance map implies: 2 logits a pixel.
STEEPNESS = 32.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CinePlan(RunPlan):
    """``data``: folder of the stacks; ``fold`` of five is left out, none where it is 5.

    ``dropout``: share of the channels; ``consistency``: weight of the cross-task gap once it is ramped up.
    """

    data: Path
    steps: int = 3000
    peak_rate: float = 2e-3
    warm_up: int = 100
    batch: int = 12
    fold: int = 0
    dropout: float = 0.1
    consistency: float = 0.3


def train_cine(plan: CinePlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    torch.manual_seed(plan.seed)
    config = CineConfig(classes=CLASSES)
    network = CineNet(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    learner = Learner(network, plan)
    checkpoint, journal, losses = plan.run / "checkpoint.pt", Journal(plan.run), Losses()
    learner.restore(checkpoint)
    for batch in batches(slices_of(plan), plan.batch, plan.seed, learner.step):
        if learner.step >= plan.steps:
            break
        masks = drawn_masks(config, plan.batch, plan.dropout)
        found = learner.network(batch.image.to(memory_format=torch.channels_last), masks)
        terms = objective(found, batch)
        ramp = plan.consistency * math.exp(-5 * (1 - min(1.0, 2 * learner.step / plan.steps)) ** 2)
        loss = terms["cross entropy"] + terms["dice"] + terms["distance"] + ramp * terms["gap"]
        learner.descend(loss, learning_rate(learner.step, plan.steps, plan.peak_rate, plan.warm_up, tail=0.5))
        losses.add(terms)
        if learner.step % _REPORT_EVERY == 0:
            journal.write(step=learner.step, **losses.means())
        if learner.step % plan.save_every == 0 or learner.step == plan.steps:
            learner.save(checkpoint)


def slices_of(plan: CinePlan) -> Slices:
    """The slices of the patients that a run does not leave out."""
    parts = folds(plan.data)
    return Slices.of(plan.data, tuple(p for n, part in enumerate(parts) if n != plan.fold for p in part))


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
        "gap": (torch.sigmoid(-STEEPNESS * distances) - inside).square().mean(),
    }
