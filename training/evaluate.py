"""Evaluation on heads that no network trained on: one command, tables as Markdown, every row as CSV."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.artefacts import ARTEFACTS
from training.data import real_people, with_artefact
from training.labelmaps import TISSUES
from training.measure import Row, Truth, measure
from training.networks import Checkpoints, Networks, onnx_networks, torch_networks
from training.tables import grey, report_on


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """``bundle``: an exported bundle, else the four checkpoints; ``data``: the folder of people; ``out``: tables."""

    data: Path
    out: Path
    bundle: Path | None = None
    brain: Path | None = None
    cause: Path | None = None
    stochastic: Path | None = None
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
        print(f"{rows[-1].name} {'+'.join(rows[-1].artefacts) or 'clean'} {grey(rows[-1]):.3f}", flush=True)
    write_rows(plan.out / "rows.csv", rows)
    report = "\n".join(report_on(rows))
    (plan.out / "report.md").write_text(report + "\n")
    print(report)


def _networks(plan: EvaluationPlan) -> Networks:
    if plan.bundle:
        return onnx_networks(plan.bundle / "locate.onnx", plan.bundle / "judge.onnx")
    parts = {name: getattr(plan, name) for name in ("brain", "cause", "stochastic", "locator")}
    if not all(parts.values()):
        raise SystemExit(f"give --bundle, or all of {', '.join(f'--{name}' for name in parts)}")
    return torch_networks(Checkpoints(**parts))


def _cases(plan: EvaluationPlan) -> Iterator[Truth]:
    """Each person clean, then with each artefact at ``repeats`` random severities."""
    for number, person in zip(range(plan.people), real_people(plan.data), strict=False):
        yield person
        for repeat in range(plan.repeats):
            rng = np.random.default_rng((plan.seed, number, repeat))
            for artefact in ARTEFACTS:
                yield with_artefact(person, artefact, float(rng.uniform(0.05, 1.0)), seed=plan.seed + repeat)


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
