"""Series with known lesions as the bundle's method sees them: Dice, volumes, and every number that is told."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.findings import NotThis
from models.graphs import Run
from models.lesions.prediction import LesionNetwork, Prediction, Prepared
from models.lesions.scores import doubtful_ml, lesion_ml, several_passes, single_pass, volumes_of
from models.methods.lesions import ROLE, T1, Lesions
from models.physics.spectrum import describe
from models.preprocess import FloatArray, Grid, on_own_grid
from models.subject import Subject, still
from training.lesions.anatomy import SPACING_MM
from training.lesions.examples import Example, Stream
from training.lesions.people import Person
from training.lesions.reconstruction.errors import Redraw, error_numbers, fill
from training.truth import dice

#: Thresholds that are tried.
THRESHOLDS = tuple(np.round(np.arange(0.05, 0.951, 0.05), 2).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One judged series. ``by_threshold``: Dice at each of ``THRESHOLDS``; ``doubt_ml``: see ``doubtful_ml``.

    ``numbers`` of the plain pass and ``passes`` of several; ``sampled_ml``: volume in each of them; ``outliers``: Dice
    and volume in mL of thresholding white matter (``outliers``); ``errors`` by the network that draws a FLAIR without
    lesions, and ``filled`` by filling the mask from about it (``error_numbers``).
    """

    name: str
    spoilt: str
    load_ml: float
    dice: float
    volume_ml: float
    doubt_ml: float
    by_threshold: Sequence[float]
    numbers: Mapping[str, float]
    passes: Mapping[str, float] = field(default_factory=dict)
    sampled_ml: Sequence[float] = ()
    outliers: Sequence[float] = ()
    errors: Mapping[str, float] = field(default_factory=dict)
    filled: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked beside the plain pass: ``passes`` with dropped channels, and error maps by ``redraw``."""

    passes: int = 0
    redraw: Redraw | None = None


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """One JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))


def read_rows(path: Path) -> list[Row]:
    """What ``write_rows`` wrote."""
    return [Row(**json.loads(line)) for line in path.read_text().splitlines()]


def judge_person(
    person: Person,
    method: Lesions,
    graphs: Mapping[str, Run],
    asked: Asked | None = None,
    *,
    beside: bool = False,
) -> Row | None:
    """One person, with the T1 ``beside`` the FLAIR or without; None where the method cannot judge the series."""
    images = {ROLE: still(person.voxels, person.affine), **({T1: person.t1} if person.t1 and beside else {})}
    try:
        prepared = method.prepare(Subject(images=images), graphs)
    except NotThis:
        return None
    network = method.network(graphs)
    prediction = network.predict(prepared)
    own = _on_grid_of(person, prediction.probability, prediction)
    bright = _on_grid_of(person, prediction.image, prediction) >= prediction.level
    called = (own >= method.settings.threshold) & bright
    found, volume = outliers(prediction)
    return Row(
        name=person.name,
        spoilt=person.spoilt,
        load_ml=person.load_ml,
        dice=dice(called, person.mask),
        by_threshold=[dice((own >= threshold) & bright, person.mask) for threshold in THRESHOLDS],
        outliers=(dice(_on_grid_of(person, found.astype(np.float32), prediction) >= 0.5, person.mask), volume),
        **_told(prediction, prepared, network, asked),
    )


def judge_synthetic(stream: Stream, count: int, network: LesionNetwork, asked: Asked | None = None) -> Iterator[Row]:
    """The first heads of a stream."""
    for number in range(count):
        example = stream.example(number)
        prepared = _prepared(example, network.contrasts)
        truth = example.lesions[0, 0].numpy() >= 0.5
        prediction = network.predict(prepared)
        yield Row(
            name=f"synthetic-{number}",
            spoilt="",
            load_ml=int(truth.sum()) * prediction.voxel_ml,
            dice=dice(prediction.mask, truth),
            by_threshold=[dice(prediction.called_from(one), truth) for one in THRESHOLDS],
            **_told(prediction, prepared, network, asked),
        )


def _told(prediction: Prediction, prepared: Prepared, network: LesionNetwork, asked: Asked | None) -> dict[str, Any]:
    passes, redraw = (asked.passes, asked.redraw) if asked else (0, None)
    samples = network.sample(prepared, prediction.level, passes) if passes else None
    sampled = () if samples is None else (volumes_of(samples) * prediction.voxel_ml).tolist()
    return {
        "volume_ml": lesion_ml(prediction.mask, prediction),
        "doubt_ml": doubtful_ml(prediction),
        "numbers": single_pass(prediction),
        "passes": {} if samples is None else several_passes(samples, prediction),
        "sampled_ml": sampled,
        "errors": {} if redraw is None else error_numbers(prediction, redraw),
        "filled": {} if redraw is None else error_numbers(prediction, fill),
    }


def outliers(prediction: Prediction, deviations: float = 3.0) -> tuple[npt.NDArray[np.bool_], float]:
    """White matter brighter than its median by so many deviations (median absolute deviation), and its volume in mL.

    The rival: it needs no lesion to have been seen. White matter is the network's own, with what it calls lesion.
    """
    image = prediction.image
    white = (prediction.tissues.argmax(axis=0) == 3) | prediction.mask
    inside = image[white]
    if not inside.size:
        return np.zeros(image.shape, bool), 0.0
    middle = float(np.median(inside))
    spread = 1.4826 * float(np.median(np.abs(inside - middle)))
    found = white & (image > middle + deviations * spread)
    return found, lesion_ml(found, prediction)


def _prepared(example: Example, contrasts: int) -> Prepared:
    images = example.images.numpy()[:, :contrasts]
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    grid = Grid(images.shape[2:], affine)
    return Prepared(images=images, grid=grid, features=describe(images[0, 0], affine))


def _on_grid_of(person: Person, values: FloatArray, prediction: Prediction) -> FloatArray:
    return on_own_grid(values, Grid(prediction.probability.shape, prediction.affine), person.voxels, person.affine)
