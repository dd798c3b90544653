"""Heads of people, each clean and spoilt by families of artefacts, judged: the numbers and the harm of every image.

The harm is the loss of Dice between an image's labels and those of the same image clean, both by the network: no label
is needed. Where there is one, the true loss of Dice stands beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt

from models.brain.appearance import numbers_of
from models.brain.familiarity import Space, distances, load_spaces
from models.brain.prediction import NoHeadFound, Outputs, Prediction, predict, prepare
from models.brain.refinement import probabilities_on
from models.brain.scores import JUDGED, tissue_contrast, volumes_ml
from models.bundle import load_bundle, structured
from models.methods.brain import BrainSettings
from models.physics.spectrum import named
from models.preprocess import Grid, canonical, coarsest_mm, nearest
from models.quality.iqm import measure as measure_image
from models.statistics.sampling import pairwise_dice
from training.brain.networks import BRAIN_GRID, Networks, bundle_networks
from training.harm.drawing import Drawing, images_of
from training.harm.rows import DICE, FACT, HARM, RIVAL, Cells, done_to, rows_by_severity, write_rows
from training.harm.stored_heads.t1 import stored_heads
from training.synthesis.labelmaps import TISSUES
from training.truth import Labels, Truth, dice

#: What MRIQC calls its measures that are compared with ours.
MRIQC = ("summary_bg_stdv", "efc", "fber", "cjv", "snr", "snrd", "cnr", "fwhm_avg", "qi_1_rayleigh")


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmPlan:
    """Judge the people of ``data`` with ``bundle`` and write every image's numbers to ``out``/images.csv.

    ``data``: sub-XX/anat/*_T1w.nii.gz; labels (*_desc-tissue_dseg.nii.gz) are needed for the true Dice alone.
    ``heads``: so many synthetic ones instead, ``data`` are label maps; where no bundle judges them, their severity is
    their harm and the spectrum their numbers. ``families``: "own" without the second simulator's.
    ``styles``: each person clean in so many other ways of acquisition, and some of the spoilt images begin there.
    ``repeats``: spoilt images of each person and family, ``share`` of which each person has, drawn at random.
    Severities are the square of an even draw, down to 0.02: mild ones are the most. A run that was stopped goes on with
    the next head.
    """

    data: Path
    out: Path
    bundle: Path | None = None
    heads: int = 0
    families: Literal["all", "own"] = "all"
    repeats: int = 1
    share: float = 1.0
    styles: int = 7
    people: int = 1000
    seed: int = 11
    threads: int = 0

    @property
    def drawing(self) -> Drawing:
        """How many of which images of each person."""
        return Drawing(
            repeats=self.repeats, share=self.share, styles=self.styles, seed=self.seed, torchio=self.families == "all"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A prediction, the volume it is of, and the Dice of samples of its labels with each other."""

    prediction: Prediction
    truth: Truth
    agreement: float


#: A volume -> what the networks say of it.
Judge = Callable[[Truth], Judged]


def write_images(plan: HarmPlan) -> Path:
    """Judge what was not judged before; the table.

    Raises:
        ValueError: no bundle judges people.
    """
    heads = stored_heads(plan.data, plan.seed, plan.heads) if plan.heads else _people(plan)
    if plan.bundle is None:
        if not plan.heads:
            raise ValueError("give --bundle to judge by; only synthetic heads need none")
        return write_rows(plan.out, heads, lambda head, number: rows_by_severity(head, plan.drawing, JUDGED, number))
    judge = judge_by(bundle_networks(plan.bundle, plan.threads))
    settings = structured(load_bundle(plan.bundle).manifest.settings, BrainSettings)
    spaces = load_spaces(plan.bundle / settings.familiarity)
    return write_rows(plan.out, heads, lambda head, number: _rows(judge, spaces, head, plan, number))


def _people(plan: HarmPlan) -> Iterator[tuple[str, Callable[[], Truth]]]:
    """The people of a folder, by the names of their files."""
    for path in head_files(plan.data)[: plan.people]:
        yield path.name.removesuffix("_T1w.nii.gz"), partial(read_head, path)


def head_files(folder: Path) -> list[Path]:
    """Every T1-weighted head below ``folder``.

    Raises:
        FileNotFoundError: there is none.
    """
    paths = sorted(folder.glob("sub-*/anat/*_T1w.nii.gz"))
    if not paths:
        raise FileNotFoundError(f"no sub-XX/anat/*_T1w.nii.gz in {folder}: give a folder of people with --data")
    return paths


def read_head(path: Path) -> Truth:
    """A head in canonical order; without labels all are 0."""
    image = nib.Nifti1Image.from_filename(path)
    voxels, affine = canonical(np.asarray(image.dataobj, np.float32), np.asarray(image.affine, float))
    drawn = path.with_name(path.name.replace("T1w", "desc-tissue_dseg"))
    labels = np.zeros(voxels.shape, np.uint8)
    if drawn.exists():
        silver = nib.Nifti1Image.from_filename(drawn)
        labels, _ = canonical(np.asarray(silver.dataobj).astype(np.uint8), np.asarray(silver.affine, float))
    return Truth(name=path.parts[-3], voxels=voxels, labels=labels, affine=affine)


def judge_by(networks: Networks) -> Judge:
    """Judges a volume by networks, its samples too."""
    return partial(_judge, networks)


def _judge(networks: Networks, truth: Truth) -> Judged:
    outputs: list[Outputs] = []

    def run(image: npt.NDArray[np.float32], features: npt.NDArray[np.float32]) -> Outputs:
        outputs.append(networks.judge(image, features))
        return outputs[0]

    prediction = predict(prepare(truth.voxels, truth.affine, BRAIN_GRID, networks.locate), run)
    out = Outputs(*(output[0] for output in outputs[0]))
    agreement = pairwise_dice(out.logits, prediction.probabilities, out.factor, out.deviation, TISSUES.index(JUDGED))
    return Judged(prediction=prediction, truth=truth, agreement=agreement)


def _rows(judge: Judge, spaces: Mapping[str, Space], person: Truth, plan: HarmPlan, number: int) -> Iterator[Cells]:
    """The rows of one head; none where no head is found."""
    grid, drawn = Grid(person.voxels.shape, person.affine), bool(person.labels.any())
    try:
        whole = judge(person)
    except NoHeadFound:
        return
    if not drawn:
        person = replace(person, labels=_called(whole.prediction, grid).astype(np.uint8))
        whole = replace(whole, truth=person)
    clean = {person.setting: whole}
    for spoilt in images_of(person, plan.drawing, number):
        try:
            look = spoilt.origin.setting
            if look not in clean:
                clean[look] = judge(spoilt.origin)
            judged = clean[look] if spoilt.image is spoilt.origin else judge(spoilt.image)
        except NoHeadFound:
            continue
        labels = np.where(seen_on(spoilt.origin, grid), person.labels, 0) if drawn else None
        yield {
            **done_to(person.name, spoilt),
            **_losses(judged.prediction, clean[look].prediction, labels, grid),
            **_beside(judged, spaces),
            **numbers_of(judged.prediction, TISSUES),
            **named(judged.prediction.features),
        }


def _losses(judged: Prediction, origin: Prediction, labels: Labels | None, grid: Grid) -> Cells:
    """The harm, and the true Dice where labels were drawn, of each tissue."""
    called, before = _called(judged, grid), _called(origin, grid)
    harm = {f"{HARM}{name}": 1 - dice(called == n, before == n) for n, name in enumerate(TISSUES) if n}
    true = {
        f"{DICE}{name}": float("nan") if labels is None else dice(called == n, labels == n)
        for n, name in enumerate(TISSUES)
        if n
    }
    return {**harm, **true}


def _beside(judged: Judged, spaces: Mapping[str, Space]) -> Cells:
    """What is compared with the regression, and what a verdict asks besides."""
    prediction, truth = judged.prediction, judged.truth
    measured = measure_image(np.asarray(truth.voxels, np.float32))
    fluid, grey = tissue_contrast(prediction, TISSUES)
    volumes = volumes_ml(prediction, TISSUES)
    facts = {**distances(prediction, spaces), "fluid contrast": fluid, "grey contrast": grey}
    return {
        **{f"{RIVAL}{name}": measured.get(name, float("nan")) for name in MRIQC},
        f"{RIVAL}pairwise dice": judged.agreement,
        **{f"{FACT}{name}": value for name, value in facts.items()},
        **{f"{FACT}{name} ml": value for name, value in volumes.items()},
        f"{FACT}coarsest mm": coarsest_mm(truth.affine),
    }


def _called(prediction: Prediction, grid: Grid) -> npt.NDArray[np.intp]:
    called: npt.NDArray[np.intp] = probabilities_on(grid, prediction).argmax(axis=0)
    return called


def seen_on(origin: Truth, grid: Grid) -> npt.NDArray[np.bool_]:
    """What of a grid (i, j, k) the image's field of view holds."""
    inside = Grid(origin.voxels.shape, origin.affine)
    return nearest(np.ones(inside.shape, np.bool_), inside, grid)
