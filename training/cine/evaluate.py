"""Hearts that no network trained on, judged by the bundle's own code; ``python -m training cine-evaluate`` prints it.

Millimetres are those of the files' headers: nominal where the source lost them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.cine.numbers import numbers_of
from models.cine.reading import DETAIL_GRAPH, dropout_deviation
from models.graphs import Run
from models.nets.cine import CineConfig, CineJudge
from training.cine.calibration import Pixels, fitted_temperature
from training.cine.judge import Judged, Patient, judge_patients, torch_graphs
from training.cine.stacks import folds
from training.cine.tables import calibration_table, dice_table, doubt_table, place_table, volume_table
from training.cine.widths import fitted_margins
from training.running.run import load_weights

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CineEvaluationPlan:
    """``data``: folder of stacks; ``runs``: where the checkpoint of each fold lies, ``{fold}`` for its number.

    ``passes``: with dropout, on both phases, for the table of doubt; 0: none.
    """

    data: Path
    runs: str = "runs/cine-fold{fold}-stochastic"
    passes: int = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fold:
    """The patients that one network did not see, judged by it."""

    patients: tuple[Patient, ...]
    graphs: dict[str, Run]


def evaluate_cine(plan: CineEvaluationPlan) -> None:
    """Judge every patient by the network that was trained without it, and print every table."""
    judged = judged_folds(plan)
    if not judged:
        raise FileNotFoundError(f"no checkpoint at {plan.runs}: train cine and cine-stochastic first")
    print(*tables_of(judged, plan.passes), sep="\n")


def judged_folds(plan: CineEvaluationPlan) -> list[Fold]:
    """Every fold that there is a checkpoint for."""
    found = []
    for number, patients in enumerate(folds(plan.data)):
        checkpoint = Path(plan.runs.format(fold=number)) / "checkpoint.pt"
        if checkpoint.exists():
            judge = CineJudge()
            load_weights(checkpoint, judge)
            graphs = torch_graphs(judge)
            found.append(Fold(patients=tuple(judge_patients(plan.data, patients, graphs)), graphs=graphs))
    return found


def tables_of(judged: list[Fold], passes: int) -> Iterator[str]:
    """Markdown; temperature and margins of each patient come from all others."""
    patients = [patient for fold in judged for patient in fold.patients]
    graphs = [fold.graphs for fold in judged for _ in fold.patients]
    pixels = [Pixels.of(patient.both) for patient in patients]
    temperature = fitted_temperature(Pixels.joined(pixels))
    margins = [fitted_margins([p for p in patients if p is not patient]) for patient in patients]
    numbers = [numbers_of(p.reading, p.pixel_ml, m) for p, m in zip(patients, margins, strict=True)]
    yield f"{len(patients)} patients of {len(judged)} folds"
    yield ""
    yield from dice_table(patients)
    yield ""
    yield from volume_table(patients, numbers)
    yield ""
    yield from doubt_table(patients, _passes(patients, graphs, passes) if passes else None)
    yield ""
    yield from place_table(patients)
    yield ""
    yield from calibration_table(Pixels.joined(pixels), temperature)


def _passes(patients: list[Patient], graphs: list[dict[str, Run]], passes: int) -> Callable[[Judged], FloatArray]:
    """Deviation of several passes, summed over each slice of a phase."""
    of = {p.name: g for p, g in zip(patients, graphs, strict=True)}
    channels = sum(CineConfig().masks)

    def deviation(one: Judged) -> FloatArray:
        found = dropout_deviation(one.phase, one.gap_mm, of[one.patient][DETAIL_GRAPH], channels, passes)
        return np.asarray(found[1:].sum(axis=(1, 2)), float)

    return deviation
