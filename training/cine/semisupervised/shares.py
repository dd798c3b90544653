"""python -m training cine-shares: what labels are worth to a U-Net, a multi-task and a semi-supervised network."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np

from models.cine.numbers import slice_doubt
from models.nets.cine import CineJudge
from models.statistics.ranking import rank_correlation
from training.cine.calibration import Pixels, calibration, fitted_temperature
from training.cine.judge import Judged, judge_patients, torch_graphs
from training.cine.semisupervised.train import Kind, ShareRun, labelled_patients, train_share
from training.cine.stacks import STRUCTURES, folds
from training.cine.tables import by_structure, error_area, hausdorff
from training.running.run import Precision, load_weights

KINDS: tuple[Kind, ...] = get_args(Kind)
#: Of the fold's patients those whose labels are used, in hundredths.
SHARES = (10, 20, 50, 100)
_CLASSES = range(1, len(STRUCTURES))
_DRAWS = 2000
#: What a trained network came to, beside its checkpoint.
OUTCOME = "outcome.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesPlan:
    """``run``: a folder for all networks; ``data``: folder of the stacks, of which ``fold`` of ``folds`` is judged.

    ``seeds``: networks of each kind and share, from ``first_seed`` on; each draws other patients. What is trained is
    not trained again: several commands on one folder share the work by their seeds.
    """

    run: Path
    data: Path
    fold: int = 0
    folds: int = 5
    seeds: int = 3
    first_seed: int = 0
    steps: int = 800
    batch: int = 8
    precision: Precision = "32-true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one network: ``dice`` and ``hausdorff_mm`` of each judged phase (phases, 3), its ``patients`` (phases,).

    ``doubt``: Spearman of one pass' entropy with the error area over slices, by structure; ``ece`` after one
    temperature that is fitted to these hearts; ``labelled``: patients whose labels it saw.
    """

    kind: Kind
    share: int
    seed: int
    labelled: int
    patients: tuple[str, ...]
    dice: tuple[tuple[float, ...], ...]
    hausdorff_mm: tuple[tuple[float, ...], ...]
    doubt: tuple[float, ...]
    ece: float


def compare_shares(plan: SharesPlan) -> None:
    """Train and judge every network that is missing, a seed after the other, and print the table after each seed."""
    for seed in range(plan.first_seed, plan.first_seed + plan.seeds):
        for run in _runs(plan, seed):
            if not (run.run / OUTCOME).exists():
                train_share(run)
                _write(run)
        print(*table(read_outcomes(plan.run)), "", sep="\n", flush=True)


def _runs(plan: SharesPlan, seed: int) -> Iterator[ShareRun]:
    for share, kind in product(SHARES, KINDS):
        if kind != "semi-supervised" or share < 100:  # of all, nobody is without labels
            yield ShareRun(
                run=plan.run / f"{kind}-{share}-{seed}",
                data=plan.data,
                fold=plan.fold,
                folds=plan.folds,
                seed=seed,
                share=share / 100,
                kind=kind,
                steps=plan.steps,
                batch=plan.batch,
                precision=plan.precision,
            )


def _write(run: ShareRun) -> None:
    draft = run.run / f"{OUTCOME}.part"
    draft.write_text(json.dumps(asdict(judge_run(run))))
    draft.rename(run.run / OUTCOME)


def judge_run(run: ShareRun) -> Outcome:
    """The fold that it did not see, judged by a trained network as it is at the scanner, its own localiser included."""
    judge = CineJudge()
    load_weights(run.run / "checkpoint.pt", judge.cine, "cine.")
    patients = list(judge_patients(run.data, folds(run.data, run.folds)[run.fold], torch_graphs(judge)))
    judged = [one for patient in patients for one in patient.both]
    pixels = Pixels.joined([Pixels.of(patient.both) for patient in patients])
    return Outcome(
        kind=run.kind,
        share=round(100 * run.share),
        seed=run.seed,
        labelled=len(labelled_patients(run)),
        patients=tuple(one.patient for one in judged),
        dice=tuple(tuple(one.dice(one.phase.labels, n) for n in _CLASSES) for one in judged),
        hausdorff_mm=tuple(
            tuple(hausdorff(one.phase.labels == n, one.truth == n, one.gap_mm) for n in _CLASSES) for one in judged
        ),
        doubt=tuple(_followed(judged, n) for n in _CLASSES),
        ece=calibration(pixels, fitted_temperature(pixels)).ece,
    )


def _followed(judged: Sequence[Judged], number: int) -> float:
    """Spearman of a structure's entropy with its error area, over the slices where it is."""
    pairs = []
    for one in judged:
        errors, doubts = error_area(one)[number - 1], slice_doubt(one.phase)[number - 1]
        there = (one.truth == number).any(axis=(0, 1)) | (one.phase.called == number).any(axis=(0, 1))
        pairs += list(zip(errors[there], doubts[there], strict=True))
    return rank_correlation(*np.array(pairs, float).T) if len(pairs) > 1 else float("nan")


def read_outcomes(folder: Path) -> list[Outcome]:
    """Of every network below a folder."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob(f"*/{OUTCOME}"))]
    return [Outcome(**one) for one in found]


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Markdown: means over seeds, patients and phases; Dice less the U-Net's of the same share, with 95 %."""
    yield (
        "| labels of | network (seeds) | Dice RV/Myo/LV | mean | less the U-Net's [95 %, patients drawn] | "
        "Hausdorff distance, mm | Spearman, doubt and error area | ECE |"
    )
    yield "| ---: | --- | --- | ---: | --- | --- | --- | ---: |"
    for share, kind in product(SHARES, KINDS):
        ours = [one for one in outcomes if (one.share, one.kind) == (share, kind)]
        if ours:
            plain = [one for one in outcomes if (one.share, one.kind) == (share, KINDS[0])]
            yield _row(ours, plain if kind != KINDS[0] else [])


def _row(ours: Sequence[Outcome], plain: Sequence[Outcome]) -> str:
    dice = np.mean([one.dice for one in ours], axis=(0, 1))
    cells = (
        f"{ours[0].labelled} ({ours[0].share} %)",
        f"{ours[0].kind} ({len(ours)})",
        by_structure(dice, 3),
        f"{dice.mean():.3f}",
        _difference(ours, plain) if plain else "",
        by_structure(np.mean([one.hausdorff_mm for one in ours], axis=(0, 1)), 1),
        by_structure(np.mean([one.doubt for one in ours], axis=0), 2),
        f"{np.mean([one.ece for one in ours]):.3f}",
    )
    return f"| {' | '.join(cells)} |"


def _difference(ours: Sequence[Outcome], plain: Sequence[Outcome]) -> str:
    """Of the mean Dice over the seeds that both have, and what it is when patients are drawn anew (bootstrap)."""
    seeds = {one.seed for one in ours} & {one.seed for one in plain}
    if not seeds:
        return ""
    means = [_by_patient([one for one in group if one.seed in seeds]) for group in (ours, plain)]
    apart = np.array([means[0][name] - means[1][name] for name in sorted(means[0])])
    drawn = np.random.default_rng(0).integers(len(apart), size=(_DRAWS, len(apart)))
    low, high = np.quantile(apart[drawn].mean(axis=1), (0.025, 0.975))
    return f"{apart.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def _by_patient(outcomes: Sequence[Outcome]) -> dict[str, float]:
    dice = np.mean([one.dice for one in outcomes], axis=(0, 2))
    names = np.array(outcomes[0].patients)
    return {name: float(dice[names == name].mean()) for name in sorted(set(outcomes[0].patients))}
