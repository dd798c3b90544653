"""Refinement without labels, with a guard (paper 004, section 2.4, as its authors' code does it).

The masks of hearts without labels that the autoencoder cannot say again are drawn towards what it makes of them, while
labelled hearts are trained on as before. Target of an anomalous mask at step k of K: the likeliest class of
(k / K) best + (1 - k / K) autoencoder(mask), ``best`` what the network said when it began.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.cine.crops import CROP
from models.cine.plausibility import MASK_GRAPH, SIDE
from models.graphs import Run
from models.nets.cine import CineJudge, CineNet, whole_masks
from models.nets.masks import MaskNet
from training.cine.examples import Batch, Slices, batches
from training.cine.judge import Judged, Patient, judge_patients, torch_graphs
from training.cine.mask_autoencoder import mask_losses
from training.cine.refinement.hearts import Agreement, fence, least_pseudo_dice, phases_of, slices_of
from training.cine.stacks import STRUCTURES, FoldPlan, folds
from training.cine.tables import by_structure
from training.cine.train import objective
from training.running.loop import train
from training.running.run import Learner, load_weights

#: Least probability whose logarithm is taken.
_LEAST = 1e-6
Patients: TypeAlias = tuple[Patient, ...]
#: What the last run came to, beside its checkpoint.
OUTCOME = "outcome.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinementPlan(FoldPlan):
    """``start``: checkpoint of ``cine-stochastic``; ``masks``: of ``cine-masks``; both left the ``fold`` out.

    Of the fold's patients every second counts as one without labels; the others are what the guard asks, and nothing is
    trained on them.
    """

    start: Path
    masks: Path
    steps: int = 60
    peak_rate: float = 2e-4
    warm_up: int = 5
    report_every: int = 10
    save_every: int = 20
    batch: int = 8

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """Patients whose labels are not used."""
        return folds(self.data, self.folds)[self.fold][1::2]

    @property
    def locked(self) -> tuple[str, ...]:
        """Patients by whose labels the refined network is taken or refused."""
        return folds(self.data, self.folds)[self.fold][::2]


class Item(NamedTuple):
    """Labelled slices; ``shown`` (B, 3, CROP, CROP) anomalous ones; ``best`` (B, 4, SIDE, SIDE): said at first."""

    step: int
    labelled: Batch
    shown: Tensor
    best: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``anomalous``: phases below the fence; ``taken``: whether the guard takes the refined network.

    Agreements of anomalous phases, of the other ones without labels, and of the locked ones: before and after.
    """

    anomalous: int
    taken: bool
    before: dict[str, Agreement]
    after: dict[str, Agreement]


def refine(plan: RefinementPlan) -> Outcome:
    """Refine, judge both networks, and keep the refined one only if the guard takes it: else it is ``refused.pt``.

    Raises:
        FileNotFoundError: a checkpoint is not there.
        ValueError: the fold has no two patients.
    """
    if not plan.unlabelled:
        raise ValueError(f"fold {plan.fold} has fewer than two patients: one to refine on, one for the guard")
    torch.manual_seed(plan.seed)
    judge, masks = CineJudge(), MaskNet()
    load_weights(plan.start, judge)
    load_weights(plan.masks, masks)
    graphs = torch_graphs(judge, masks)

    def judged() -> tuple[Patients, Patients]:
        """Those without labels and those locked away, by the network as it is now."""
        return (
            tuple(judge_patients(plan.data, plan.unlabelled, graphs)),
            tuple(judge_patients(plan.data, plan.locked, graphs)),
        )

    without, locked = judged()
    anomalous = _anomalous(plan, graphs, without)
    names = {(one.patient, one.name) for _, one in anomalous}
    before = after = _agreements(without, locked, names)
    if anomalous:
        _train(plan, judge.cine, masks.eval(), anomalous)
        load_weights(plan.run / "checkpoint.pt", judge.cine)
        after = _agreements(*judged(), names)
    outcome = Outcome(anomalous=len(anomalous), taken=taken(before, after), before=before, after=after)
    if anomalous and not outcome.taken:
        (plan.run / "checkpoint.pt").rename(plan.run / "refused.pt")
    plan.run.mkdir(parents=True, exist_ok=True)
    (plan.run / OUTCOME).write_text(json.dumps(asdict(outcome)))
    print(*table(outcome), sep="\n", flush=True)
    return outcome


def taken(before: dict[str, Agreement], after: dict[str, Agreement]) -> bool:
    """The guard: no structure of the locked hearts may lose Dice."""
    return all(new >= old for old, new in zip(before["locked"].dice, after["locked"].dice, strict=True))


def table(outcome: Outcome) -> Iterator[str]:
    """Markdown."""
    became = f"the refined network is {'taken' if outcome.taken else 'refused'}"
    yield f"{outcome.anomalous} anomalous phases: {became if outcome.anomalous else 'nothing to refine on'}"
    yield ""
    yield "| hearts (phases) | Dice before | after | Hausdorff distance before, mm | after |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, before in outcome.before.items():
        if before.phases:
            after = outcome.after[name]
            cells = (by_structure(before.dice, 3), by_structure(after.dice, 3), by_structure(before.hausdorff_mm, 1))
            yield f"| {name} ({before.phases}) | {' | '.join(cells)} | {by_structure(after.hausdorff_mm, 1)} |"


def _anomalous(plan: RefinementPlan, graphs: Mapping[str, Run], without: Patients) -> list[tuple[Patient, Judged]]:
    """The phases of hearts without labels below the fence of those that were trained on."""
    known = phases_of(tuple(judge_patients(plan.data, plan.patients, graphs)))
    limit = fence([least_pseudo_dice(one, graphs[MASK_GRAPH]) for _, one in known])
    return [(patient, one) for patient, one in phases_of(without) if least_pseudo_dice(one, graphs[MASK_GRAPH]) < limit]


def _agreements(without: Patients, locked: Patients, anomalous: set[tuple[str, str]]) -> dict[str, Agreement]:
    unlabelled = [one for _, one in phases_of(without)]
    return {
        "anomalous": Agreement.of([one for one in unlabelled if (one.patient, one.name) in anomalous]),
        "others without labels": Agreement.of([one for one in unlabelled if (one.patient, one.name) not in anomalous]),
        "locked": Agreement.of([one for _, one in phases_of(locked)]),
    }


def _train(plan: RefinementPlan, network: CineNet, masks: MaskNet, anomalous: list[tuple[Patient, Judged]]) -> None:
    slices = Slices.of(plan.data, plan.patients)
    shown = torch.cat([slices_of(patient, one) for patient, one in anomalous])
    config = network.config
    best = torch.cat([_shares_at_first(network, shown[n : n + plan.batch]) for n in range(0, len(shown), plan.batch)])

    def items(first: int) -> Iterator[Item]:
        for step, batch in enumerate(batches(slices, plan.batch, plan.seed + 11, first), start=first):
            generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
            chosen = torch.randint(len(shown), (plan.batch,), generator=generator)
            yield Item(step, batch, shown[chosen], best[chosen])

    def descended(network: nn.Module, item: Item) -> tuple[Tensor, dict[str, Tensor]]:
        network.eval()  # what batch norm has seen stays
        masked = whole_masks(config, plan.batch)
        terms = objective(network(item.labelled.image, masked), item.labelled)
        shares = shares_of(network(item.shown, masked).logits.float())
        wanted = target(shares.detach(), item.best, masks, item.step / plan.steps)
        unlike = mask_losses(shares.clamp(min=_LEAST).log(), wanted)
        loss = terms["cross entropy"] + terms["dice"] + terms["distance"] + unlike["cross entropy"] + unlike["dice"]
        return loss, terms | {f"without labels, {name}": term for name, term in unlike.items()}

    train(Learner(network, plan), plan, items, descended)


@torch.no_grad()
def target(shares: Tensor, best: Tensor, masks: MaskNet, share: float) -> Tensor:
    """What a mask's ``shares`` are drawn towards, one class a pixel; all (B, 4, SIDE, SIDE)."""
    said = masks(shares).softmax(dim=1)
    likeliest = (share * best + (1 - share) * said).argmax(dim=1)
    return F.one_hot(likeliest, len(STRUCTURES)).movedim(-1, 1).float()


def shares_of(logits: Tensor) -> Tensor:
    """Probabilities by logits (B, 4, CROP, CROP) in the pixels of the autoencoder, (B, 4, SIDE, SIDE)."""
    return F.avg_pool2d(logits.softmax(dim=1), CROP // SIDE)


@torch.no_grad()
def _shares_at_first(network: CineNet, image: Tensor) -> Tensor:
    network.eval()
    return shares_of(network(image, whole_masks(network.config, len(image))).logits.float())
