"""How well the harm is told by a regression on numbers of one image, against single numbers: people it never saw.

Every person is judged by a regression on all the others, and, in the second line, by one that never saw the family of
the artefact either. How the regression looks at an image is chosen among the others, too (``training/harm/choice.py``).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.brain.scores import JUDGED
from models.physics.artefacts import ARTEFACTS
from models.statistics.harm import CLEAN
from models.statistics.ranking import interval_over_groups, rank_correlation, risk_coverage
from training.harm.choice import REGRESSIONS, Predicted, predict_from, predict_harm
from training.harm.images import Images, joined
from training.harm.rows import RIVAL

Numbers = npt.NDArray[np.float64]

#: A loss that must be found; one that is idle to repeat a scan for.
HURT, IDLE = 0.10, 0.05
_RESAMPLES = 1000
#: Measures that are compared with the regression: of the labels by the network, and of the image by MRIQC's formulas.
_SINGLE = ("uncertainty", "entropy", "snr", "cnr")


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmTablesPlan:
    """``table``: what ``python -m training harm`` wrote.

    ``known``: tables of other heads, by commas: everybody is told by what a bundle ships that learns from them alone.
    """

    table: Path
    known: str = ""


def print_harm(plan: HarmTablesPlan) -> None:
    """Every table, as Markdown."""
    known = [Images.read(Path(name)) for name in plan.known.split(",") if name]
    print(*tables(Images.read(plan.table), joined(known) if known else None), sep="\n")


def tables(images: Images, known: Images | None = None) -> Iterator[str]:
    """People left out; people and families left out; single numbers; by artefact; clean images.

    With ``known``, images of others, everybody is left out: what learns from these alone tells them.
    """
    predicted = predict_harm if known is None else partial(predict_from, known)
    people, both = predicted(images), predicted(images, unseen_families=True)
    yield f"{len(images.harm)} images of {len(set(images.person))} people; harm is the loss of {JUDGED}"
    yield f"by loss: {_by_loss(images.harm)}"
    yield _learnt_from(people, known)
    yield ""
    yield "| told by | rho with Dice | with its loss | with harm | 95 % | AURC | excess |"
    yield "| --- |" + " ---: |" * 6
    yield _rank_line("regression, other people", images, people.expected)
    yield _rank_line("regression, other people, family never seen", images, both.expected)
    for name in (*_SINGLE, *(n for n in images.beside if n.startswith(RIVAL))):
        yield _rank_line(name.removeprefix(RIVAL), images, _harmful(images.column(name), images.harm))
    yield ""
    yield from _verdict_table(images, {"other people": people, "other people, family never seen": both})
    yield ""
    yield "| family never seen | images | rho with harm | MAE | found > 0.10 | surely |"
    yield "| --- |" + " ---: |" * 5
    for artefact in ARTEFACTS:
        for family in sorted(set(images.family[images.artefact == artefact])):
            yield _family_line(family, images.family == family, images, both)
    yield ""
    yield _clean_line(images, people)


def _verdict_table(images: Images, ways: Mapping[str, Predicted]) -> Iterator[str]:
    yield (
        f"| by the regression | MAE | lost > {HURT}: expected > {IDLE} | surely | expected > {IDLE}, of these idle "
        f"| surely, of these idle | harm inside its interval |"
    )
    yield "| --- |" + " ---: |" * 6
    hurt, idle = images.harm > HURT, images.harm <= IDLE
    for name, predicted in ways.items():
        flagged, sure = predicted.expected > IDLE, predicted.low > IDLE
        inside = (predicted.low <= images.harm) & (images.harm <= predicted.high)
        cells = [
            f"{np.abs(predicted.expected - images.harm).mean():.3f}",
            f"{(hurt & flagged).sum()} of {hurt.sum()}",
            f"{(hurt & sure).sum()}",
            f"{flagged.sum()}, {(flagged & idle).sum()}",
            f"{sure.sum()}, {(sure & idle).sum()}",
            f"{inside.mean():.3f}",
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _harmful(values: Numbers, harm: Numbers) -> Numbers:
    """A number with its better sign: the best that it can be by itself; the worst where it is none."""
    known = np.isfinite(values)
    sign = np.sign(rank_correlation(values, harm)) if known.any() else 1.0
    signed = sign * values
    return np.where(known, signed, signed[known].max(initial=0.0))


def _rank_line(name: str, images: Images, predicted: Numbers) -> str:
    low, high = _interval(images, predicted)
    area, excess = risk_coverage(predicted, images.harm)
    cells = [
        *(f"{rank_correlation(predicted, values):.3f}" for values in (images.dice, images.lost, images.harm)),
        f"{low:.3f} to {high:.3f}",
        f"{area:.4f}",
        f"{excess:.4f}",
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def _interval(images: Images, predicted: Numbers) -> tuple[float, float]:
    """95 % percentile interval of the rank correlation with the harm; people are drawn."""
    people = images.person.tolist()
    return interval_over_groups(
        lambda index: rank_correlation(predicted[index], images.harm[index]), people, _RESAMPLES
    )


def _family_line(name: str, inside: npt.NDArray[np.bool_], images: Images, predicted: Predicted) -> str:
    harm, expected = images.harm[inside], predicted.expected[inside]
    hurt = harm > HURT
    return (
        f"| {name} | {len(harm)} | {rank_correlation(harm, expected):.2f} | {np.abs(harm - expected).mean():.3f} | "
        f"{(hurt & (expected > IDLE)).sum()} of {hurt.sum()} | {(hurt & (predicted.low[inside] > IDLE)).sum()} |"
    )


def _clean_line(images: Images, predicted: Predicted) -> str:
    clean = images.artefact == CLEAN
    expected, low = predicted.expected[clean], predicted.low[clean]
    return (
        f"Clean images in every style, predicted loss: median {np.median(expected):.3f}, largest {expected.max():.3f}, "
        f"above {IDLE}: {(expected > IDLE).sum()} of {clean.sum()}, surely: {(low > IDLE).sum()}"
    )


def _by_loss(harm: Numbers) -> str:
    steps = {"none": harm == 0, f"<= {IDLE}": (harm > 0) & (harm <= IDLE), f"> {HURT}": harm > HURT}
    steps[f"{IDLE} to {HURT}"] = (harm > IDLE) & (harm <= HURT)
    return ", ".join(f"{name} {inside.sum()}" for name, inside in steps.items())


def _learnt_from(predicted: Predicted, known: Images | None) -> str:
    if known is not None:
        return f"told by {len(known.harm)} images of {len(set(known.person))} others alone"
    counts = Counter(predicted.chosen).most_common()
    return f"chosen for the people left out: {', '.join(f'{REGRESSIONS[n].name} {count}' for n, count in counts)}"
