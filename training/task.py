"""The task network: tissue segmentation on clean synthetic heads (step 1 of paper 000)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.nets.brain import BrainConfig, BrainNet
from training.loop import BoxPlan, Example, train
from training.losses import error_maps, poisson_regression, soft_dice_loss
from training.run import Learner


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

    def objective(example: Example) -> tuple[Tensor, dict[str, Tensor]]:
        found = learner.network(example.clean)
        dice, cross_entropy = segmentation_losses(found.logits, example.labels)
        variance = poisson_regression(found.log_variances[:, 0].float(), error_maps(cross_entropy))
        terms = {"dice_loss": dice, "cross_entropy": cross_entropy.mean(), "variance_loss": variance}
        return dice + cross_entropy.mean() + plan.variance_weight * variance, terms

    train(learner, plan, None, objective)


def segmentation_losses(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Soft Dice loss, a number, and the cross-entropy at every voxel (B, D, H, W)."""
    log_probabilities = logits.float().log_softmax(dim=1)
    return soft_dice_loss(log_probabilities, labels), F.nll_loss(log_probabilities, labels, reduction="none")
