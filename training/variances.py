"""The variances of a finished segmentation network, alone: the labels stay as they are, bit for bit.

The targets are those of the student (training/student.py). What the labels do under an artefact is known by then, so a
head of two small layers learns in minutes, at its own rate, what beside the labels' loss it did not learn in hours.
"""

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from models.nets.brain import BrainConfig, BrainNet
from training.heads import Mishaps
from training.loop import BoxPlan, Example, train
from training.losses import poisson_regression
from training.run import Learner, load_weights
from training.student import targets_of


@dataclass(frozen=True, slots=True, kw_only=True)
class VariancesPlan(BoxPlan):
    """``start``: checkpoint of the student, or an exported judge."""

    start: Path
    steps: int = 1000
    peak_rate: float = 3e-3
    warm_up: int = 50
    mishaps: Mishaps = field(default_factory=lambda: Mishaps(probability=0.85))
    seed: int = 8


def train_variances(plan: VariancesPlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    network = BrainNet(BrainConfig())
    load_weights(plan.start, network)
    network.requires_grad_(requires_grad=False)
    network.variances.requires_grad_(requires_grad=True)
    learner = Learner(network, plan)

    def objective(example: Example) -> tuple[Tensor, dict[str, Tensor]]:
        found = learner.network(example.image)
        log_variances, targets = found.log_variances.float(), targets_of(learner, found, example)
        loss = poisson_regression(log_variances, targets)
        error = (log_variances.detach().exp() - targets).mean(dim=(0, 2, 3, 4)).abs()
        return loss, {"task_variance": error[0], "added_variance": error[1:].sum(), "loss": loss}

    train(learner, plan, plan.mishaps, objective)
