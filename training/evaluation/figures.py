"""Figures of an evaluation from its rows, after those of Shaw et al. 2021 (figures 4 to 7); numbers of people only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from training.evaluation.calibration_tables import calibration_error, pool
from training.evaluation.measure import BINS, Row
from training.evaluation.pictures import picture_of_artefacts
from training.evaluation.ranks import NAMES, clean, found, grey, score_of, single, spearman
from training.evaluation.rows import read_rows
from training.synthesis.labelmaps import TISSUES

#: Colour-blind safe (Okabe and Ito 2008); clean heads are black.
_COLOURS = dict(zip(NAMES, ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"), strict=True))
_TISSUE_COLOURS = dict(zip(TISSUES[1:], ("#56B4E9", "#7F7F7F", "#000000"), strict=True))
_DPI = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresPlan:
    """``rows``: the rows.csv of an evaluation; with ``bank``, ``label_maps`` and ``bundle`` a synthetic head too."""

    rows: Path
    out: Path
    bank: Path | None = None
    label_maps: Path | None = None
    bundle: Path | None = None


def draw_figures(plan: FiguresPlan) -> None:
    """Write every figure as a PNG into ``out``."""
    plan.out.mkdir(parents=True, exist_ok=True)
    rows = found(read_rows(plan.rows))
    for name, draw in _FIGURES.items():
        _save(draw(rows), plan.out / f"{name}.png")
    if plan.bank and plan.label_maps and plan.bundle:
        _save(picture_of_artefacts(plan.bank, plan.label_maps, plan.bundle), plan.out / "artefacts.png")


def dice_against_scores(rows: Sequence[Row]) -> Figure:
    """Grey-matter Dice against the mean artefact variance, SNR and CNR (figure 7)."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    panels = {"uncertainty": "mean artefact variance", "snr": "SNR", "cnr": "CNR"}
    for axes, (score, label) in zip(figure.subplots(1, 3, sharey=True), panels.items(), strict=True):
        for name, shown, colour in _by_artefact(rows):
            levels = [row.scores[score] for row in shown]
            axes.scatter(levels, [grey(row) for row in shown], s=12, color=colour, label=name, alpha=0.8, linewidths=0)
        axes.set(xlabel=label, title=f"Spearman {spearman(rows, grey, score_of(score)):.2f}")
    figure.axes[0].set_ylabel("Dice of grey matter")
    figure.axes[0].legend(fontsize=7, frameon=False)
    return figure


def uncertainty_by_severity(rows: Sequence[Row]) -> Figure:
    """Uncertainty, and the artefact's own variance, against its severity; one line a person where there is a ladder."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    grid = figure.subplots(2, len(NAMES), sharex=True, sharey="row")
    for column, name in enumerate(NAMES):
        shown = clean(rows) + single(rows, name)
        for axes, score in zip(grid[:, column], ("uncertainty", name), strict=True):
            _follow(axes, shown, name, score)
        grid[0, column].set_title(name)
        grid[1, column].set_xlabel("severity")
    grid[0, 0].set_ylabel("uncertainty")
    grid[1, 0].set_ylabel("own variance")
    return figure


def variance_matrix(rows: Sequence[Row]) -> Figure:
    """Mean variance of each artefact in images with each artefact, as a heat map."""
    applied = ("none", *NAMES)
    groups = [clean(rows), *(single(rows, name) for name in NAMES)]
    means = np.array([[np.mean([r.scores[c] for r in g]) if g else np.nan for c in NAMES] for g in groups])
    figure = Figure(figsize=(4.6, 4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(means, cmap="Blues", vmin=0)
    for (row, column), value in np.ndenumerate(means):
        strong = value > 0.6 * np.nanmax(means)
        axes.text(
            column, row, f"{value:.2f}", ha="center", va="center", color="white" if strong else "black", fontsize=8
        )
    axes.set_xticks(range(len(NAMES)), NAMES)
    axes.set_yticks(range(len(applied)), applied)
    axes.set(xlabel="variance of", ylabel="applied")
    return figure


def reliability_curves(rows: Sequence[Row]) -> Figure:
    """Accuracy against confidence of the voxels called each tissue; calibrated probabilities lie on the diagonal."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    groups = {"clean": clean(rows), "with an artefact": [row for row in rows if row.artefacts]}
    for axes, (title, shown) in zip(figure.subplots(1, 2, sharey=True), groups.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=1)
        for tissue, colour in _TISSUE_COLOURS.items():
            bins = [b for b in pool(shown, tissue) if b.voxels >= 10]
            label = f"{tissue} ({calibration_error(pool(shown, tissue)):.3f})"
            confidence, right = ([getattr(b, what) / b.voxels for b in bins] for what in ("confidence", "right"))
            axes.plot(confidence, right, marker="o", markersize=3, color=colour, label=label)
        axes.set(title=title, xlabel="confidence", xlim=(2 / BINS, 1), ylim=(0, 1))
        axes.legend(fontsize=7, frameon=False, title="calibration error", title_fontsize=7)
    figure.axes[0].set_ylabel("share that is right")
    return figure


def volumes_against_truth(rows: Sequence[Row]) -> Figure:
    """Predicted against true volume by tissue, with the interval where there is one (cf. figure 5)."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    for axes, tissue in zip(figure.subplots(1, len(TISSUES) - 1), TISSUES[1:], strict=True):
        for name, shown, colour in _by_artefact([row for row in rows if tissue in row.volumes]):
            true = [row.true_volumes_ml[tissue] for row in shown]
            ends = np.array([row.volumes[tissue] for row in shown]).reshape(-1, 3)
            bars = np.nan_to_num(np.abs(ends[:, [0, 2]] - ends[:, [1]])).T
            axes.errorbar(true, ends[:, 1], bars, fmt=".", color=colour, markersize=4, elinewidth=0.5, label=name)
        low, high = min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])
        axes.plot([low, high], [low, high], color="#BBBBBB", linewidth=1)
        axes.set(title=tissue, xlabel="true volume in mL")
    figure.axes[0].set_ylabel("predicted volume in mL")
    figure.axes[0].legend(fontsize=7, frameon=False)
    return figure


_FIGURES: dict[str, Callable[[Sequence[Row]], Figure]] = {
    "dice": dice_against_scores,
    "severity": uncertainty_by_severity,
    "variances": variance_matrix,
    "reliability": reliability_curves,
    "volumes": volumes_against_truth,
}


def _by_artefact(rows: Sequence[Row]) -> list[tuple[str, list[Row], str]]:
    return [*((name, single(rows, name), _COLOURS[name]) for name in NAMES), ("clean", clean(rows), "black")]


def _follow(axes: Axes, rows: Sequence[Row], name: str, score: str) -> None:
    """The score of every person, joined in order of severity where there are several severities."""
    for person in sorted({row.name for row in rows}):
        steps = sorted((row.severity[name], row.scores[score]) for row in rows if row.name == person)
        line = "-" if len(steps) > 3 else "none"
        axes.plot(
            *zip(*steps, strict=True), linestyle=line, marker="o", markersize=3, color=_COLOURS[name], linewidth=0.7
        )


def _save(figure: Figure, path: Path) -> None:
    """Write 64 colours: they suffice, and the repository stays small."""
    figure.savefig(path, dpi=_DPI)
    with Image.open(path) as drawn:
        small = drawn.convert("RGB").quantize(64)
    small.save(path, optimize=True)
    print(f"{path} {path.stat().st_size // 1024} KB")
