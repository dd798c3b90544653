"""The task network: tissue segmentation on clean synthetic heads (step 1 of paper 000)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from models.nets.brain import BrainConfig, BrainNet
from training.heads import Box, Head, SyntheticHeads, cut_box
from training.losses import error_maps, poisson_regression, soft_dice_loss
from training.run import Journal, Learner, Losses, Precision, learning_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """Everything that decides a run: paths, length, optimiser, and how often it is saved."""

    run: Path
    bank: Path
    label_maps: Path
    steps: int = 20_000
    peak_rate: float = 5e-4
    variance_weight: float = 0.1
    workers: int = 1
    seed: int = 1
    save_every: int = 500
    precision: Precision = "32-true"


def train_task(plan: TaskPlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    learner = Learner(BrainNet(BrainConfig()), plan.peak_rate, plan.precision, plan.seed)
    checkpoint, journal = plan.run / "checkpoint.pt", Journal(plan.run)
    learner.restore(checkpoint)
    heads = SyntheticHeads(plan.bank, plan.label_maps, plan.seed, first=learner.step)
    losses = Losses("dice_loss", "cross_entropy", "variance_loss")
    for head in DataLoader(heads, batch_size=None, num_workers=plan.workers, prefetch_factor=4):
        if learner.step >= plan.steps:
            break
        box = random_box(head, learner.step)
        if box is None:
            continue
        image = learner.fabric.to_device(torch.from_numpy(box.clean)[None, None])
        labels = learner.fabric.to_device(torch.from_numpy(box.labels.astype(np.int64))[None])

        logits, log_variances = learner.network(image)
        log_probabilities = logits.float().log_softmax(dim=1)
        dice = soft_dice_loss(log_probabilities, labels)
        cross_entropy = F.nll_loss(log_probabilities, labels, reduction="none")
        variance = poisson_regression(log_variances[:, 0].float(), error_maps(cross_entropy))
        loss = dice + cross_entropy.mean() + plan.variance_weight * variance
        learner.descend(loss, learning_rate(learner.step, plan.steps, plan.peak_rate))

        losses.add(dice, cross_entropy.mean(), variance)
        if learner.step % 50 == 0:
            journal.write(step=learner.step, **losses.means())
        if learner.step % plan.save_every == 0 or learner.step == plan.steps:
            learner.save(checkpoint)


#: Sides of the training boxes in voxels; the served box is the largest of them, the others cost less.
BOX_SIDES = ((64, 80, 96), (80, 96, 112), (64, 80, 96))


def random_box(head: Head, step: int) -> Box | None:
    """A box whose size varies, because instance norm sees the share of air."""
    rng = np.random.default_rng((7, step))
    shape = tuple(int(rng.choice(sides)) for sides in BOX_SIDES)
    return cut_box(head, shape, rng)  # type: ignore[arg-type]
