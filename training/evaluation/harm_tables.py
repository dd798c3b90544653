"""How well the harm is told by a regression on numbers of one image, against single numbers: people it never saw.

Every person is judged by a regression on all the others, and, for the second table, by one that never saw the family
of the artefact either.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from models.physics.artefacts import ARTEFACTS
from models.statistics.harm import SIDE, expect, left_out
from models.statistics.uncertainty import conformal_limit
from training.evaluation.harm import CLEAN, read_images
from training.synthesis.labelmaps import TISSUES

#: A loss that must be found; one that is idle to repeat a scan for.
HURT, IDLE = 0.10, 0.05
_JUDGED = TISSUES[2]
_META = ("person", "artefact", "family", "severity")


@dataclass(frozen=True, slots=True)
class Images:
    """The images of a table: ``numbers`` (N, F) by ``names``, ``harm`` and ``dice`` (N,) of one tissue."""

    names: tuple[str, ...]
    numbers: npt.NDArray[np.float64]
    harm: npt.NDArray[np.float64]
    dice: npt.NDArray[np.float64]
    person: npt.NDArray[np.str_]
    artefact: npt.NDArray[np.str_]
    family: npt.NDArray[np.str_]

    @classmethod
    def read(cls, table: Path, tissue: str = _JUDGED) -> "Images":
        """Of one tissue."""
        rows = read_images(table)
        names = tuple(n for n in rows[0] if n not in _META and not n.startswith(("harm:", "dice:")))
        numbers = np.array([[float(row[name]) for name in names] for row in rows])
        harm, dice = (np.array([float(row[f"{kind}:{tissue}"]) for row in rows]) for kind in ("harm", "dice"))
        family = [CLEAN if row["family"] == CLEAN else f"{row['artefact']} {row['family']}" for row in rows]
        person, artefact = (np.array([row[name] for row in rows]) for name in ("person", "artefact"))
        return cls(names, np.nan_to_num(numbers), harm, dice, person, artefact, np.array(family))

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """One number of every image."""
        return np.asarray(self.numbers[:, self.names.index(name)])


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmTablesPlan:
    """``table``: what ``python -m training harm`` wrote."""

    table: Path


def print_harm(plan: HarmTablesPlan) -> None:
    """Every table, as Markdown."""
    print(*tables(Images.read(plan.table)), sep="\n")


def tables(images: Images) -> Iterator[str]:
    """People left out; people and families left out; single numbers; by artefact; clean images."""
    people = left_out(images.numbers, images.harm, images.person.tolist())
    both = unseen(images)
    yield f"{len(images.harm)} images of {len(set(images.person))} people; harm is the loss of {_JUDGED}"
    yield ""
    yield "| told by | rho with harm | rho with Dice | MAE | found > 0.10 | flagged | of these lost <= 0.05 |"
    yield "| --- |" + " ---: |" * 6
    yield _line("ridge, other people", images, people, bound_of(images, people))
    yield _line("ridge, other people, family never seen", images, both, bound_of(images, both))
    for name in ("uncertainty", "entropy", "cjv", "efc", "fber", "air deviation", "snr", "cnr"):
        values = images.column(name)
        sign = np.sign(spearmanr(values, images.harm).statistic)
        yield _line(name, images, sign * values, None)
    yield ""
    yield "| family never seen | images | rho with harm | MAE | found > 0.10 |"
    yield "| --- |" + " ---: |" * 4
    for artefact in ARTEFACTS:
        for family in sorted(set(images.family[images.artefact == artefact])):
            yield _family_line(family, images.family == family, images, both)
    clean = images.artefact == CLEAN
    yield ""
    yield (
        f"Clean images in every style, predicted loss: median {np.median(people[clean]):.3f}, largest "
        f"{people[clean].max():.3f}, above {IDLE}: {(people[clean] > IDLE).sum()} of {clean.sum()}"
    )


def unseen(images: Images) -> npt.NDArray[np.float64]:
    """The harm (N,) predicted from other people's images of other families; clean ones by other people's alone."""
    predicted = left_out(images.numbers, images.harm, images.person.tolist())
    for family in set(images.family) - {CLEAN}:
        kept = images.family != family
        for person in set(images.person):
            asked = (images.person == person) & ~kept
            known = kept & (images.person != person)
            predicted[asked] = expect(images.numbers[known], images.harm[known], images.numbers[asked])
    return predicted


def bound_of(images: Images, predicted: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The lower bound of each harm: by the misses of all other people (split conformal)."""
    bounds = np.empty(len(predicted))
    for person in set(images.person):
        own = images.person == person
        bounds[own] = predicted[own] - conformal_limit((predicted - images.harm)[~own], 1 - SIDE)
    return bounds


def _line(name: str, images: Images, told: npt.NDArray[np.float64], bound: npt.NDArray[np.float64] | None) -> str:
    harm, dice = (spearmanr(told, values).statistic for values in (images.harm, images.dice))
    cells = [f"{harm:.3f}", f"{dice:.3f}"]
    if bound is None:
        cells += ["", "", "", ""]
    else:
        hurt, flagged = images.harm > HURT, told > IDLE
        sure = bound > IDLE
        cells += [
            f"{np.abs(told - images.harm).mean():.3f}",
            f"{(hurt & flagged).sum()} of {hurt.sum()}; bound {(hurt & sure).sum()}",
            f"{flagged.sum()}; bound {sure.sum()}",
            f"{(flagged & (images.harm <= IDLE)).sum()}; bound {(sure & (images.harm <= IDLE)).sum()}",
        ]
    return f"| {name} | " + " | ".join(cells) + " |"


def _family_line(name: str, inside: npt.NDArray[np.bool_], images: Images, told: npt.NDArray[np.float64]) -> str:
    harm, expected = images.harm[inside], told[inside]
    rho = spearmanr(harm, expected).statistic if len(harm) > 2 else float("nan")
    hurt = harm > HURT
    return (
        f"| {name} | {len(harm)} | {rho:.2f} | {np.abs(harm - expected).mean():.3f} | "
        f"{(hurt & (expected > IDLE)).sum()} of {hurt.sum()} |"
    )
