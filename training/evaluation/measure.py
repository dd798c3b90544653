"""One judged head with known truth: its scores beside its Dice."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.brain.prediction import NoHeadFound, Prediction
from models.brain.refinement import probabilities_on
from models.brain.scores import classical, score, volume_intervals_ml, volumes_ml
from models.physics.artefacts import ARTEFACTS
from models.preprocess import FloatArray, Grid, canonical
from training.brain.networks import Networks
from training.synthesis.labelmaps import TISSUES
from training.truth import Labels, Truth, dice

#: Bins of confidence, equally wide from 0 to 1.
BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Voxels whose confidence falls into one bin: how many, their summed confidence, how many are right."""

    voxels: float
    confidence: float
    right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``dice`` by tissue, ``scores``, presence by ``causes``; all empty where no head was found.

    ``setting`` names what was done to the image besides its artefacts. ``volumes``: tissue -> low, point and high
    in mL, low and high NaN without an interval. ``reliability``: the voxels that were called a tissue, in ``BINS``
    bins of their confidence.
    """

    name: str
    severity: dict[str, float]
    dice: dict[str, float]
    scores: dict[str, float]
    causes: dict[str, float]
    setting: str = ""
    volumes: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    true_volumes_ml: Mapping[str, float] = field(default_factory=dict)
    reliability: Mapping[str, tuple[Bin, ...]] = field(default_factory=dict)

    @property
    def artefacts(self) -> tuple[str, ...]:
        """The artefacts present."""
        return tuple(name for name, value in self.severity.items() if value > 0)


def measure(truth: Truth, networks: Networks) -> Row:
    """Judge one volume by the daemon's own path and compare its labels with the truth."""
    try:
        return compare(networks.predict(truth.voxels, truth.affine), truth)
    except NoHeadFound:
        return unfound(truth)


def unfound(truth: Truth) -> Row:
    """The row of a volume in which no head was found."""
    return Row(name=truth.name, setting=truth.setting, severity=_severity(truth), dice={}, scores={}, causes={})


def compare(prediction: Prediction, truth: Truth, margins: Mapping[str, float] | None = None) -> Row:
    """One prediction beside the truth; ``margins`` by tissue widen its volumes' intervals."""
    labels, grid = _labels(truth)
    probabilities = probabilities_on(grid, prediction)
    return Row(
        name=truth.name,
        setting=truth.setting,
        severity=_severity(truth),
        dice=_dice_of(probabilities.argmax(axis=0), labels),
        scores={**score(prediction, TISSUES), **classical(prediction, TISSUES)},
        causes={artefact.value: value for artefact, value in prediction.causes.items()},
        volumes=volume_intervals(prediction, margins),
        true_volumes_ml=true_volumes(truth),
        reliability=reliability(probabilities, labels),
    )


def _severity(truth: Truth) -> dict[str, float]:
    return dict(zip((a.value for a in ARTEFACTS), truth.severity.tolist(), strict=True))


def dice_by_tissue(prediction: Prediction, truth: Truth) -> dict[str, float]:
    """Dice of each tissue over the whole field of view: tissue outside the network's box counts as missed."""
    labels, grid = _labels(truth)
    return _dice_of(probabilities_on(grid, prediction).argmax(axis=0), labels)


def _dice_of(found: npt.NDArray[np.integer], labels: Labels) -> dict[str, float]:
    return {name: dice(found == tissue, labels == tissue) for tissue, name in enumerate(TISSUES) if tissue}


def volume_intervals(
    prediction: Prediction, margins: Mapping[str, float] | None = None
) -> dict[str, tuple[float, float, float]]:
    """Low, point and high of each tissue's volume in mL."""
    points, intervals = volumes_ml(prediction, TISSUES), volume_intervals_ml(prediction, TISSUES, margins)
    return {name: (low, points[name], high) for name, (low, high) in intervals.items()}


def true_volumes(truth: Truth) -> dict[str, float]:
    """Volume of each tissue of the truth in mL, over its whole field of view."""
    labels, grid = _labels(truth)
    voxel_ml = float(np.prod(grid.spacing)) / 1000
    return {name: int((labels == tissue).sum()) * voxel_ml for tissue, name in enumerate(TISSUES) if tissue}


def reliability(probabilities: FloatArray, labels: Labels) -> dict[str, tuple[Bin, ...]]:
    """By tissue called, how often it is right at each confidence (the largest probability; Guo et al. 2017).

    ``probabilities`` (C, i, j, k) and ``labels`` (i, j, k) lie on one grid.
    """
    confidence, called = probabilities.max(axis=0), probabilities.argmax(axis=0)
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = {}
    for tissue, name in enumerate(TISSUES):
        if tissue:
            inside = called == tissue
            weights = (None, confidence[inside], labels[inside] == tissue)
            sums = (np.bincount(number[inside], weight, BINS) for weight in weights)
            bins[name] = tuple(
                Bin(voxels=float(n), confidence=float(c), right=float(r)) for n, c, r in zip(*sums, strict=True)
            )
    return bins


def _labels(truth: Truth) -> tuple[Labels, Grid]:
    """The true labels in canonical order and their grid."""
    labels, affine = canonical(truth.labels, truth.affine if truth.labels_affine is None else truth.labels_affine)
    return labels, Grid(labels.shape, affine)
