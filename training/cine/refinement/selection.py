"""python -m training cine-select: of several networks' masks of a heart the one that the autoencoder of masks takes.

Paper 004, section 2.3: masks are ranked by pseudo Dice; the first whose pseudo Hausdorff distance is below the fence is
taken; where none is, the mean of the probabilities of the best by either. Beside it: one network, the mean of all
networks' probabilities, and the best mask by the truth, which nobody knows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from models.cine.cleanup import cleaned
from models.cine.plausibility import MASK_GRAPH, pseudo_scores, said_again
from models.cine.reading import Phase, called, phase
from models.graphs import Run
from models.nets.cine import CineJudge
from models.nets.masks import MaskNet
from training.cine.judge import Judged, Patient, judge_patients, torch_graphs
from training.cine.refinement.hearts import Agreement, phases_of, upper_fence
from training.cine.stacks import PHASES, STRUCTURES, folds
from training.cine.tables import by_structure
from training.running.run import load_weights, read_weights

Graphs: TypeAlias = Mapping[str, Run]
_CLASSES = range(1, len(STRUCTURES))
_FOLD = "{fold}"
#: Prefix of the network where a checkpoint holds a larger one.
_PART = "cine."


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionPlan:
    """``data``: folder of the stacks; ``networks``: checkpoints that left a fold out, by commas, ``{fold}`` its number.

    ``masks``: the autoencoders of masks, likewise. Folds that lack one of them are left out.
    """

    data: Path
    networks: str
    masks: str
    folds: int = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """Masks of one phase of a heart: by each network, the one that is taken, and the mean of all.

    ``fell_back``: no mask was within the fence.
    """

    single: tuple[Judged, ...]
    selected: Judged
    mean: Judged
    fell_back: bool

    @property
    def oracle(self) -> Judged:
        """The single mask of the best mean Dice."""
        return max(self.single, key=lambda one: sum(one.dice(one.phase.called, n) for n in _CLASSES))


def select(plan: SelectionPlan) -> None:
    """Choose for the hearts of every fold, and print the table.

    Raises:
        FileNotFoundError: no fold has all its checkpoints.
        ValueError: a path names no fold, so that hearts would be judged by networks that were trained on them.
    """
    if fixed := [path for path in (*plan.networks.split(","), plan.masks) if _FOLD not in path]:
        raise ValueError(f"{fixed[0]} is the same for every fold: write {_FOLD} where its number stands")
    choices = [choice for fold in range(plan.folds) for choice in _of_fold(plan, fold)]
    if not choices:
        raise FileNotFoundError(f"no fold has all of {plan.networks} and {plan.masks}: train cine and cine-masks first")
    print(*table(choices), sep="\n", flush=True)


def _of_fold(plan: SelectionPlan, fold: int) -> Iterator[Choice]:
    networks = [Path(path.format(fold=fold)) for path in plan.networks.split(",")]
    autoencoder = Path(plan.masks.format(fold=fold))
    if not all(path.exists() for path in (*networks, autoencoder)):
        return
    masks = MaskNet()
    load_weights(autoencoder, masks)
    graphs = [torch_graphs(read_network(path), masks) for path in networks]
    parts = folds(plan.data, plan.folds)
    known = [patient for number, part in enumerate(parts) if number != fold for patient in part]
    limits = _limits(list(judge_patients(plan.data, known, graphs[0])), graphs[0][MASK_GRAPH])
    for patient in judge_patients(plan.data, parts[fold], graphs[0]):
        for one in patient.both:
            yield choose(candidates(patient, one, graphs), graphs[0][MASK_GRAPH], limits[one.name])


def read_network(checkpoint: Path) -> CineJudge:
    """A network of hearts from the checkpoint of ``cine``, of ``cine-stochastic`` or of a run of ``cine-shares``."""
    judge = CineJudge()
    names = tuple(judge.cine.state_dict())
    judge.cine.load_state_dict(read_weights(checkpoint, names, _PART) or read_weights(checkpoint, names))
    return judge.eval()


def _limits(known: Sequence[Patient], masks: Run) -> dict[str, float]:
    """Phase -> the fence of the pseudo Hausdorff distance, of hearts that were trained on."""
    measured = {name: [one for _, one in phases_of(known) if one.name == name] for name in PHASES}
    return {
        name: upper_fence([_plausible(one.phase, one.gap_mm, masks)[1] for one in ours])
        for name, ours in measured.items()
    }


def _plausible(one: Phase, gap_mm: float, masks: Run) -> tuple[float, float]:
    """Mean pseudo Dice and mean pseudo Hausdorff distance in mm of a phase, as it is called."""
    scores = list(pseudo_scores(one.called, said_again(one.called, masks), gap_mm).values())
    return float(np.mean([dice for dice, _ in scores])), float(np.mean([apart for _, apart in scores]))


def candidates(patient: Patient, one: Judged, graphs: Sequence[Graphs]) -> tuple[Judged, ...]:
    """A phase by each network, on the crop that the first one chose."""
    number, crops = one.phase.number, patient.reading.crops[one.phase.number]
    others = (phase(number, crops, one.gap_mm, other, 1.0) for other in graphs[1:])
    return (one, *(replace(one, phase=found) for found in others))


def choose(single: tuple[Judged, ...], masks: Run, limit: float) -> Choice:
    """By the rule of paper 004; ``limit``: of the pseudo Hausdorff distance in mm."""
    scores = [_plausible(one.phase, one.gap_mm, masks) for one in single]
    ranked = sorted(range(len(single)), key=lambda n: -scores[n][0])
    within = [n for n in ranked if scores[n][1] < limit]
    nearest = min(range(len(single)), key=lambda n: scores[n][1])
    selected = single[within[0]] if within else averaged([single[ranked[0]], single[nearest]])
    return Choice(single=single, selected=selected, mean=averaged(single), fell_back=not within)


def averaged(judged: Sequence[Judged]) -> Judged:
    """The mean of several networks' probabilities of a phase."""
    mean = np.asarray(np.mean([one.phase.probabilities for one in judged], axis=0), np.float32)
    labels = called(np.moveaxis(mean, -1, 0))
    one = judged[0]
    return replace(one, phase=replace(one.phase, probabilities=mean, called=labels, labels=cleaned(labels)))


def table(choices: Sequence[Choice]) -> Iterator[str]:
    """Markdown: by phase, before and after the clean-up; single networks as the mean over them."""
    fell_back = sum(choice.fell_back for choice in choices)
    yield f"{len(choices)} phases, {len(choices[0].single)} networks; no mask within the fence: {fell_back}"
    yield ""
    yield "| phase, masks | network | Dice RV/Myo/LV | mean | Hausdorff distance, mm | mean |"
    yield "| --- | --- | --- | ---: | --- | ---: |"
    for name in PHASES:
        ours = [choice for choice in choices if choice.selected.name == name]
        if not ours:
            continue
        groups = {
            "one network": [one for choice in ours for one in choice.single],
            "selected": [choice.selected for choice in ours],
            "mean of all": [choice.mean for choice in ours],
            "oracle": [choice.oracle for choice in ours],
        }
        for state in ("as called", "cleaned"):
            for network, judged in groups.items():
                found = Agreement.of(judged if state == "as called" else [_clean(one) for one in judged])
                yield f"| {name}, {state} | {network} | {_row(found)} |"


def _clean(one: Judged) -> Judged:
    return replace(one, phase=replace(one.phase, called=one.phase.labels))


def _row(found: Agreement) -> str:
    dice, apart = found.dice, found.hausdorff_mm
    return f"{by_structure(dice, 3)} | {np.mean(dice):.3f} | {by_structure(apart, 1)} | {np.mean(apart):.1f}"
