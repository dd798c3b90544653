"""The variances of a finished segmentation network, alone: the labels stay as they are, bit for bit.

The targets are those of the student (training/student.py). What the labels do under an artefact is known by then, so a
head of two small layers learns in minutes, at its own rate, what beside the labels' loss it did not learn in hours.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from models.nets.brain import BrainConfig, BrainNet
from training.heads import Box, Mishaps, SyntheticHeads
from training.losses import error_maps, poisson_regression, variance_targets
from training.run import Journal, Learner, Losses, Precision, learning_rate, load_weights
from training.task import random_box


@dataclass(frozen=True, slots=True, kw_only=True)
class VariancesPlan:
    """Everything that decides a run. ``start``: checkpoint of the student, or an exported judge."""

    run: Path
    start: Path
    bank: Path
    label_maps: Path
    steps: int = 1000
    peak_rate: float = 3e-3
    mishaps: Mishaps = field(default_factory=lambda: Mishaps(probability=0.85))
    workers: int = 1
    seed: int = 8
    save_every: int = 250
    precision: Precision = "32-true"


def train_variances(plan: VariancesPlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    network = BrainNet(BrainConfig())
    load_weights(plan.start, network)
    network.requires_grad_(requires_grad=False)
    network.variances.requires_grad_(requires_grad=True)
    learner = Learner(network, plan.peak_rate, plan.precision, plan.seed)
    checkpoint, journal = plan.run / "checkpoint.pt", Journal(plan.run)
    learner.restore(checkpoint)
    heads = SyntheticHeads(plan.bank, plan.label_maps, plan.seed, first=learner.step, mishaps=plan.mishaps)
    losses = Losses("task_variance", "added_variance", "loss")
    for head in DataLoader(heads, batch_size=None, num_workers=plan.workers, prefetch_factor=4):
        if learner.step >= plan.steps:
            break
        box = random_box(head, learner.step)
        if box is None:
            continue
        log_variances, targets = _variances(learner, box)
        loss = poisson_regression(log_variances, targets)
        learner.descend(loss, learning_rate(learner.step, plan.steps, plan.peak_rate, warm_up=50))

        error = (log_variances.detach().exp() - targets).mean(dim=(0, 2, 3, 4)).abs()
        losses.add(error[0], error[1:].sum(), loss)
        if learner.step % 50 == 0:
            journal.write(step=learner.step, **losses.means())
        if learner.step % plan.save_every == 0 or learner.step == plan.steps:
            learner.save(checkpoint)


def _variances(learner: Learner, box: Box) -> tuple[Tensor, Tensor]:
    """Log-variances of the corrupted box (1, 6, ...) and what their exponentials should be."""
    clean, image = (learner.fabric.to_device(torch.from_numpy(a)[None, None]) for a in (box.clean, box.corrupted))
    labels = learner.fabric.to_device(torch.from_numpy(box.labels.astype(np.int64))[None])
    severity = learner.fabric.to_device(torch.from_numpy(box.severity)[None])
    logits, log_variances = learner.network(image)
    corrupted = error_maps(F.cross_entropy(logits.float(), labels, reduction="none"))
    with torch.no_grad():
        usual = learner.network(clean)[0] if box.severity.any() else logits
    return log_variances.float(), variance_targets(
        corrupted, error_maps(F.cross_entropy(usual.float(), labels, reduction="none")), severity
    )
