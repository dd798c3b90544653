"""One judged head with known truth: its scores beside its Dice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.artefacts import ARTEFACTS
from models.kspace import Image
from models.prediction import NoHeadFound, Prediction
from models.preprocess import Affine, Grid, canonical, nearest
from models.scores import classical, score
from training.labelmaps import TISSUES
from training.networks import Networks

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A volume and its labels on the same grid, as read from a file; ``severity`` (5,) of each artefact in it."""

    name: str
    voxels: Image
    labels: Labels
    affine: Affine
    severity: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(len(ARTEFACTS), np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``dice`` by tissue, ``scores``, presence by ``causes``; all empty where no head was found."""

    name: str
    severity: dict[str, float]
    dice: dict[str, float]
    scores: dict[str, float]
    causes: dict[str, float]

    @property
    def artefacts(self) -> tuple[str, ...]:
        """The artefacts present."""
        return tuple(name for name, value in self.severity.items() if value > 0)


def measure(truth: Truth, networks: Networks) -> Row:
    """Judge one volume by the daemon's own path and compare its labels with the truth."""
    severity = dict(zip((a.value for a in ARTEFACTS), truth.severity.tolist(), strict=True))
    try:
        prediction = networks.predict(truth.voxels, truth.affine)
    except NoHeadFound:
        return Row(name=truth.name, severity=severity, dice={}, scores={}, causes={})
    return Row(
        name=truth.name,
        severity=severity,
        dice=dice_by_tissue(prediction, truth),
        scores={**score(prediction, TISSUES), **classical(prediction, TISSUES)},
        causes={artefact.value: value for artefact, value in prediction.causes.items()},
    )


def dice_by_tissue(prediction: Prediction, truth: Truth) -> dict[str, float]:
    """Dice of each tissue over the whole field of view: tissue outside the network's box counts as missed."""
    labels, affine = canonical(truth.labels, truth.affine)
    source = Grid(labels.shape, affine)
    found = nearest(prediction.labels, Grid(prediction.labels.shape, prediction.affine), source)
    return {name: dice(found == tissue, labels == tissue) for tissue, name in enumerate(TISSUES) if tissue}


def dice(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """2 |A and B| / (|A| + |B|); 1 for two empty masks."""
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 1.0


def measure_all(
    truths: Iterator[Truth], networks: Networks, report: Callable[[Row], None] = lambda _: None
) -> list[Row]:
    """Measure many; ``report`` is told each."""
    rows = []
    for truth in truths:
        rows.append(measure(truth, networks))
        report(rows[-1])
    return rows
