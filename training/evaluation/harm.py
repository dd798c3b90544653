"""Heads of people, each clean and spoilt by families of artefacts, judged: the numbers and the harm of every image.

The harm is the loss of Dice between an image's labels and those of the same image clean, both by the network: no label
is needed. Where there is one, the true loss of Dice stands beside it.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.brain.appearance import numbers_of
from models.brain.prediction import NoHeadFound, Prediction
from models.brain.refinement import probabilities_on
from models.physics.artefacts import ARTEFACTS
from models.physics.effects import spoil
from models.physics.families import FAMILIES
from models.preprocess import Grid, canonical, nearest
from training.brain.networks import Networks, onnx_networks
from training.evaluation.cases import by_the_second_scanner, real_people
from training.synthesis.acquisition import draw_style
from training.synthesis.labelmaps import TISSUES
from training.truth import Labels, Truth, dice

#: An image of no known family: clean.
CLEAN = "clean"


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmPlan:
    """Judge the people of ``data`` with ``bundle`` and write every image's numbers to ``out``/images.csv.

    ``repeats``: spoilt images of each person and family; every second one has an acquisition style of its own.
    ``styles``: clean images of each person in other styles. A run that was stopped goes on with the next person.
    """

    data: Path
    bundle: Path
    out: Path
    repeats: int = 1
    styles: int = 3
    people: int = 1000
    seed: int = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoilt:
    """One image to be judged: its ``origin`` clean in the same style, what was done to it."""

    image: Truth
    origin: Truth
    artefact: str = CLEAN
    family: str = CLEAN
    severity: float = 0.0


def write_images(plan: HarmPlan) -> Path:
    """Judge what was not judged before; the table."""
    plan.out.mkdir(parents=True, exist_ok=True)
    table = plan.out / "images.csv"
    known = {row["person"] for row in read_images(table)} if table.exists() else set()
    networks = onnx_networks(plan.bundle)
    for number, person in enumerate(real_people(plan.data)):
        if number < plan.people and person.name not in known:
            rows = list(_rows(networks, _turned(person), plan, number))
            _append(table, rows)
            print(f"{person.name}: {len(rows)} images", flush=True)
    return table


def _turned(person: Truth) -> Truth:
    """The person in canonical order."""
    voxels, affine = canonical(person.voxels, person.affine)
    labels, _ = canonical(person.labels, person.affine)
    return replace(person, voxels=voxels, labels=labels, affine=affine)


def read_images(table: Path) -> list[dict[str, str]]:
    """The rows of ``write_images``."""
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def images_of(person: Truth, plan: HarmPlan, number: int) -> Iterator[Spoilt]:
    """A person's images: clean, clean in other styles, spoilt by each family, and by torchio."""
    rng = np.random.default_rng((plan.seed, number))
    yield Spoilt(image=person, origin=person)
    for _ in range(plan.styles):
        styled = draw_style(rng).apply_to(person)
        yield Spoilt(image=styled, origin=styled)
    for repeat in range(plan.repeats):
        for artefact in ARTEFACTS:
            for family, draw in FAMILIES[artefact].items():
                severity = float(rng.uniform(0.05, 1.0))
                origin = draw_style(rng).apply_to(person) if rng.random() < 0.5 else person
                spacing = Grid(origin.voxels.shape, origin.affine).spacing
                voxels = spoil(origin.voxels, draw(severity, rng), spacing)
                spoilt = replace(origin, voxels=voxels)
                yield Spoilt(image=spoilt, origin=origin, artefact=artefact, family=family, severity=severity)
            severity = float(rng.uniform(0.2, 1.0))
            seed = int(rng.integers(2**31)) + repeat
            torchio = by_the_second_scanner(person, artefact, severity, seed)
            yield Spoilt(image=torchio, origin=person, artefact=artefact, family="torchio", severity=severity)


def _rows(networks: Networks, person: Truth, plan: HarmPlan, number: int) -> Iterator[Mapping[str, str | float]]:
    def predict(truth: Truth) -> Prediction:
        return networks.predict(truth.voxels, truth.affine)

    try:
        whole = predict(person)
    except NoHeadFound:
        return
    for spoilt in images_of(person, plan, number):
        try:
            origin = whole if spoilt.origin is person else predict(spoilt.origin)
            judged = origin if spoilt.image is spoilt.origin else predict(spoilt.image)
        except NoHeadFound:
            continue
        grid = Grid(person.labels.shape, person.affine)
        seen = _seen(spoilt.origin, grid)
        agreed = _agreement(judged, origin, grid)
        true = _true_dice(judged, np.where(seen, person.labels, 0), grid)
        yield {
            "person": person.name,
            "artefact": spoilt.artefact,
            "family": spoilt.family,
            "severity": spoilt.severity,
            **{f"harm:{name}": 1 - value for name, value in agreed.items()},
            **{f"dice:{name}": value for name, value in true.items()},
            **numbers_of(judged, TISSUES),
        }


def _agreement(judged: Prediction, origin: Prediction, grid: Grid) -> dict[str, float]:
    first, second = (probabilities_on(grid, one).argmax(axis=0) for one in (judged, origin))
    return {name: dice(first == n, second == n) for n, name in enumerate(TISSUES) if n}


def _seen(origin: Truth, grid: Grid) -> npt.NDArray[np.bool_]:
    """What of the person's grid the field of view holds."""
    inside = Grid(origin.voxels.shape, origin.affine)
    return nearest(np.ones(inside.shape, np.bool_), inside, grid)


def _true_dice(judged: Prediction, labels: Labels, grid: Grid) -> dict[str, float]:
    called = probabilities_on(grid, judged).argmax(axis=0)
    return {name: dice(called == n, labels == n) for n, name in enumerate(TISSUES) if n}


def _append(table: Path, rows: list[Mapping[str, str | float]]) -> None:
    columns = list(rows[0])
    text = [{name: v if isinstance(v, str) else f"{v:.7g}" for name, v in row.items()} for row in rows]
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if new:
            writer.writeheader()
        writer.writerows(text)
