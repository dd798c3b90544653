"""FLAIR heads clean and spoilt by every family of artefacts, judged by a bundle: the numbers and the loss of each.

The harm is the loss of Dice between an image's lesions and those of the same head clean, both by the network; where a
mask was drawn, the true Dice stands beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.brain.appearance import describe_image
from models.bundle import Bundle, load_bundle
from models.findings import NotThis
from models.graphs import Run
from models.lesions.prediction import Prediction
from models.lesions.scores import single_pass
from models.methods.lesions import ROLE, Lesions, mask_on_own_grid
from models.physics.spectrum import named
from models.preprocess import Grid, on_own_grid
from models.quality.iqm import measure
from models.subject import Subject, still
from training.graphs import graphs_of
from training.harm.drawing import Drawing, images_of
from training.harm.judging import seen_on
from training.harm.rows import DICE, HARM, Cells, done_to, rows_by_severity, write_rows
from training.harm.stored_heads.flair import draw_stored_head
from training.lesions.atlas import Atlas, load_atlas
from training.lesions.people import Flair, read_flairs
from training.truth import Truth, dice

#: What is segmented, in the names of the table's columns, and what its measures by formula begin with.
TISSUE, BY_FORMULA = "lesions", "iqm "
_MEASURES = (
    *("cut_both_ends", "lines_rough", "dark_level", "snr", "snrd", "fber", "efc", "qi_1_rayleigh", "cjv", "cnr"),
    *("fwhm_avg", "inu_range", "slice_step", "interleave", "zeros", "summary_bg_stdv", "summary_bg_k"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionHarmPlan:
    """Judge FLAIR of people, or ``heads`` synthetic ones, with ``bundle``; every image's numbers in ``out``/images.csv.

    ``data``: people as ``evaluate lesions`` finds them, the masks may lack; with ``heads`` the folder with labelmaps/,
    whose registrations are kept in ``atlas``. ``styles``, ``repeats``, ``share``: as in ``harm``;
    ``families``: "own" without the second simulator's; ``precision``: bf16 is by
    OpenVINO. ``loss``: of synthetic heads "severity" takes an artefact's severity for its harm, the spectrum for the
    numbers, and no ``bundle``. A run that was stopped goes on with the next head.
    """

    data: Path
    out: Path
    bundle: Path | None = None
    heads: int = 0
    atlas: Path = Path("runs/lesions/atlas")
    repeats: int = 1
    share: float = 1.0
    styles: int = 7
    families: Literal["all", "own"] = "all"
    seed: int = 11
    precision: Literal["f32", "bf16"] = "f32"
    loss: Literal["dice", "severity"] = "dice"

    @property
    def drawing(self) -> Drawing:
        """How many of which images of each person."""
        return Drawing(
            repeats=self.repeats, share=self.share, styles=self.styles, seed=self.seed, torchio=self.families == "all"
        )


def write_lesion_images(plan: LesionHarmPlan) -> Path:
    """Judge what was not judged before; the table.

    Raises:
        ValueError: no bundle judges people, or heads by Dice.
    """
    if plan.loss == "severity" and plan.heads:
        return write_rows(
            plan.out, _flairs(plan), lambda flair, number: rows_by_severity(flair.truth, plan.drawing, TISSUE, number)
        )
    if plan.bundle is None:
        raise ValueError("give --bundle to judge by; only synthetic heads with --loss severity need none")
    judge = Judge.of(load_bundle(plan.bundle), plan.precision)
    return write_rows(plan.out, _flairs(plan), lambda flair, number: _rows(judge, flair, plan.drawing, number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A bundle's method and its graphs."""

    method: Lesions
    graphs: Mapping[str, Run]

    @classmethod
    def of(cls, bundle: Bundle, precision: str) -> "Judge":
        """The bundle's own."""
        return cls(method=Lesions(bundle), graphs=graphs_of(bundle, precision))

    def predict(self, head: Truth) -> Prediction:
        """What the networks say of a FLAIR alone.

        Raises:
            NotThis: there is no head.
        """
        prepared = self.method.prepare(Subject(images={ROLE: still(head.voxels, head.affine)}), self.graphs)
        return self.method.network(self.graphs).predict(prepared)

    def called(self, head: Truth, prediction: Prediction) -> npt.NDArray[np.bool_]:
        """Where lesion is called on the grid of ``head``, (i, j, k)."""
        threshold = self.method.settings.threshold
        return mask_on_own_grid(prediction, threshold, still(head.voxels, head.affine)) > 0


def _flairs(plan: LesionHarmPlan) -> Iterator[tuple[str, Callable[[], Flair]]]:
    """Each head by its key."""
    if not plan.heads:
        yield from ((flair.key, partial(_same, flair)) for flair in read_flairs(plan.data))
        return
    atlas = load_atlas(plan.data, plan.atlas)
    for number in range(plan.heads):
        key = f"synthetic-{plan.seed}-{number}"
        yield key, partial(_drawn, atlas, key, plan.seed, number)


def _same(flair: Flair) -> Flair:
    return flair


def _drawn(atlas: Atlas, key: str, seed: int, number: int) -> Flair:
    return Flair(key=key, truth=draw_stored_head(atlas, seed, number))


def _rows(judge: Judge, flair: Flair, drawing: Drawing, number: int) -> Iterator[Cells]:
    """The rows of one head; none where no head is found."""
    try:
        whole = judge.predict(flair.truth)
    except NotThis:
        return
    head = _with_brain(flair.truth, whole)
    clean = {head.setting: whole}
    for spoilt in images_of(head, drawing, number):
        look = spoilt.origin.setting
        try:
            if look not in clean:
                clean[look] = judge.predict(spoilt.origin)
            judged = clean[look] if spoilt.image is spoilt.origin else judge.predict(spoilt.image)
        except NotThis:
            continue
        called, before = judge.called(head, judged), judge.called(head, clean[look])
        seen = seen_on(spoilt.origin, Grid(head.voxels.shape, head.affine))
        yield {
            **done_to(flair.truth.name, spoilt),
            f"{HARM}{TISSUE}": 1 - dice(called, before),
            f"{DICE}{TISSUE}": float("nan") if flair.mask is None else dice(called & seen, flair.mask & seen),
            **_numbers(judged, spoilt.image),
        }


def _numbers(prediction: Prediction, image: Truth) -> dict[str, float]:
    """The spectrum of the stored image, what the network saw, the plain pass, measures by formula."""
    return {
        **named(prediction.features),
        **describe_image(prediction.image, prediction.tissues.argmax(axis=0) > 0),
        **single_pass(prediction),
        **{f"{BY_FORMULA}{name}": value for name, value in _by_formula(image).items()},
    }


def _by_formula(image: Truth) -> dict[str, float]:
    """The quality measures of the stored image, those that every image has; along the axes of its slices."""
    across = int(Grid(image.voxels.shape, image.affine).spacing.argmax())
    measured = measure(np.asarray(image.voxels, np.float32), slice_axis=across)
    ghosts = [measured.get(f"gsr_{axis}", 0.0) for axis in "xyz"]
    return {**{name: measured.get(name, 0.0) for name in _MEASURES}, "gsr": float(np.nanmax([0.0, *ghosts]))}


def _with_brain(head: Truth, prediction: Prediction) -> Truth:
    """A head without labels with what the networks call brain: it is what an extraction keeps."""
    if head.labels.any():
        return head
    grid = Grid(prediction.probability.shape, prediction.affine)
    brain = on_own_grid(prediction.tissues[1:].sum(axis=0), grid, head.voxels, head.affine)
    return replace(head, labels=(brain >= 0.5).astype(np.uint8))
