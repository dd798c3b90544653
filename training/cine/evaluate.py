"""Hearts that no network trained on, judged by the bundle's own code; ``python -m training cine-evaluate`` prints it.

Millimetres are those of the files' headers: nominal where the source lost them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle, load_bundle
from models.cine.masks import between
from models.cine.numbers import numbers_of
from models.cine.plausibility import MASK_GRAPH
from models.cine.reading import CLASSES, DETAIL_GRAPH, dropout_deviation
from models.cine.scores import CineSettings
from models.graphs import Run
from models.methods.cine import CineMethod, keeping_all
from models.nets.cine import CineConfig, CineJudge
from models.nets.masks import MaskNet
from training.cine.calibration import Pixels, fitted_temperature
from training.cine.causes import cause_table, spoilt_slices, told_by_others
from training.cine.figures import draw_cine_figures
from training.cine.judge import Judged, Patient, judge_patients, torch_graphs
from training.cine.mask_faults import Mask, mask_fault_table
from training.cine.stacks import folds
from training.cine.tables import calibration_table, dice_table, doubt_table, place_table, volume_table
from training.cine.widths import fitted_margins, fitted_scales
from training.graphs import graphs_of
from training.running.run import load_weights

FloatArray = npt.NDArray[np.float64]
#: A mask of this Dice or more in every structure is a good one.
GOOD_DICE = 0.7
#: A structure of so many pixels in a slice (90 mm2) is not missed by chance.
_SOME_PX = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class CineEvaluationPlan:
    """``data``: folder of stacks; ``runs``: where the checkpoints of the ``folds`` lie, ``{fold}`` for a number.

    ``masks``: the same of the autoencoders of masks; empty: none. ``bundle``: judge everybody by it instead, with its
    own temperature and margins; hearts that it was trained on are no test of it. ``passes``: with dropout, on both
    phases, for the table of doubt; 0: none. ``figures``: a folder for the figures, too.
    """

    data: Path
    bundle: Path | None = None
    runs: str = "runs/cine-fold{fold}-stochastic"
    masks: str = ""
    folds: int = 5
    passes: int = 10
    temperature: float = 1.0
    figures: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fold:
    """The patients that one network did not see, judged by it."""

    number: int
    patients: tuple[Patient, ...]
    graphs: dict[str, Run]


def evaluate_cine(plan: CineEvaluationPlan) -> None:
    """Judge every patient by the network that was trained without it, or by a bundle, and print every table."""
    settings = None
    if plan.bundle is not None:
        bundle = load_bundle(plan.bundle)
        settings = CineMethod(bundle).settings
        judged = [_judged_by(bundle, settings, plan.data)]
    else:
        judged = judged_folds(plan)
    if not judged:
        raise FileNotFoundError(f"no checkpoint at {plan.runs}: train cine and cine-stochastic first")
    for line in tables_of(judged, plan.passes, settings):
        print(line, flush=True)
    print()
    for line in fault_tables(judged, plan, settings):
        print(line, flush=True)
    if plan.figures is not None:
        patients = [patient for fold in judged for patient in fold.patients]
        fitted = fitted_temperature(Pixels.joined([Pixels.of(patient.both) for patient in patients]))
        draw_cine_figures(patients, settings.temperature if settings else fitted, plan.figures)


def _judged_by(bundle: Bundle, settings: CineSettings, data: Path) -> Fold:
    """Everybody by one bundle, on ONNX Runtime."""
    graphs = graphs_of(bundle)
    graphs[DETAIL_GRAPH] = keeping_all(graphs[DETAIL_GRAPH], settings.channels)
    patients = tuple(patient for part in folds(data) for patient in part)
    judged = tuple(judge_patients(data, patients, graphs, settings.temperature))
    return Fold(number=-1, patients=judged, graphs=graphs)


def judged_folds(plan: CineEvaluationPlan) -> list[Fold]:
    """Every fold that there is a checkpoint for."""
    found = []
    for number, patients in enumerate(folds(plan.data, plan.folds)):
        checkpoint = Path(plan.runs.format(fold=number)) / "checkpoint.pt"
        if checkpoint.exists():
            judge = CineJudge()
            load_weights(checkpoint, judge)
            graphs = torch_graphs(judge, _masks(plan.masks, number))
            judged = tuple(judge_patients(plan.data, patients, graphs, plan.temperature))
            found.append(Fold(number=number, patients=judged, graphs=graphs))
    return found


def _masks(runs: str, fold: int) -> MaskNet | None:
    """The autoencoder that left a fold out."""
    if not runs:
        return None
    network = MaskNet()
    load_weights(Path(runs.format(fold=fold)) / "checkpoint.pt", network)
    return network


def tables_of(judged: list[Fold], passes: int, settings: CineSettings | None = None) -> Iterator[str]:
    """Markdown; without a bundle's settings one temperature is fitted, scales and margins of each patient on others."""
    patients = [patient for fold in judged for patient in fold.patients]
    graphs = [fold.graphs for fold in judged for _ in fold.patients]
    pixels = [Pixels.of(patient.both) for patient in patients]
    margins: list[Mapping[str, tuple[float, float]]]
    scales: list[Mapping[str, float]]
    if settings is None:
        temperature = fitted_temperature(Pixels.joined(pixels))
        others = [[p for p in patients if p is not patient] for patient in patients]
        margins, scales = [fitted_margins(ones) for ones in others], [fitted_scales(ones) for ones in others]
    else:
        temperature, margins = settings.temperature, [settings.interval_margins] * len(patients)
        scales = [settings.volume_scales] * len(patients)
    told = zip(patients, margins, scales, strict=True)
    numbers = [numbers_of(p.reading, p.pixel_ml, margin, scale) for p, margin, scale in told]
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


def fault_tables(judged: list[Fold], plan: CineEvaluationPlan, settings: CineSettings | None = None) -> Iterator[str]:
    """Faults planted in good masks, and in slices: causes told by other patients', or by a bundle's regression."""
    if good := good_masks(judged):
        yield from mask_fault_table(good)
        yield ""
    examples = spoilt_slices(plan.data, plan.folds)
    told = told_by_others(examples) if settings is None else settings.causes.probabilities(examples.textures)
    yield from cause_table(examples, told)


def good_masks(judged: list[Fold], least: float = GOOD_DICE) -> list[Mask]:
    """The masks of a Dice above ``least`` in every structure, each with the autoencoder that left its patient out.

    None that lacks a structure in a slice between its ends where the truth has it: that is a fault by itself.
    """
    return [
        Mask(labels=one.phase.labels, gap_mm=one.gap_mm, run=fold.graphs.get(MASK_GRAPH))
        for fold in judged
        for patient in fold.patients
        for one in patient.both
        if _worst_dice(one) > least and not _lacks_one(one)
    ]


def _lacks_one(one: Judged) -> bool:
    """Whether a structure of some extent is missing in a slice with heart on both sides."""
    inner = between(one.phase.labels)
    true, said = (
        np.stack([(labels == number).sum(axis=(0, 1)) for number in range(1, len(CLASSES))])
        for labels in (one.truth, one.phase.labels)
    )
    return bool(((true >= _SOME_PX) & (said == 0))[:, inner].any())


def _worst_dice(one: Judged) -> float:
    """Of the structures of a phase."""
    return min(one.dice(one.phase.labels, number) for number in range(1, len(CLASSES)))


def _passes(patients: list[Patient], graphs: list[dict[str, Run]], passes: int) -> Callable[[Judged], FloatArray]:
    """Deviation of several passes, summed over each slice of a phase."""
    of = {p.name: g for p, g in zip(patients, graphs, strict=True)}
    channels = sum(CineConfig().masks)

    def deviation(one: Judged) -> FloatArray:
        found = dropout_deviation(one.phase, one.gap_mm, of[one.patient][DETAIL_GRAPH], channels, passes)
        return np.asarray(found[1:].sum(axis=(1, 2)), float)

    return deviation
