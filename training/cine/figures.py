"""Figures of hearts that no network trained on: reliability, error against doubt. Numbers only, nobody's pixels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.cine.numbers import entropy
from training.cine.calibration import Pixels, calibration
from training.cine.judge import Patient
from training.cine.stacks import STRUCTURES
from training.cine.tables import error_area

#: Colour-blind safe (Okabe and Ito 2008).
_COLOURS = ("#0072B2", "#D55E00", "#009E73")
_DPI = 100


def draw_cine_figures(patients: Sequence[Patient], temperature: float, out: Path) -> None:
    """Write ``hearts-reliability.png`` and ``hearts-doubt.png`` into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    pixels = Pixels.joined([Pixels.of(patient.both) for patient in patients])
    figure = Figure(figsize=(5, 5), layout="constrained")
    _reliability(figure.subplots(), pixels, temperature)
    figure.savefig(out / "hearts-reliability.png", dpi=_DPI)
    figure = Figure(figsize=(12, 4), layout="constrained")
    for number, axes in enumerate(figure.subplots(1, 3), start=1):
        _doubt(axes, patients, number)
    figure.savefig(out / "hearts-doubt.png", dpi=_DPI)


def _reliability(axes: Axes, pixels: Pixels, temperature: float) -> None:
    for name, t, colour in (
        ("as trained", 1.0, _COLOURS[1]),
        (f"temperature {temperature:.2f}", temperature, _COLOURS[0]),
    ):
        found = calibration(pixels, t)
        confidence, right, _ = zip(*found.bins, strict=True)
        axes.plot(confidence, right, "o-", color=colour, label=f"{name}: ECE {found.ece:.3f}")
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.set(xlabel="confidence", ylabel="share that is right", xlim=(0.2, 1), ylim=(0.2, 1))
    axes.legend()


def _doubt(axes: Axes, patients: Sequence[Patient], number: int) -> None:
    """One structure: a point for each slice."""
    judged = [one for patient in patients for one in patient.both]
    doubt = np.concatenate([entropy(one.phase.probabilities).sum(axis=(1, 2))[number - 1] for one in judged])
    error = np.concatenate([error_area(one)[number - 1] for one in judged])
    axes.plot(doubt + 1, error + 1, ".", color=_COLOURS[number - 1], alpha=0.4)
    axes.set(title=STRUCTURES[number], xscale="log", yscale="log")
    axes.set(xlabel="entropy of the slice, 1 + nats", ylabel="1 + pixels that are wrong")
