"""python -m export.signatures.causes: what each cause does to the measures of any image, fitted to phantoms.

Prints the tables ``[past.causes]`` of ``any_mr.toml``: a linear discriminant of the compressed departures of spoilt
phantoms from the clean ones of their protocol. No image of a person is used.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from export.signatures.phantoms import BODIES, Volume, people
from models.physics.artefacts import ARTEFACTS, Artefact
from models.physics.effects import spoil
from models.physics.families import FAMILIES
from models.quality.iqm import measure
from models.statistics.reference_set import Comparison, Kind, compare
from models.statistics.signature import compressed

SEVERITIES = (0.3, 0.6)
#: What the causes show in, of any still image.
SIGNALS = (
    *("summary_bg_stdv", "dark_level", "snr", "fwhm_avg", "cut_both_ends", "lines_rough"),
    *("gsr_x", "gsr_y", "inu_range"),
)
#: Ridge on the pooled covariance of the compressed departures.
_RIDGE = 0.05
Matrix = npt.NDArray[np.float64]
Measured = Mapping[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(prog="python -m export.signatures.causes", description=__doc__)
    parser.add_argument("--people", type=int, default=13, help="of each protocol")
    parser.add_argument("--protocols", type=int, default=1, help="of each body")
    parser.add_argument("--seed", type=int, default=100)
    chosen = parser.parse_args(arguments)
    kinds = [Kind(name=name, family=name, ratio=name not in _SHARES) for name in SIGNALS]
    found = [
        one
        for body in BODIES.values()
        for protocol in range(chosen.protocols)
        for one in departures(list(people(body, chosen.people, chosen.seed + protocol)), body.spacing, kinds)
    ]
    departed = np.array([[compressed(one.get(name, 0.0)) for name in SIGNALS] for _, one in found])
    weights, bias = discriminant(departed, np.array([ARTEFACTS.index(artefact) for artefact, _ in found]))
    for artefact, row, constant in zip(ARTEFACTS, weights, bias, strict=True):
        told = ", ".join(f"{name} = {value:.2f}" for name, value in zip(SIGNALS, row, strict=True))
        print(f"[past.causes.{artefact.value}]\nbias = {constant:.2f}\nweights = {{ {told} }}\n")


#: What may be 0, and is compared by its value.
_SHARES = ("gsr_x", "gsr_y", "cut_both_ends")


def departures(
    volumes: Sequence[Volume], spacing: tuple[float, float, float], kinds: Sequence[Kind]
) -> Iterator[tuple[Artefact, Measured]]:
    """How the measures of each spoilt person depart from those of the others who are not."""
    clean = [measure(volume) for volume in volumes]
    for number, volume in enumerate(volumes):
        past = [other for place, other in enumerate(clean) if place != number]
        for artefact, _, _, image in spoilt(volume, spacing, number):
            compared = compare(past, measure(image), kinds)
            if not isinstance(compared, Comparison):
                raise SystemExit(f"{compared}: take more --people")
            yield artefact, {one.name: one.departure for one in compared.deviations}


def spoilt(
    volume: Volume, spacing: tuple[float, float, float], number: int
) -> Iterator[tuple[Artefact, float, str, Volume]]:
    """One image with each artefact at each severity, and by which simulator; person ``number`` has each by another one.

    Values are whole numbers, as a scanner stores them.
    """
    for artefact, families in FAMILIES.items():
        names = list(families)
        for severity in SEVERITIES:
            rng = np.random.default_rng([number, ARTEFACTS.index(artefact), round(100 * severity)])
            family = names[number % len(names)]
            image = np.rint(spoil(volume, families[family](severity, rng), spacing)).astype(np.float32)
            yield artefact, severity, family, image


def discriminant(departed: Matrix, causes: npt.NDArray[np.intp]) -> tuple[Matrix, Matrix]:
    """Weights (causes, signals) and biases (causes,) of a linear discriminant with equal priors."""
    groups = [departed[causes == cause] for cause in range(len(ARTEFACTS))]
    means = np.array([group.mean(axis=0) for group in groups])
    pooled = np.mean([np.cov(group.T) for group in groups], axis=0) + _RIDGE * np.eye(departed.shape[1])
    weights: Matrix = np.linalg.solve(pooled, means.T).T
    bias: Matrix = -0.5 * (weights * means).sum(axis=1)
    return weights, bias


if __name__ == "__main__":
    main()
