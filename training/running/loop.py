"""The loop of every trainer: items, a descent, the log, held-out items, a checkpoint."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from training.running.run import Journal, Learner, Losses, RunPlan, learning_rate

Item = TypeVar("Item")
#: From a network and an item to the loss that is descended, and the named losses that are logged.
Objective = Callable[[nn.Module, Item], tuple[Tensor, Mapping[str, Tensor]]]

#: Weights whose loss on the held-out items is the least so far, beside ``checkpoint.pt``.
BEST = "best.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut(Generic[Item]):
    """``items()`` that no descent sees; every ``every`` steps the averaged weights are asked their mean loss on them.

    They are made once, and only by a run that has steps left.
    """

    items: Callable[[], Sequence[Item]]
    every: int


def train(
    learner: Learner,
    plan: RunPlan,
    items: Callable[[int], Iterable[Item]],
    objective: Objective[Item],
    held_out: HeldOut[Item] | None = None,
) -> None:
    """Descend ``objective`` until step ``plan.steps``, from the checkpoint in ``plan.run`` if there is one.

    ``items``: those from a step on. With ``held_out`` the averaged weights of the least held-out loss are kept in
    ``plan.run/best.pt``, which ``load_weights`` reads.
    """
    checkpoint, journal, losses = plan.run / "checkpoint.pt", Journal(plan.run), Losses()
    learner.restore(checkpoint)
    if learner.step >= plan.steps:
        return
    unseen = held_out.items() if held_out else ()
    for item in items(learner.step):
        loss, terms = objective(learner.network, item)
        learner.descend(loss, learning_rate(learner.step, plan.steps, plan.peak_rate, plan.warm_up, plan.tail))
        losses.add(terms)
        ended = learner.step >= plan.steps
        if learner.step % plan.report_every == 0 or ended:
            means = losses.means()
            learner.observe(means)
            journal.write(step=learner.step, **means)
        if held_out and (learner.step % held_out.every == 0 or ended):
            found = _mean_loss(learner, objective, unseen, plan.seed)
            journal.write(step=learner.step, held_out=found, best=_keep_best(learner, plan.run / BEST, found))
        if learner.step % plan.save_every == 0 or ended:
            learner.save(checkpoint)
        if ended:
            return


@torch.no_grad()
def _mean_loss(learner: Learner, objective: Objective[Item], items: Sequence[Item], seed: int) -> float:
    """The averaged weights' mean loss; what an objective draws at random is the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        found = [objective(learner.average.network, item)[0] for item in items]
    return float(torch.stack(found).mean())


def _keep_best(learner: Learner, path: Path, loss: float) -> float:
    """The least held-out loss so far; its weights are in ``path``."""
    least = float(torch.load(path, map_location="cpu", weights_only=True)["loss"]) if path.exists() else float("inf")
    if loss < least:
        partial = path.with_suffix(".part")
        torch.save({"average": learner.average.network.state_dict(), "loss": loss, "step": learner.step}, partial)
        partial.rename(path)
    return min(loss, least)
