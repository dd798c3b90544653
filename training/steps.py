"""The steps of ``python -m training``: the plan of each, what it runs, and its summary."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.brain.borders import BordersPlan, fit_borders
from training.brain.cascade import CascadePlan, train_cascade
from training.brain.cause import CausePlan, train_cause, write_features
from training.brain.locate import LocatePlan, train_locator
from training.brain.stochastic import StochasticPlan, train_stochastic
from training.brain.student import StudentPlan, train_student
from training.brain.task import TaskPlan, train_task
from training.brain.variances import VariancesPlan, train_variances
from training.cine.evaluate import CineEvaluationPlan, evaluate_cine
from training.cine.mask_autoencoder import MaskPlan, train_masks
from training.cine.refinement.selection import SelectionPlan, select
from training.cine.refinement.train import RefinementPlan, refine
from training.cine.semisupervised.shares import SharesPlan, compare_shares
from training.cine.stochastic import CineStochasticPlan, train_cine_stochastic
from training.cine.train import CinePlan, train_cine
from training.evaluation.evaluate import EvaluationPlan, TablesPlan, evaluate, print_tables
from training.evaluation.figures import FiguresPlan, draw_figures
from training.evaluation.manual import ManualPlan, compare_with_otsu
from training.harm.causes import CausesPlan, print_causes
from training.harm.evaluated import BrainEvaluationPlan
from training.harm.flair_images import LesionHarmPlan, write_lesion_images
from training.harm.judging import HarmPlan, write_images
from training.harm.tables import HarmTablesPlan, print_harm
from training.harm.verdict_tables import evaluate_brain
from training.lesions.evaluate import LesionEvaluationPlan, evaluate_lesions
from training.lesions.reconstruction.train import ReconstructionPlan, train_reconstruction
from training.lesions.train import LesionPlan, train_lesions
from training.running.options import add_options
from training.synthesis.anatomy import write_bank
from training.synthesis.labelmaps import load_label_maps


@dataclass(frozen=True, slots=True, kw_only=True)
class BankPlan:
    """Where the deformed anatomies go, and how many."""

    out: Path
    label_maps: Path
    count: int = 500
    seed: int = 0


def _bank(plan: BankPlan) -> None:
    write_bank(plan.out, load_label_maps(plan.label_maps), plan.count, plan.seed)


def _cause(plan: CausePlan) -> None:
    write_features(plan)
    train_cause(plan)


_ABOUT = (
    "Every option is a field of the step's plan; a run that is started again in its folder goes on where it stopped."
)
_STEPS: dict[str, tuple[type[Any], Callable[[Any], object], str]] = {
    "bank": (BankPlan, _bank, "deform the label maps into a bank of anatomies"),
    "locate": (LocatePlan, train_locator, "train the locator"),
    "task": (TaskPlan, train_task, "train the task network on clean heads"),
    "student": (
        StudentPlan,
        train_student,
        "train segmentation and variances on corrupted heads, from the task network",
    ),
    "variances": (VariancesPlan, train_variances, "train the variances alone, on what the student's labels do"),
    "stochastic": (StochasticPlan, train_stochastic, "train how the labels vary together (paper 003)"),
    "borders": (BordersPlan, fit_borders, "fit the borders between tissues on the MNI152 template"),
    "cascade": (CascadePlan, train_cascade, "train task network, teachers and student of paper 000"),
    "cause": (CausePlan, _cause, "describe images by their spectrum and train the cause head"),
    "evaluate": (EvaluationPlan, evaluate, "judge heads with known truth and write the tables"),
    "evaluate brain": (
        BrainEvaluationPlan,
        evaluate_brain,
        "judge any people's heads by a bundle's verdicts, every table",
    ),
    "harm": (HarmPlan, write_images, "judge people clean and spoilt by families of artefacts: what each image loses"),
    "harm-tables": (HarmTablesPlan, print_harm, "print how well that loss is told of people and families never seen"),
    "causes": (
        CausesPlan,
        print_causes,
        "print how well artefacts are named and what is decided by it, of people that no regression saw",
    ),
    "cine": (CinePlan, train_cine, "train labels and distance maps of short-axis hearts"),
    "cine-stochastic": (CineStochasticPlan, train_cine_stochastic, "train how the labels of a heart vary together"),
    "cine-masks": (MaskPlan, train_masks, "train the autoencoder of hearts' masks"),
    "cine-refine": (
        RefinementPlan,
        refine,
        "refine a network of hearts on hearts without labels, by the autoencoder of masks, with a guard (paper 004)",
    ),
    "cine-shares": (
        SharesPlan,
        compare_shares,
        "train hearts from the labels of a share of the patients, with and without the others' images (paper 002)",
    ),
    "cine-select": (
        SelectionPlan,
        select,
        "choose among several networks' masks of a heart by the autoencoder of masks (paper 004)",
    ),
    "cine-evaluate": (
        CineEvaluationPlan,
        evaluate_cine,
        "judge hearts by runs that left them out, or by a bundle (also: evaluate cine)",
    ),
    "lesions": (LesionPlan, train_lesions, "train the network of white-matter lesions on synthetic FLAIR"),
    "lesions-harm": (
        LesionHarmPlan,
        write_lesion_images,
        "judge FLAIR clean and spoilt by families of artefacts: the numbers and the loss of each image",
    ),
    "lesions-reconstruction": (
        ReconstructionPlan,
        train_reconstruction,
        "train the network that draws a FLAIR without its lesions (paper 001)",
    ),
    "evaluate lesions": (
        LesionEvaluationPlan,
        evaluate_lesions,
        "judge people's lesions by a bundle, clean and spoilt",
    ),
    "figures": (FiguresPlan, draw_figures, "draw the figures of an evaluation"),
    "manual": (ManualPlan, compare_with_otsu, "compare grey matter with labels drawn by hand, beside a threshold"),
    "tables": (TablesPlan, print_tables, "print the tables of an evaluation again"),
}


def run(given: Sequence[str]) -> None:
    """Run the step that the arguments name."""
    arguments = list(given)
    if arguments[:2] == ["evaluate", "cine"]:
        arguments[:2] = ["cine-evaluate"]
    parser = argparse.ArgumentParser(prog="python -m training", description=_ABOUT)
    steps = parser.add_subparsers(dest="step", required=True)
    for name, (plan, _, summary) in _STEPS.items():
        step = steps.add_parser(name, help=summary, description=f"{summary}. {plan.__doc__}")
        add_options(step, plan)
    chosen = vars(parser.parse_args(_joined(arguments)))
    plan, execute, _ = _STEPS[chosen.pop("step")]
    execute(plan(**chosen))


def _joined(arguments: Sequence[str]) -> list[str]:
    """The arguments with a step of two words in one."""
    step = " ".join(arguments[:2])
    return [step, *arguments[2:]] if step in _STEPS else list(arguments)
