"""The loop that all trainers of the brain network share: examples, a descent, the log, a checkpoint."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from training.running.run import Journal, Learner, Losses, RunPlan, learning_rate
from training.synthesis.examples import Example, Examples, Supply
from training.synthesis.heads import CorruptionModel

_REPORT_EVERY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxPlan(RunPlan):
    """A run on synthetic boxes: where the label maps lie, and how many processes synthesise heads from them.

    ``bank``: a bank of anatomies; without one each head is deformed when it is drawn, which a graphics card does at
    once. ``batch``: boxes a step. ``workers``: 0 makes the heads in the training process itself.
    """

    label_maps: Path
    bank: Path | None = None
    workers: int = 1
    batch: int = 1


#: From an example to the loss that is descended, and the named losses that are logged.
Objective = Callable[[Example], tuple[Tensor, dict[str, Tensor]]]


def train(learner: Learner, plan: BoxPlan, corruption_model: CorruptionModel | None, objective: Objective) -> None:
    """Descend ``objective`` on example after example, from the checkpoint in ``plan.run`` if there is one."""
    checkpoint, journal, losses = plan.run / "checkpoint.pt", Journal(plan.run), Losses()
    learner.restore(checkpoint)
    for example in _examples(learner, plan, corruption_model):
        if learner.step >= plan.steps:
            break
        loss, terms = objective(example.to(learner.fabric.device))
        learner.descend(loss, learning_rate(learner.step, plan.steps, plan.peak_rate, plan.warm_up))
        losses.add(terms)
        if learner.step % _REPORT_EVERY == 0:
            means = losses.means()
            learner.observe(means)
            journal.write(step=learner.step, **means)
        if learner.step % plan.save_every == 0 or learner.step == plan.steps:
            learner.save(checkpoint)


def _examples(learner: Learner, plan: BoxPlan, corruption_model: CorruptionModel | None) -> Iterable[Example]:
    """This device's part of the stream, from the step on that the run has reached."""
    supply = Supply(
        label_maps=plan.label_maps,
        bank=plan.bank,
        corruption_model=corruption_model,
        seed=plan.seed,
        batch=plan.batch,
        device=learner.fabric.device,
    )
    first = learner.step * plan.devices + learner.fabric.global_rank
    return Examples(supply, first=first, stride=plan.devices).through(plan.workers)
