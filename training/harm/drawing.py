"""The images of one person: clean in several ways of acquisition, and spoilt by each family of artefacts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from models.physics.artefacts import ARTEFACTS
from models.physics.effects import spoil
from models.physics.families import FAMILIES
from models.preprocess import Grid
from models.statistics.harm import CLEAN
from training.evaluation.cases import by_the_second_scanner
from training.synthesis.acquisition import draw_style
from training.truth import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """``styles``: each person clean in so many other ways of acquisition; some of the spoilt images begin there.

    ``repeats``: spoilt images of each person and family, ``share`` of which each person has, drawn at random; their
    severities are the square of an even draw, down to 0.02: mild ones are the most. ``torchio``: also by the second
    simulator, clean and spoilt.
    """

    repeats: int = 1
    share: float = 1.0
    styles: int = 7
    seed: int = 11
    torchio: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoilt:
    """One image to be judged: its ``origin`` clean in the same style, what was done to it."""

    image: Truth
    origin: Truth
    artefact: str = CLEAN
    family: str = CLEAN
    severity: float = 0.0


def images_of(person: Truth, drawing: Drawing, number: int) -> Iterator[Spoilt]:
    """A person's images: clean, clean in other styles and through torchio, spoilt by each family, and by torchio."""
    rng = np.random.default_rng((drawing.seed, number))
    styled = (draw_style(rng).apply_to(person) for _ in range(drawing.styles))
    looks = [person, *(replace(look, setting=f"style {n + 1}") for n, look in enumerate(styled))]
    yield from (Spoilt(image=look, origin=look) for look in looks)
    if drawing.torchio:
        stored = replace(by_the_second_scanner(person, None, 0.0, int(rng.integers(2**31))), setting="torchio")
        yield Spoilt(image=stored, origin=stored)
    for _ in range(drawing.repeats):
        for artefact in ARTEFACTS:
            for family, draw in FAMILIES[artefact].items():
                severity = _severity(rng)
                if rng.random() >= drawing.share:
                    continue
                origin = looks[int(rng.integers(len(looks)))] if rng.random() < 0.5 else person
                spacing = Grid(origin.voxels.shape, origin.affine).spacing
                spoilt = replace(origin, voxels=spoil(origin.voxels, draw(severity, rng), spacing))
                yield Spoilt(image=spoilt, origin=origin, artefact=artefact, family=family, severity=severity)
            if drawing.torchio:
                severity = float(rng.uniform(0.1, 1.0))
                if rng.random() >= drawing.share:
                    continue
                torchio = by_the_second_scanner(person, artefact, severity, int(rng.integers(2**31)))
                yield Spoilt(image=torchio, origin=person, artefact=artefact, family="torchio", severity=severity)


def _severity(rng: np.random.Generator) -> float:
    return float(0.02 + 0.98 * rng.random() ** 2)
