"""The task network: tissue segmentation on clean synthetic heads (step 1 of paper 000)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.nets.brain import BrainConfig, BrainNet
from training.brain.boxes import BoxPlan, train_on_boxes
from training.brain.losses import cross_entropy, error_maps, poisson_regression, soft_dice_loss
from training.running.run import Learner
from training.synthesis.examples import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan(BoxPlan):
    """``variance_weight``: weight of the variances' loss beside that of the labels."""

    steps: int = 20_000
    peak_rate: float = 5e-4
    variance_weight: float = 0.1


def train_task(plan: TaskPlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    torch.manual_seed(plan.seed)  # the first weights are drawn before the learner seeds everything
    learner = Learner(BrainNet(BrainConfig()), plan)

    def objective(network: nn.Module, example: Example) -> tuple[Tensor, dict[str, Tensor]]:
        found = network(example.clean)
        dice, errors = segmentation_losses(found.logits, example.shares)
        variance = poisson_regression(found.log_variances[:, 0].float(), error_maps(errors))
        terms = {"dice_loss": dice, "cross_entropy": errors.mean(), "variance_loss": variance}
        return dice + errors.mean() + plan.variance_weight * variance, terms

    train_on_boxes(learner, plan, None, objective)


def segmentation_losses(logits: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Soft Dice loss, a number, and the cross-entropy at every voxel (B, D, H, W)."""
    log_probabilities = logits.float().log_softmax(dim=1)
    return soft_dice_loss(log_probabilities, shares), cross_entropy(log_probabilities, shares)
