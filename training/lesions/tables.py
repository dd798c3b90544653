"""The tables of an evaluation, as Markdown: segmentation, rivals, loads apart, ranking, predicted Dice, volumes."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from models.statistics.harm import Harm, left_out
from models.statistics.uncertainty import conformal_limit
from training.lesions.calibrate import line
from training.lesions.judged import THRESHOLDS, Row
from training.lesions.ranking import (
    POOR,
    Numbers,
    aurc,
    auroc,
    best_nine_tenths,
    interval_over_people,
    pearson,
    spearman,
)

#: What orders series, more is better: name -> of a row. The sign of volume and VS is that of artefacts, not of loads.
SCORES: dict[str, Callable[[Row], float]] = {
    "one pass: entropy in the mask, low": lambda row: -row.numbers["entropy"],
    "one pass: confidence in the mask": lambda row: row.numbers["confidence"],
    "one pass: soft volume, low (rival)": lambda row: -row.numbers["log soft volume"],
    "one pass: VS, low": lambda row: -row.numbers["log total entropy"],
    "one pass: VS over volume, low": lambda row: -row.numbers["entropy over volume"],
    "error map: mean in the mask": lambda row: row.errors["error in the mask"],
    "error map: VS, low": lambda row: -row.errors["log total error"],
    "error map: missed, low": lambda row: -row.errors["log missed"],
    "mask filled from about it: mean in the mask": lambda row: row.filled["error in the mask"],
    "mask filled from about it: VS, low": lambda row: -row.filled["log total error"],
    "passes: mean confidence": lambda row: row.passes["mean confidence"],
    "passes: mean entropy, low": lambda row: -row.passes["mean entropy"],
    "passes: VS, low": lambda row: -row.passes["VS"],
    "passes: variance, low": lambda row: -row.passes["variance"],
    "passes: mutual information, low": lambda row: -row.passes["mutual information"],
    "passes: pairwise Dice": lambda row: row.passes["pairwise Dice"],
    "passes: spread of volumes, low": lambda row: -row.passes["spread of volumes"],
}
#: People from which on something is regressed on all others.
_FEWEST = 2
#: Loads in mL that are told apart.
_LOADS = ((0.0, 0.3), (0.3, 3.0), (3.0, 10.0), (10.0, float("inf")))


def tables(rows: Sequence[Row], harm: Harm, margin: float, threshold: float) -> Iterator[str]:
    """Every table; ``rows`` of clean and spoilt series."""
    clean = [row for row in rows if not row.spoilt]
    yield from people_table(clean, harm, margin)
    yield ""
    yield from segmentation_table(clean, threshold)
    yield ""
    yield from load_table(clean)
    yield ""
    yield from ranking_table(rows, harm, "all series")
    yield ""
    yield from ranking_table(clean, harm, "clean series")
    yield ""
    yield from loss_table(rows, harm)
    yield ""
    if len({row.name for row in rows}) > _FEWEST:
        yield from regression_table(rows)
        yield ""
    yield from volume_table(rows, margin)


def people_table(clean: Sequence[Row], harm: Harm, margin: float) -> Iterator[str]:
    """Each clean series."""
    yield "| who | load, mL | volume, mL (interval) | Dice | predicted (least) | outliers in white matter, Dice |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for row in clean:
        by = margin * row.doubt_ml
        high = harm.interval(row.numbers)[1]
        yield (
            f"| {row.name} | {row.load_ml:.1f} | {row.volume_ml:.1f} ({max(0.0, row.volume_ml - by):.1f}-"
            f"{row.volume_ml + by:.1f}) | {row.dice:.3f} | {1 - min(1.0, harm.expect(row.numbers)):.2f} "
            f"({1 - min(1.0, high):.2f}) | {row.outliers[0]:.3f} |"
        )


def segmentation_table(clean: Sequence[Row], threshold: float) -> Iterator[str]:
    """Dice and volumes with intervals over people, and the rival."""
    names = [row.name for row in clean]
    yield f"| {len(clean)} clean series | Dice, mean | least | volume r | median error | bias, mL |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    load = _column(clean, lambda row: row.load_ml)
    ours = (_column(clean, lambda row: row.dice), _column(clean, lambda row: row.volume_ml))
    rival = (_column(clean, lambda row: row.outliers[0]), _column(clean, lambda row: row.outliers[1]))
    for title, (dice, volume) in (
        (f"threshold {threshold:.2f}", ours),
        ("white matter brighter than median + 3 MAD", rival),
    ):
        low, high = interval_over_people(lambda _, d: float(d.mean()), dice, dice, names)
        error = np.abs(volume - load) / np.maximum(load, 0.1)
        yield (
            f"| {title} | {dice.mean():.3f} [{low:.3f}, {high:.3f}] | {dice.min():.3f} | {pearson(volume, load):.2f} | "
            f"{100 * np.median(error):.0f} % | {np.mean(volume - load):+.1f} |"
        )
    means = np.array([row.by_threshold for row in clean]).mean(axis=0)
    best = int(means.argmax())
    yield f"| best threshold {THRESHOLDS[best]:.2f}, picked on these | {means[best]:.3f} | | | | |"


def load_table(clean: Sequence[Row]) -> Iterator[str]:
    """Small loads, which paper 001 fails at, apart."""
    yield "| load, mL | series | Dice, mean | under 0.5 | median volume error |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for low, high in _LOADS:
        inside = [row for row in clean if low <= row.load_ml < high]
        if inside:
            dice = _column(inside, lambda row: row.dice)
            error = _column(inside, lambda row: abs(row.volume_ml - row.load_ml) / max(row.load_ml, 0.1))
            yield (
                f"| {low:g} to {high:g} | {len(inside)} | {dice.mean():.3f} | {int((dice < POOR).sum())} | "
                f"{100 * np.median(error):.0f} % |"
            )


def ranking_table(rows: Sequence[Row], harm: Harm, title: str) -> Iterator[str]:
    """Each score against Dice, with intervals over people for Spearman."""
    names = [row.name for row in rows]
    dice = _column(rows, lambda row: row.dice)
    poor = int((dice < POOR).sum())
    yield f"| {title}: {len(rows)}, {poor} under {POOR} | r | rho | AUROC | AURC | Dice of best 90 % |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    predicted = {"predicted Dice": lambda row: -harm.expect(row.numbers)}
    for name, score in {**predicted, **SCORES}.items():
        if not all(_has(row, name) for row in rows):
            continue
        values = _column(rows, score)
        low, high = interval_over_people(spearman, values, dice, names)
        yield (
            f"| {name} | {pearson(values, dice):.2f} | {spearman(values, dice):.2f} [{low:.2f}, {high:.2f}] | "
            f"{auroc(values, dice):.2f} | {aurc(values, dice):.3f} | {best_nine_tenths(values, dice):.3f} |"
        )
    yield f"| all kept | | | | {1 - dice.mean():.3f} | {dice.mean():.3f} |"
    yield f"| oracle | | | | {aurc(dice, dice):.3f} | {best_nine_tenths(dice, dice):.3f} |"


def _has(row: Row, score: str) -> bool:
    """Whether a row has what a score is made of."""
    made = {"passes": row.passes, "error map": row.errors, "mask filled from about it": row.filled}
    return bool(made.get(score.partition(":")[0], row.numbers))


#: What paper 001 regresses Dice from, by name: with each what of a row it takes.
_PREDICTION = ("log volume", "confidence")
_UNCERTAINTY = ("entropy", "entropy over volume", "log total entropy")
_ERROR = ("error in the mask", "log total error", "log missed")
REGRESSED: dict[str, tuple[str, ...]] = {
    "predicted volume alone": ("log volume",),
    "image": ("contrast", "noise of white matter", "grey over white", "fluid over white", "steps across"),
    "uncertainty": _UNCERTAINTY,
    "uncertainty and prediction": (*_UNCERTAINTY, *_PREDICTION),
    "error and prediction": (*_ERROR, *_PREDICTION),
    "all of these": (*_UNCERTAINTY, *_ERROR, *_PREDICTION),
}


def regression_table(rows: Sequence[Row]) -> Iterator[str]:
    """Dice regressed (ridge) from each input of paper 001, each person by all others."""
    names, dice = [row.name for row in rows], _column(rows, lambda row: row.dice)
    yield "| Dice regressed on the other people from | MAE | r | rho | AUROC | AURC |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for title, inputs in REGRESSED.items():
        if not all(row.errors for row in rows) and set(inputs) & set(_ERROR):
            continue
        values = np.array([[{**row.numbers, **row.errors}[name] for name in inputs] for row in rows])
        told = 1 - left_out(values, 1 - dice, names)
        yield (
            f"| {title} | {np.abs(told - dice).mean():.3f} | {pearson(told, dice):.2f} | {spearman(told, dice):.2f} | "
            f"{auroc(told, dice):.2f} | {aurc(told, dice):.3f} |"
        )


def synthetic_tables(rows: Sequence[Row], harm: Harm) -> Iterator[str]:
    """Loads apart, where small ones fail, and where artefacts do; ``rows``: as many clean heads as spoilt ones."""
    half = len(rows) // 2
    for title, chosen in (("clean synthetic heads", rows[:half]), ("synthetic heads, artefacts in half", rows[half:])):
        yield f"{title}:"
        yield ""
        yield from load_table(chosen)
        yield ""
        yield from ranking_table([row for row in chosen if row.load_ml > 0], harm, title)
        yield ""


def loss_table(rows: Sequence[Row], harm: Harm) -> Iterator[str]:
    """Predicted Dice: as the bundle has it, with its offset set by the other people, and fitted anew on them."""
    dice = _column(rows, lambda row: row.dice)
    names = [row.name for row in rows]
    shipped = 1 - np.minimum(1.0, _column(rows, lambda row: harm.expect(row.numbers)))
    values = np.array([[row.numbers[name] for name in harm.names] for row in rows])
    ways = {
        "as shipped": shipped,
        "scale and shift of the other people": _rescaled(shipped, dice, names),
        "mean of the other people": _rescaled(np.zeros(len(dice)), dice, names),
    }
    if len(set(names)) > _FEWEST:
        ways["fitted on the other people"] = 1 - left_out(values, 1 - dice, names)
    yield "| predicted Dice | MAE | r | rho |"
    yield "| --- | ---: | ---: | ---: |"
    for title, predicted in ways.items():
        error = float(np.abs(predicted - dice).mean())
        yield f"| {title} | {error:.3f} | {pearson(predicted, dice):.2f} | {spearman(predicted, dice):.2f} |"
    least = 1 - np.minimum(1.0, _column(rows, lambda row: harm.interval(row.numbers)[1]))
    yield ""
    yield f"Dice is at least the predicted least in {100 * float((dice >= least).mean()):.0f} % of {len(rows)}."


def volume_table(rows: Sequence[Row], margin: float) -> Iterator[str]:
    """How often intervals hold the volume, and how wide they are."""
    yield "| volume interval | covered | median width of the load |"
    yield "| --- | ---: | ---: |"
    load = _column(rows, lambda row: row.load_ml)
    volume, doubt = _column(rows, lambda row: row.volume_ml), _column(rows, lambda row: row.doubt_ml)
    margins = margins_left_out(rows)
    ways = {"as shipped": np.full(len(rows), margin), "conformal, the person left out": margins}
    for title, by in ways.items():
        low, high = np.maximum(0, volume - by * doubt), volume + by * doubt
        yield _covered(title, low, high, load)
    if all(row.sampled_ml for row in rows):
        ends = np.array([np.quantile(row.sampled_ml, (0.05, 0.95)) for row in rows])
        yield _covered(f"5 to 95 % of {len(rows[0].sampled_ml)} passes", ends[:, 0], ends[:, 1], load)


def margins_left_out(rows: Sequence[Row]) -> Numbers:
    """The margin (N,) that holds nine of ten volumes of all other people."""
    names = np.array([row.name for row in rows])
    misses = _column(rows, lambda row: abs(row.volume_ml - row.load_ml) / row.doubt_ml)
    return np.array([conformal_limit(misses[names != name], 0.1) for name in names])


def _covered(title: str, low: Numbers, high: Numbers, load: Numbers) -> str:
    held = (low <= load) & (load <= high)
    width = np.median((high - low) / np.maximum(load, 0.1))
    return f"| {title} | {100 * held.mean():.0f} % | {100 * width:.0f} % |"


def _rescaled(predicted: Numbers, dice: Numbers, names: Sequence[str]) -> Numbers:
    """Predictions on the line that the other people give, in square roots of the loss."""
    who, told, true = np.asarray(names), np.sqrt(1 - predicted), np.sqrt(1 - dice)
    moved = np.empty(len(dice))
    for name in dict.fromkeys(names):
        others = who != name if (who != name).any() else who == name
        slope, shift = line(told[others], true[others])
        moved[who == name] = 1 - np.clip(shift + slope * told[who == name], 0, 1) ** 2
    return moved


def _column(rows: Sequence[Row], of: Callable[[Row], float]) -> Numbers:
    return np.array([of(row) for row in rows], float)
