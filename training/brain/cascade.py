"""The cascade of paper 000 (Shaw et al. 2021, section 3): task network, a teacher an artefact, the student of all.

Each network begins with the weights of the one before. A teacher sees heads of which half have its artefact; its task
variance is held to that of the task network on the clean head, and what is left is the artefact's. The student sees
all artefacts; each of its variances is held to its teacher's, who sees the same head with that artefact alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nets.brain import BrainConfig, BrainNet, BrainOutput
from models.physics.artefacts import ARTEFACTS, Artefact
from training.brain.boxes import BoxPlan, train_on_boxes
from training.brain.losses import consistency_loss, heteroscedastic_loss
from training.running.loop import Objective
from training.running.run import Learner, load_weights
from training.running.schedule import EpsilonSchedule
from training.synthesis.examples import Example
from training.synthesis.heads import CorruptionModel

#: From a network's schedule to what it descends.
Lesson = Callable[[EpsilonSchedule], Objective[Example]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadePlan(BoxPlan):
    """``start``: a segmentation network's checkpoint, or an exported judge, that the task network begins with.

    ``steps`` are the student's; the task network and each teacher have their own. ``consistency``: weight of what
    holds a variance to its teacher's, 1 in the paper.
    """

    start: Path
    steps: int = 30_000
    task_steps: int = 30_000
    teacher_steps: int = 30_000
    peak_rate: float = 1e-4
    consistency: float = 1.0
    seed: int = 31


def train_cascade(plan: CascadePlan) -> None:
    """Train all seven networks in their order; a run that is started again goes on where it stopped."""
    torch.manual_seed(plan.seed)  # the first weights are drawn before the learner seeds everything
    begin = _variant(1, plan.start, known=1 + len(ARTEFACTS))
    task = _trained(replace(plan, run=plan.run / "task", steps=plan.task_steps), begin, None, _task_lesson)
    weights = plan.run / "task" / "checkpoint.pt"
    teachers = {}
    for artefact in ARTEFACTS:
        step = replace(plan, run=plan.run / artefact.value, steps=plan.teacher_steps)
        corruption_model = CorruptionModel(probability=0.5, second=0.0, kinds=(artefact,))
        teachers[artefact] = _trained(
            step, _variant(2, weights), corruption_model, _teacher_lesson(task, plan.consistency)
        )
    step = replace(plan, run=plan.run / "student")
    lesson = _student_lesson(task, teachers, plan.consistency)
    _trained(step, _variant(1 + len(ARTEFACTS), weights), CorruptionModel(probability=0.6), lesson)


def _trained(
    plan: CascadePlan, network: BrainNet, corruption_model: CorruptionModel | None, lesson: Lesson
) -> BrainNet:
    """One network of the cascade after its training, frozen."""
    schedule = EpsilonSchedule()
    learner = Learner(network, plan, schedule)
    train_on_boxes(learner, plan, corruption_model, lesson(schedule))
    return learner.average.network  # type: ignore[return-value]


def _variant(sources: int, weights: Path, known: int = 1) -> BrainNet:
    """A network with ``sources`` variances that begins as one with ``known``; of their variances the task's is kept."""
    before, network = BrainNet(BrainConfig(sources=known)), BrainNet(BrainConfig(sources=sources))
    load_weights(weights, before)
    state = before.state_dict()
    for name, fresh in network.named_parameters():
        if name.startswith(("variances.sources.", "variances.level.")):
            state[name] = torch.cat([state[name][:1], fresh.detach()[1:]])
    network.load_state_dict(state)
    return network


def _task_lesson(schedule: EpsilonSchedule) -> Objective[Example]:
    """Step 1: the heteroscedastic loss on clean heads."""

    def objective(network: nn.Module, example: Example) -> tuple[Tensor, dict[str, Tensor]]:
        loss = _segmentation_loss(network(example.clean), example.labels, schedule)
        return loss, {"loss": loss, "epsilon": torch.tensor(schedule.epsilon)}

    return objective


def _teacher_lesson(task: nn.Module, weight: float) -> Lesson:
    """Step 2: heads with one artefact in half of them; the task's variance must stay that of the clean head."""

    def lesson(schedule: EpsilonSchedule) -> Objective[Example]:
        def objective(network: nn.Module, example: Example) -> tuple[Tensor, dict[str, Tensor]]:
            found = network(example.image)
            seen = _segmentation_loss(found, example.labels, schedule)
            held = consistency_loss(_variance(found, 0), _frozen(task, example.clean, 0))
            return seen + weight * held, {"loss": seen + weight * held, "consistency": held}

        return objective

    return lesson


def _student_lesson(task: nn.Module, teachers: Mapping[Artefact, nn.Module], weight: float) -> Lesson:
    """Step 3: all artefacts; each variance is its teacher's for that artefact alone, zero where it is absent."""

    def lesson(schedule: EpsilonSchedule) -> Objective[Example]:
        def objective(network: nn.Module, example: Example) -> tuple[Tensor, dict[str, Tensor]]:
            found = network(example.image)
            seen = _segmentation_loss(found, example.labels, schedule)
            targets = [_frozen(task, example.clean, 0)]
            for number, artefact in enumerate(ARTEFACTS):
                target = torch.zeros_like(targets[0])
                if number in example.alone:
                    target[example.severity[:, number] > 0] = _frozen(teachers[artefact], example.alone[number], 1)
                targets.append(target)
            losses = [consistency_loss(_variance(found, n), target) for n, target in enumerate(targets)]
            held = torch.stack(losses).sum()
            return seen + weight * held, {"loss": seen + weight * held, "consistency": held}

        return objective

    return lesson


def _segmentation_loss(found: BrainOutput, labels: Tensor, schedule: EpsilonSchedule) -> Tensor:
    """Equation 6: the cross-entropy over the sum of all variances; it is pooled to their resolution, which is exact."""
    cross_entropy = F.cross_entropy(found.logits.float(), labels, reduction="none")
    pooled = F.avg_pool3d(cross_entropy[:, None], 2)[:, 0]
    return heteroscedastic_loss(pooled, found.log_variances.float().exp().sum(dim=1), schedule.epsilon)


def _variance(found: BrainOutput, source: int) -> Tensor:
    return found.log_variances[:, source].float().exp()


@torch.no_grad()
def _frozen(network: nn.Module, image: Tensor, source: int) -> Tensor:
    return _variance(network(image), source)
