"""The loop that all trainers of the brain network share: a box, a descent, the log, a checkpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader

from models.artefacts import ARTEFACTS
from training.heads import Box, Head, Mishaps, SyntheticHeads, cut_box
from training.run import Journal, Learner, Losses, RunPlan, learning_rate

_REPORT_EVERY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxPlan(RunPlan):
    """A run on synthetic boxes: where anatomies and label maps lie, and how many processes synthesise heads."""

    bank: Path
    label_maps: Path
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A box on the device.

    ``clean``, ``image`` (1, 1, D, H, W): without and with what went wrong; ``labels`` (1, D, H, W) int64; ``severity``
    (1, 5); ``alone``: artefact's number -> the box with only that one.
    """

    clean: Tensor
    image: Tensor
    labels: Tensor
    severity: Tensor
    alone: Mapping[int, Tensor]

    @property
    def corrupted(self) -> bool:
        """Something went wrong."""
        return bool(self.alone)


#: From an example to the loss that is descended, and the named losses that are logged.
Objective = Callable[[Example], tuple[Tensor, dict[str, Tensor]]]


def train(learner: Learner, plan: BoxPlan, mishaps: Mishaps | None, objective: Objective) -> None:
    """Descend ``objective`` on box after box, from the checkpoint in ``plan.run`` if there is one."""
    checkpoint, journal, losses = plan.run / "checkpoint.pt", Journal(plan.run), Losses()
    learner.restore(checkpoint)
    heads = SyntheticHeads(
        plan.bank,
        plan.label_maps,
        plan.seed,
        first=learner.step * plan.devices + learner.fabric.global_rank,
        stride=plan.devices,
        mishaps=mishaps,
    )
    for head in DataLoader(heads, batch_size=None, num_workers=plan.workers):
        if learner.step >= plan.steps:
            break
        box = random_box(head, learner.step)
        if box is None:
            continue
        loss, terms = objective(on_device(box, learner.fabric))
        learner.descend(loss, learning_rate(learner.step, plan.steps, plan.peak_rate, plan.warm_up))
        losses.add(terms)
        if learner.step % _REPORT_EVERY == 0:
            means = losses.means()
            learner.observe(means)
            journal.write(step=learner.step, **means)
        if learner.step % plan.save_every == 0 or learner.step == plan.steps:
            learner.save(checkpoint)


#: Sides of the training boxes in voxels; the served box is the largest of them, the others cost less.
BOX_SIDES = ((64, 80, 96), (80, 96, 112), (64, 80, 96))


def random_box(head: Head, step: int) -> Box | None:
    """A box whose size varies, because instance norm sees the share of air."""
    rng = np.random.default_rng((7, step))
    shape = tuple(int(rng.choice(sides)) for sides in BOX_SIDES)
    return cut_box(head, shape, rng)  # type: ignore[arg-type]


def on_device(box: Box, fabric: Fabric) -> Example:
    """The box as tensors."""

    def image(voxels: np.ndarray) -> Tensor:
        return fabric.to_device(torch.from_numpy(voxels)[None, None])

    return Example(
        clean=image(box.clean),
        image=image(box.corrupted),
        labels=fabric.to_device(torch.from_numpy(box.labels.astype(np.int64))[None]),
        severity=fabric.to_device(torch.from_numpy(box.severity)[None]),
        alone={ARTEFACTS.index(artefact): image(voxels) for artefact, voxels in box.alone.items()},
    )
