"""A network of hearts from the labels of some patients: alone, with distance maps, or with all the others' images too.

``multi-task`` adds the distance maps and the cross-task consistency to the labels; ``semi-supervised`` asks that
consistency of slices without labels as well, and an adversary that their distance maps look like those of patients
with labels (Hasan and Linte 2022; weights of ``specs/methods.md`` 3.2: consistency 0.3, adversary 0.01, both ramped).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nets.cine import CineConfig, CineNet, CineOutputs, drawn_masks
from training.cine.examples import CLASSES, Batch, Slices, batches
from training.cine.semisupervised.adversary import Adversary, reversed_gradient
from training.cine.stacks import FoldPlan
from training.cine.train import gap_of, objective, ramped
from training.running.loop import train
from training.running.run import Learner

Kind = Literal["u-net", "multi-task", "semi-supervised"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRun(FoldPlan):
    """``share`` of the fold's patients whose labels are used; ``kind``: what the network learns from.

    ``dropout``: share of the channels; ``consistency`` and ``adversary``: weights once they are ramped up.
    """

    share: float
    kind: Kind
    steps: int = 800
    peak_rate: float = 2e-3
    warm_up: int = 50
    tail: float = 0.5
    batch: int = 8
    dropout: float = 0.1
    consistency: float = 0.3
    adversary: float = 0.01


class Found(NamedTuple):
    """What the network says of slices with and without labels, and the adversary of both (B,); None without it."""

    labelled: CineOutputs
    unlabelled: CineOutputs | None = None
    has_labels: tuple[Tensor, Tensor] | None = None


class Opponents(nn.Module):
    """The network of hearts and its adversary, which descend one loss."""

    def __init__(self, config: CineConfig) -> None:
        super().__init__()
        self.cine = CineNet(config)
        self.adversary = Adversary(config.classes - 1, config.inputs)

    def forward(self, image: Tensor, unlabelled: Tensor | None, masks: Sequence[Tensor], weight: float) -> Found:
        """Slices with labels (B, 3, H, W) and without; ``masks`` for all of them; ``weight`` of the adversary."""
        if unlabelled is None:
            return Found(self.cine(image, masks))
        count = len(image)
        both = self.cine(torch.cat([image, unlabelled]), masks)
        known, others = CineOutputs(*(part[:count] for part in both)), CineOutputs(*(part[count:] for part in both))
        verdicts = (
            self.adversary(image, known.distances.detach()),
            self.adversary(unlabelled, reversed_gradient(others.distances, weight)),
        )
        return Found(known, others, verdicts)


class Item(NamedTuple):
    """A step's slices with labels, and the images of those without (B, 3, CROP, CROP), if any are learnt from."""

    step: int
    labelled: Batch
    unlabelled: Tensor | None


def labelled_patients(plan: ShareRun) -> tuple[str, ...]:
    """The patients whose labels are used, one at least: of one seed the fewer are among the more."""
    patients = plan.patients
    order = np.random.default_rng(plan.seed).permutation(len(patients))
    return tuple(sorted(patients[n] for n in order[: max(1, round(plan.share * len(patients)))]))


def train_share(plan: ShareRun) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off.

    Raises:
        ValueError: nobody is left without labels, and the network is to learn from them.
    """
    known = labelled_patients(plan)
    others = tuple(sorted(set(plan.patients) - set(known)))
    if plan.kind == "semi-supervised" and not others:
        raise ValueError(f"at a share of {plan.share:g} nobody is without labels: give less, or another kind")
    torch.manual_seed(plan.seed)
    config = CineConfig(classes=CLASSES)
    network = Opponents(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    slices = Slices.of(plan.data, known)
    unlabelled = Slices.without_labels(plan.data, others) if plan.kind == "semi-supervised" else None

    def items(first: int) -> Iterator[Item]:
        others = batches(unlabelled, plan.batch, plan.seed + 7, first) if unlabelled else None
        for step, batch in enumerate(batches(slices, plan.batch, plan.seed, first), start=first):
            yield Item(step, batch, next(others).image if others else None)

    def descended(network: nn.Module, item: Item) -> tuple[Tensor, dict[str, Tensor]]:
        count = plan.batch if item.unlabelled is None else 2 * plan.batch
        masks = drawn_masks(config, count, plan.dropout)
        ramp = ramped(item.step, plan.steps)
        found = network(item.labelled.image, item.unlabelled, masks, plan.adversary * ramp)
        return _loss(plan, found, item.labelled, ramp)

    train(Learner(network, plan), plan, items, descended)


def _loss(plan: ShareRun, found: Found, batch: Batch, ramp: float) -> tuple[Tensor, dict[str, Tensor]]:
    terms = objective(found.labelled, batch)
    loss = terms["cross entropy"] + terms["dice"]
    if plan.kind != "u-net":
        loss = loss + terms["distance"] + plan.consistency * ramp * terms["gap"]
    if found.unlabelled is not None and found.has_labels is not None:
        gap = gap_of(found.unlabelled)
        known, others = (verdict.float() for verdict in found.has_labels)
        told = F.binary_cross_entropy_with_logits(known, torch.ones_like(known))
        told = (told + F.binary_cross_entropy_with_logits(others, torch.zeros_like(others))) / 2
        loss = loss + plan.consistency * ramp * gap + told
        terms = terms | {"gap without labels": gap, "adversary": told}
    return loss, terms
