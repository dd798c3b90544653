"""One network for all variances, regressed on their closed-form optimum: the rival of paper 000's cascade.

The heteroscedastic loss CE / v + log(v) / 2 is minimal at v = 2 CE. Where the same head is simulated clean and with
one artefact, that artefact's variance has a direct target, 2 (CE corrupted - CE clean); the task's is 2 CE clean. It
is regressed with a Poisson likelihood, whose optimum is the mean of a sparse map (an L1 loss would find its median,
zero). No teachers, and no separation problem in the targets; the cause has a head of its own.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from models.nets.brain import BrainConfig, BrainNet, BrainOutput
from training.brain.boxes import BoxPlan, train_on_boxes
from training.brain.losses import cross_entropy, error_maps, poisson_regression, variance_targets
from training.brain.task import segmentation_losses
from training.running.run import Learner, load_weights
from training.synthesis.examples import Example
from training.synthesis.heads import CorruptionModel


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentPlan(BoxPlan):
    """``start``: checkpoint of the task network, or an exported judge."""

    start: Path
    steps: int = 10_000
    peak_rate: float = 3e-4
    variance_weight: float = 1.0
    corruption_model: CorruptionModel = field(default_factory=lambda: CorruptionModel(probability=0.6))
    seed: int = 4


def train_student(plan: StudentPlan) -> None:
    """Train from the task network, or resume where ``plan.run/checkpoint.pt`` left off."""
    network = BrainNet(BrainConfig())
    load_weights(plan.start, network)
    learner = Learner(network, plan)

    def objective(network: nn.Module, example: Example) -> tuple[Tensor, dict[str, Tensor]]:
        found = network(example.image)
        dice, errors = segmentation_losses(found.logits, example.shares)
        variance = poisson_regression(found.log_variances.float(), targets_of(network, found, example))
        terms = {"dice_loss": dice, "cross_entropy": errors.mean(), "variance_loss": variance}
        return dice + errors.mean() + plan.variance_weight * variance, terms

    train_on_boxes(learner, plan, plan.corruption_model, objective)


@torch.no_grad()
def targets_of(network: nn.Module, found: BrainOutput, example: Example) -> Tensor:
    """What the variances (B, 6, D/2, H/2, W/2) of ``found`` should be: twice what the labels lose, and to what."""
    usual = network(example.clean).logits if example.corrupted else found.logits
    corrupted, clean = (
        error_maps(cross_entropy(logits.float().log_softmax(dim=1), example.shares)) for logits in (found.logits, usual)
    )
    return variance_targets(corrupted, clean, example.severity)
