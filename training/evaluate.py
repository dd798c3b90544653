"""Evaluation on heads that no network trained on: one command, tables as Markdown, every row as CSV."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from models.artefacts import ARTEFACTS
from training.data import real_people, with_artefact
from training.labelmaps import TISSUES
from training.measure import Row, Truth, measure
from training.networks import Checkpoints, Networks, onnx_networks, torch_networks

GREY_MATTER = "grey matter"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """``bundle``: an exported bundle, else the three checkpoints; ``data``: the folder of people; ``out``: tables."""

    data: Path
    out: Path
    bundle: Path | None = None
    brain: Path | None = None
    cause: Path | None = None
    locator: Path | None = None
    people: int = 16
    repeats: int = 2
    seed: int = 100


def evaluate(plan: EvaluationPlan) -> None:
    """Judge every person clean and with each artefact at random severities; write rows.csv and report.md."""
    networks = _networks(plan)
    plan.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for truth in _cases(plan):
        rows.append(measure(truth, networks))
        print(f"{rows[-1].name} {'+'.join(rows[-1].artefacts) or 'clean'} {_grey(rows[-1]):.3f}", flush=True)
    write_rows(plan.out / "rows.csv", rows)
    report = "\n".join(_report(rows))
    (plan.out / "report.md").write_text(report + "\n")
    print(report)


def _networks(plan: EvaluationPlan) -> Networks:
    if plan.bundle:
        return onnx_networks(plan.bundle / "locate.onnx", plan.bundle / "judge.onnx")
    if not (plan.brain and plan.cause and plan.locator):
        raise SystemExit("give --bundle, or all of --brain, --cause and --locator")
    return torch_networks(Checkpoints(brain=plan.brain, cause=plan.cause, locator=plan.locator))


def _cases(plan: EvaluationPlan) -> Iterator[Truth]:
    """Each person clean, then with each artefact at ``repeats`` random severities."""
    for number, person in zip(range(plan.people), real_people(plan.data), strict=False):
        yield person
        for repeat in range(plan.repeats):
            rng = np.random.default_rng((plan.seed, number, repeat))
            for artefact in ARTEFACTS:
                yield with_artefact(person, artefact, float(rng.uniform(0.05, 1.0)), seed=plan.seed + repeat)


def _report(rows: Sequence[Row]) -> Iterator[str]:
    clean = [row for row in rows if not row.artefacts]
    yield "## Dice of clean heads\n"
    yield "| person | " + " | ".join(TISSUES[1:]) + " |"
    yield "| --- |" + " ---: |" * len(TISSUES[1:])
    for row in clean:
        yield f"| {row.name} | " + " | ".join(f"{row.dice.get(t, 0):.3f}" for t in TISSUES[1:]) + " |"
    means = [np.mean([row.dice.get(t, 0) for row in clean]) for t in TISSUES[1:]]
    yield "| **mean** | " + " | ".join(f"**{m:.3f}**" for m in means) + " |\n"
    yield f"## Spearman of grey-matter Dice with each score, {len(rows)} images\n"
    yield "| score | rho |"
    yield "| --- | ---: |"
    for name in ("uncertainty", *(a.value for a in ARTEFACTS), "task", "entropy", "snr", "cnr"):
        yield f"| {name} | {spearman(rows, name):.3f} |"
    yield "\n## Cause named first, images with one artefact\n"
    yield from _cause_table(rows, clean)


def _cause_table(rows: Sequence[Row], clean: Sequence[Row]) -> Iterator[str]:
    """By artefact: all images, and those that lost more than 0.05 Dice."""
    before = {row.name: _grey(row) for row in clean}
    names = [a.value for a in ARTEFACTS]
    yield "| applied | images | right | of those that lost > 0.05 Dice | named instead |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for name in names:
        single = [row for row in rows if row.artefacts == (name,)]
        hurt = [row for row in single if before[row.name] - _grey(row) > 0.05]
        others = ", ".join(sorted({first_cause(row) for row in single} - {name}))
        right = f"{_right(single, name)} | {_right(hurt, name)}/{len(hurt)}"
        yield f"| {name} | {len(single)} | {right} | {others} |"


def first_cause(row: Row) -> str:
    """The artefact with the largest variance; empty where there was no head."""
    return max((a.value for a in ARTEFACTS), key=lambda name: row.scores[name]) if row.scores else ""


def spearman(rows: Iterable[Row], name: str) -> float:
    """Rank correlation of grey-matter Dice with a score over the heads that were found."""
    found = [row for row in rows if row.scores]
    return float(spearmanr([_grey(row) for row in found], [row.scores[name] for row in found]).statistic)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Every row with every number."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        names = [a.value for a in ARTEFACTS]
        scores = list(next((row.scores for row in rows if row.scores), {}))
        table.writerow(
            ["name", *(f"severity_{n}" for n in names), *(f"dice_{t}" for t in TISSUES[1:])]
            + [f"score_{s}" for s in scores]
            + [f"cause_{n}" for n in names]
        )
        for row in rows:
            values = [row.severity[n] for n in names] + [row.dice.get(t, "") for t in TISSUES[1:]]
            values += [row.scores.get(s, "") for s in scores] + [row.causes.get(n, "") for n in names]
            table.writerow([row.name, *(v if v == "" else f"{v:.6g}" for v in values)])


def _grey(row: Row) -> float:
    return row.dice.get(GREY_MATTER, 0.0)


def _right(rows: Sequence[Row], name: str) -> int:
    return sum(first_cause(row) == name for row in rows)
