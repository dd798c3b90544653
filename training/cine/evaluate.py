"""Stacks that no network trained on: Dice by phase and structure, volumes, doubt against error, calibration.

``python -m training cine-evaluate`` prints the tables; millimetres are those of the files' headers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import binary_dilation
from scipy.special import softmax
from scipy.stats import rankdata, spearmanr

from models.cine.cleanup import largest_pieces
from models.nets.cine import CineNet, whole_masks
from training.cine.examples import CROP, normalised
from training.cine.stacks import PHASES, STRUCTURES, Stack, folds, heart_centre, read_stacks
from training.cine.train import STEEPNESS
from training.running.run import load_weights
from training.truth import dice

FloatArray = npt.NDArray[np.float32]
#: Slices of a stack (N, 3, CROP, CROP) -> logits (N, 4, CROP, CROP) and distances (N, 3, CROP, CROP).
Segment = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
#: A slice that lost so much is a bad one.
BAD_DICE = 0.6
_BINS = 15
#: Pixels about the heart that calibration is asked of: 9 mm at 1.5 mm.
_AROUND_PX = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CineEvaluationPlan:
    """``data``: folder of stacks; ``checkpoint`` of a run that left ``fold`` out (5: every patient is judged)."""

    data: Path
    checkpoint: Path
    fold: int = 0
    temperature: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One stack beside its truth; all maps are (..., x, y, slice).

    ``labels`` as called, ``cleaned`` without the pieces that are too many; ``probabilities`` (4, ...); ``gap`` (3, ...)
    between a structure's probability and the mask that its distance map implies.
    """

    stack: Stack
    labels: npt.NDArray[np.uint8]
    cleaned: npt.NDArray[np.uint8]
    probabilities: FloatArray
    gap: FloatArray


def evaluate_cine(plan: CineEvaluationPlan) -> None:
    """Judge the patients that were left out, and print every table."""
    network = CineNet()
    load_weights(plan.checkpoint, network)
    judged = list(judge_stacks(plan, torch_segment(network.eval())))
    print(*tables(judged), sep="\n")


def torch_segment(network: CineNet) -> Segment:
    """The plain pass in torch."""

    @torch.no_grad()
    def segment(slices: FloatArray) -> tuple[FloatArray, FloatArray]:
        found = network(torch.from_numpy(slices), whole_masks(network.config, len(slices)))
        return found.logits.numpy(), found.distances.numpy()

    return segment


def judge_stacks(plan: CineEvaluationPlan, segment: Segment) -> Iterator[Judged]:
    """Both phases of every patient of the fold, the heart found by its motion."""
    parts = folds(plan.data)
    patients = parts[plan.fold] if plan.fold < len(parts) else tuple(p for part in parts for p in part)
    for patient in patients:
        stacks = {stack.phase: stack for stack in read_stacks(plan.data, [patient])}
        centre = heart_centre(*(stacks[phase].image for phase in PHASES))
        for stack in stacks.values():
            yield judge_stack(stack, centre, segment, plan.temperature)


def judge_stack(stack: Stack, centre: tuple[float, float], segment: Segment, temperature: float = 1.0) -> Judged:
    """One stack: a crop about ``centre`` of every slice, judged together."""
    low = [round(c) - CROP // 2 for c in centre]
    logits, distances = segment(_crops(stack.image, low))
    probabilities = np.zeros((len(STRUCTURES), *stack.image.shape), np.float32)
    probabilities[0] = 1
    gap = np.zeros((len(STRUCTURES) - 1, *stack.image.shape), np.float32)
    inside, part = _overlap(stack.image.shape[:2], low)
    found = softmax(logits / temperature, axis=1).astype(np.float32)
    implied = 1 / (1 + np.exp(STEEPNESS * np.clip(distances, -1, 1)))
    probabilities[(slice(None), *inside)] = np.moveaxis(found[(slice(None), slice(None), *part)], 0, -1)
    gap[(slice(None), *inside)] = np.moveaxis(np.abs(implied - found[:, 1:])[(slice(None), slice(None), *part)], 0, -1)
    labels = probabilities.argmax(axis=0).astype(np.uint8)
    return Judged(stack=stack, labels=labels, cleaned=largest_pieces(labels), probabilities=probabilities, gap=gap)


def tables(judged: Sequence[Judged]) -> Iterator[str]:
    """Markdown."""
    yield from _dice_table(judged)
    yield ""
    yield from _volume_table(judged)
    yield ""
    yield from _doubt_table(judged)
    yield ""
    yield from _calibration_table(judged)


def _dice_table(judged: Sequence[Judged]) -> Iterator[str]:
    yield "| Dice, mean over patients (n) | " + " | ".join(STRUCTURES[1:]) + " |"
    yield "| --- |" + " ---: |" * 3
    for phase in PHASES:
        for name in ("labels", "cleaned"):
            ours = [j for j in judged if j.stack.phase == phase]
            means = [np.mean([dice(getattr(j, name) == n, j.stack.labels == n) for j in ours]) for n in range(1, 4)]
            yield f"| {phase}, {name} ({len(ours)}) | " + " | ".join(f"{m:.3f}" for m in means) + " |"


def _volume_table(judged: Sequence[Judged]) -> Iterator[str]:
    yield "| volume, error mean (sd) in % | " + " | ".join(STRUCTURES[1:]) + " |"
    yield "| --- |" + " ---: |" * 3
    for phase in PHASES:
        ours = [j for j in judged if j.stack.phase == phase]
        cells = []
        for n in range(1, 4):
            errors = [100 * ((j.cleaned == n).sum() / max(1, (j.stack.labels == n).sum()) - 1) for j in ours]
            cells.append(f"{np.mean(errors):+.0f} ({np.std(errors):.0f})")
        yield f"| {phase} | " + " | ".join(cells) + " |"
    found, true = ejection_fractions(judged)
    error = found - true
    yield ""
    yield (
        f"LV ejection fraction of {len(found)} patients: bias {error.mean():+.3f}, mean absolute error "
        f"{np.abs(error).mean():.3f}, r {np.corrcoef(found, true)[0, 1]:.3f}"
    )


def ejection_fractions(judged: Sequence[Judged]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(EDV - ESV) / EDV of the left ventricle by patient, of the cleaned labels and of the truth."""
    patients = sorted({j.stack.patient for j in judged})
    volumes = {(j.stack.patient, j.stack.phase): ((j.cleaned == 3).sum(), (j.stack.labels == 3).sum()) for j in judged}
    pairs = [[volumes[patient, phase] for phase in PHASES] for patient in patients]
    values = np.array(pairs, float)
    fractions = 1 - values[:, 1] / values[:, 0]
    return fractions[:, 0], fractions[:, 1]


def _doubt_table(judged: Sequence[Judged]) -> Iterator[str]:
    """Per slice, Spearman with the error area; in brackets with the predicted perimeter partialled out."""
    yield "| doubt against error area, per slice | " + " | ".join(STRUCTURES[1:]) + " |"
    yield "| --- |" + " ---: |" * 3
    rows = [[_slice_numbers(j, n) for j in judged] for n in range(1, 4)]
    for name, column in (("predicted perimeter", 1), ("entropy of one pass", 2), ("cross-task gap", 3)):
        cells = []
        for structure in rows:
            numbers = np.concatenate(structure)
            numbers = numbers[(numbers[:, 0] > 0) | (numbers[:, 1] > 0)]
            rho = spearmanr(numbers[:, 0], numbers[:, column]).statistic
            partial = _partial(numbers[:, 0], numbers[:, column], numbers[:, 1]) if column > 1 else float("nan")
            cells.append(f"{rho:.2f} ({partial:.2f})" if column > 1 else f"{rho:.2f}")
        yield f"| {name} | " + " | ".join(cells) + " |"


def _slice_numbers(judged: Judged, number: int) -> npt.NDArray[np.float64]:
    """(slices, 4): error area, predicted perimeter, binary entropy, cross-task gap, each a sum over a slice."""
    called, true = judged.labels == number, judged.stack.labels == number
    p = np.clip(judged.probabilities[number], 1e-6, 1 - 1e-6)
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    edge = called & ~np.stack([_eroded(called[:, :, k]) for k in range(called.shape[2])], axis=2)
    sums = [(called != true), edge, entropy, judged.gap[number - 1]]
    return np.stack([np.asarray(one, float).sum(axis=(0, 1)) for one in sums], axis=1)


def _eroded(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    return mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def _partial(first: npt.ArrayLike, second: npt.ArrayLike, given: npt.ArrayLike) -> float:
    """Rank correlation of two with a third held fixed."""
    ranks = np.corrcoef([rankdata(one) for one in (first, second, given)])
    return float((ranks[0, 1] - ranks[0, 2] * ranks[1, 2]) / np.sqrt((1 - ranks[0, 2] ** 2) * (1 - ranks[1, 2] ** 2)))


def _calibration_table(judged: Sequence[Judged]) -> Iterator[str]:
    """Expected calibration error and Brier score about the heart (Guo et al. 2017)."""
    confidence, right, brier = [], [], []
    for j in judged:
        from_heart = np.stack([_grown(j.stack.labels[:, :, k] > 0) for k in range(j.labels.shape[2])], axis=2)
        p = j.probabilities[:, from_heart]
        truth = j.stack.labels[from_heart]
        confidence.append(p.max(axis=0))
        right.append(p.argmax(axis=0) == truth)
        brier.append(((p - np.eye(len(STRUCTURES))[truth].T) ** 2).sum(axis=0))
    sure, correct = np.concatenate(confidence), np.concatenate(right)
    number = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(sure[number == n].mean() - correct[number == n].mean()) * (number == n).mean()
        for n in range(_BINS)
        if (number == n).any()
    ]
    yield f"Calibration about the heart: ECE {sum(gaps):.3f}, Brier {np.concatenate(brier).mean():.3f}"


def _grown(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return np.asarray(binary_dilation(mask, iterations=_AROUND_PX))


def _crops(image: FloatArray, low: Sequence[int]) -> FloatArray:
    last = image.shape[2] - 1
    scaled = np.clip(image * (255 / max(float(image.max()), 1e-3)), 0, 255)
    crops = np.zeros((last + 1, CROP, CROP), np.float32)
    inside, part = _overlap(image.shape[:2], low)
    crops[(slice(None), *part)] = np.moveaxis(scaled[inside], -1, 0)
    three = np.stack([crops[[max(0, k - 1), k, min(last, k + 1)]] for k in range(last + 1)])
    return np.asarray(normalised(torch.from_numpy(three)).numpy(), np.float32)


def _overlap(shape: Sequence[int], low: Sequence[int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a crop at ``low`` lies in an image, and which part of the crop that is."""
    starts, ends = [max(0, s) for s in low], [min(n, s + CROP) for n, s in zip(shape, low, strict=True)]
    inside = tuple(slice(s, e) for s, e in zip(starts, ends, strict=True))
    part = tuple(slice(s - o, e - o) for s, e, o in zip(starts, ends, low, strict=True))
    return (inside[0], inside[1]), (part[0], part[1])
