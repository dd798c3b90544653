"""One network for all variances, regressed on their closed-form optimum: the rival of paper 000's cascade.

The heteroscedastic loss CE / v + log(v) / 2 is minimal at v = 2 CE. Where the same head is simulated clean and with
one artefact, that artefact's variance has a direct target, 2 (CE corrupted - CE clean); the task's is 2 CE clean. It
is regressed with a Poisson likelihood, whose optimum is the mean of a sparse map (an L1 loss would find its median,
zero). No teachers, and no separation problem in the targets; the cause has a head of its own.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from models.nets.brain import BrainConfig, BrainNet
from training.heads import Mishaps, SyntheticHeads
from training.losses import error_maps, poisson_regression, soft_dice_loss, variance_targets
from training.run import Journal, Learner, Losses, Precision, learning_rate, load_weights
from training.task import random_box


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentPlan:
    """Everything that decides a run. ``start``: checkpoint of the task network."""

    run: Path
    start: Path
    bank: Path
    label_maps: Path
    steps: int = 10_000
    peak_rate: float = 3e-4
    variance_weight: float = 1.0
    mishaps: Mishaps = field(default_factory=lambda: Mishaps(probability=0.6))
    workers: int = 1
    seed: int = 4
    save_every: int = 250
    precision: Precision = "32-true"


def train_student(plan: StudentPlan) -> None:
    """Train from the task network, or resume where ``plan.run/checkpoint.pt`` left off."""
    network = BrainNet(BrainConfig())
    load_weights(plan.start, network)
    learner = Learner(network, plan.peak_rate, plan.precision, plan.seed)
    checkpoint, journal = plan.run / "checkpoint.pt", Journal(plan.run)
    learner.restore(checkpoint)
    heads = SyntheticHeads(plan.bank, plan.label_maps, plan.seed, first=learner.step, mishaps=plan.mishaps)
    losses = Losses("dice_loss", "cross_entropy", "variance_loss")
    for head in DataLoader(heads, batch_size=None, num_workers=plan.workers, prefetch_factor=4):
        if learner.step >= plan.steps:
            break
        box = random_box(head, learner.step)
        if box is None:
            continue
        clean, image = (learner.fabric.to_device(torch.from_numpy(a)[None, None]) for a in (box.clean, box.corrupted))
        labels = learner.fabric.to_device(torch.from_numpy(box.labels.astype(np.int64))[None])
        severity = learner.fabric.to_device(torch.from_numpy(box.severity)[None])

        logits, log_variances = learner.network(image)
        log_probabilities = logits.float().log_softmax(dim=1)
        dice = soft_dice_loss(log_probabilities, labels)
        cross_entropy = F.nll_loss(log_probabilities, labels, reduction="none")
        corrupted = error_maps(cross_entropy)
        if box.severity.any():
            with torch.no_grad():
                clean_error = error_maps(F.cross_entropy(learner.network(clean)[0].float(), labels, reduction="none"))
        else:
            clean_error = corrupted
        targets = variance_targets(corrupted, clean_error, severity)
        variance = poisson_regression(log_variances.float(), targets)
        loss = dice + cross_entropy.mean() + plan.variance_weight * variance
        learner.descend(loss, learning_rate(learner.step, plan.steps, plan.peak_rate))

        losses.add(dice, cross_entropy.mean(), variance)
        if learner.step % 50 == 0:
            journal.write(step=learner.step, **losses.means())
        if learner.step % plan.save_every == 0 or learner.step == plan.steps:
            learner.save(checkpoint)
