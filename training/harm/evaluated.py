"""What is evaluated of heads, by which bundles, and what they answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.core.values import State
from training.evaluation.measure import Row
from training.truth import Truth

#: Who spoilt an image.
OWN, TORCHIO, GIVEN = "own", "torchio", "given"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainEvaluationPlan:
    """Judge people with ``bundle``, and with a second one ``beside`` it, by the daemon's own path; print every table.

    ``data``: people as sub-XX/anat/sub-XX_T1w.nii.gz, each with sub-XX_desc-tissue_dseg.nii.gz beside it (0 background,
    1 CSF, 2 grey, 3 white matter); without it there is no Dice, but the harm against the labels of the clean head. Each
    is judged clean and spoilt ``repeats`` times by every artefact of our simulator and of torchio's.

    ``images``: a folder of images of these people that are spoilt already, instead. Any .nii or .nii.gz below it counts
    whose path holds the person's name (sub-01/noise_3.nii.gz, sub-01_motion-2_T1w.nii.gz), on any grid in the world of
    the person's T1w. What was done to an image is read from a table at the top of the folder (*.csv or *.tsv with a
    column file, and as far as known artefact, family, severity from 0 to 1), else from words of its path: clean, noise,
    spike, blur, wrap, motion (or aliasing, ghosting, ...). The clean image of ``data`` is judged with them.

    What was judged stands in ``out``/judged.jsonl, and is not judged again; the tables in ``out``/report.md.
    """

    data: Path
    bundle: Path
    images: Path | None = None
    beside: Path | None = None
    out: Path = Path("runs/evaluation")
    people: int = 1000
    repeats: int = 2
    seed: int = 100
    threads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a bundle answered: the verdict, the presence of each cause, the loss where it tells it (else NaN)."""

    state: State
    cause: str
    presence: Mapping[str, float]
    expected: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    unfamiliar: bool = False
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """One image: who spoilt it how, its ``row`` beside the truth, its ``harm`` against the same head clean.

    ``labelled``: whether the row's Dice is against drawn labels; ``rivals``: measures that are compared with ours.
    """

    key: str
    head: str
    person: str
    artefact: str
    simulator: str
    labelled: bool
    row: Row
    harm: float
    rivals: Mapping[str, float]
    answers: Mapping[str, Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An image that is made when it is asked for."""

    key: str
    head: str
    artefact: str
    simulator: str
    make: Callable[[], Truth]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One head of the data: its clean image and the images that are made of it."""

    truth: Truth
    cases: tuple[Case, ...]
