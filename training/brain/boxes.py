"""Runs on boxes of synthetic heads: what the trainers of the brain networks share."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.running.loop import HeldOut, Objective, train
from training.running.run import Learner, RunPlan
from training.synthesis.examples import Example, Examples, Supply
from training.synthesis.heads import CorruptionModel

#: The held-out boxes are of another stream of heads.
_HELD_OUT_SEED = 1_000_003


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxPlan(RunPlan):
    """A run on synthetic boxes: where the label maps lie, and how many processes synthesise heads from them.

    ``bank``: a bank of anatomies; without one each head is deformed when it is drawn, which a graphics card does at
    once. ``batch``: boxes a step. ``workers``: 0 makes the heads in the training process itself. ``held_out``: so many
    examples are not trained on but asked every ``validate_every`` steps.
    """

    label_maps: Path
    bank: Path | None = None
    workers: int = 1
    batch: int = 1
    held_out: int = 8
    validate_every: int = 500


def train_on_boxes(
    learner: Learner, plan: BoxPlan, corruption_model: CorruptionModel | None, objective: Objective[Example]
) -> None:
    """Descend ``objective`` on example after example; the weights with the least held-out loss are kept beside."""
    device = learner.fabric.device

    def supply(seed: int) -> Supply:
        return Supply(
            label_maps=plan.label_maps,
            bank=plan.bank,
            corruption_model=corruption_model,
            seed=seed,
            batch=plan.batch,
            device=device,
        )

    def examples(step: int) -> Iterator[Example]:
        """This device's part of the stream."""
        first = step * plan.devices + learner.fabric.global_rank
        for example in Examples(supply(plan.seed), first=first, stride=plan.devices).through(plan.workers):
            yield example.to(device)

    def unseen() -> list[Example]:
        stream = supply(plan.seed + _HELD_OUT_SEED)
        return [stream.example(number).to(device) for number in range(plan.held_out)]

    held_out = HeldOut(items=unseen, every=plan.validate_every) if plan.held_out else None
    train(learner, plan, examples, objective, held_out)
