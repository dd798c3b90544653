"""Evaluation on heads that no network trained on: one command, tables as Markdown, every row as CSV."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from models.physics.artefacts import ARTEFACTS, Artefact
from training.brain.networks import Checkpoints, Networks, load_judge, load_locator, onnx_networks, torch_networks
from training.evaluation.cases import by_the_second_scanner, real_people, with_artefact
from training.evaluation.grids import grid_table, on_other_grids
from training.evaluation.measure import Row, measure
from training.evaluation.ranks import grey
from training.evaluation.rows import read_rows, write_rows
from training.evaluation.severity_tables import LADDER
from training.evaluation.tables import report_on
from training.truth import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """``bundle``: an exported bundle, else all checkpoints; ``data``: the folder of people; ``out``: tables.

    ``simulator``: own is training's, torchio the second one that training never used. ``ladder``: judge so many
    people at fixed severities instead; ``grids``: so many, without artefacts, on other grids. ``variances``: informed
    by the spectrum, as in a bundle, or the brain network's alone, as those of paper 000 are.
    """

    data: Path
    out: Path
    bundle: Path | None = None
    brain: Path | None = None
    cause: Path | None = None
    stochastic: Path | None = None
    borders: Path | None = None
    locator: Path | None = None
    people: int = 16
    repeats: int = 2
    ladder: int = 0
    grids: int = 0
    variances: Literal["informed", "alone"] = "informed"
    simulator: Literal["own", "torchio"] = "own"
    seed: int = 100


def evaluate(plan: EvaluationPlan) -> None:
    """Judge every person clean and with each artefact at some severities; write rows.csv and report.md."""
    networks = _networks(plan)
    plan.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for truth in cases_of(plan):
        rows.append(measure(truth, networks))
        done = rows[-1].setting or "+".join(rows[-1].artefacts) or "clean"
        print(f"{rows[-1].name} {done} {grey(rows[-1]):.3f}", flush=True)
    write_rows(plan.out / "rows.csv", rows)
    report = "\n".join(tables_of(rows))
    (plan.out / "report.md").write_text(report + "\n")
    print(report)


def _networks(plan: EvaluationPlan) -> Networks:
    if plan.bundle:
        return onnx_networks(plan.bundle)
    parts = {part.name: getattr(plan, part.name) for part in fields(Checkpoints)}
    if not all(parts.values()):
        raise SystemExit(f"give --bundle, or all of {', '.join(f'--{name}' for name in parts)}")
    judge, locator = load_judge(Checkpoints(**parts)), load_locator(parts["locator"])
    return torch_networks(judge, locator, alone=plan.variances == "alone")


def cases_of(plan: EvaluationPlan) -> Iterator[Truth]:
    """The images of an evaluation, one after the other."""
    if plan.grids:
        people = islice(real_people(plan.data), plan.grids)
        return (case for person in people for case in on_other_grids(person))
    return _on_the_ladder(plan) if plan.ladder else _at_random(plan)


def _at_random(plan: EvaluationPlan) -> Iterator[Truth]:
    """Each person clean, then with each artefact at ``repeats`` random severities."""
    for number, person in enumerate(islice(real_people(plan.data), plan.people)):
        yield _scanned(plan, person, None, 0.0, plan.seed + number)
        for repeat in range(plan.repeats):
            rng = np.random.default_rng((plan.seed, number, repeat))
            for artefact in ARTEFACTS:
                severity = float(rng.uniform(0.05, 1.0))
                yield _scanned(plan, person, artefact, severity, plan.seed + plan.repeats * number + repeat)


def _on_the_ladder(plan: EvaluationPlan) -> Iterator[Truth]:
    """Some people clean, then with each artefact at each severity of the ladder, all else being equal."""
    for number, person in enumerate(islice(real_people(plan.data), plan.ladder)):
        yield _scanned(plan, person, None, 0.0, plan.seed + number)
        for artefact in ARTEFACTS:
            for severity in LADDER:
                yield _scanned(plan, person, artefact, severity, plan.seed + number)


def _scanned(plan: EvaluationPlan, person: Truth, artefact: Artefact | None, severity: float, seed: int) -> Truth:
    if plan.simulator == "torchio":
        return by_the_second_scanner(person, artefact, severity, seed)
    return with_artefact(person, artefact, severity, seed) if artefact else person


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesPlan:
    """``rows``: the rows.csv of an evaluation."""

    rows: Path


def print_tables(plan: TablesPlan) -> None:
    """The tables of rows that were judged before."""
    print("\n".join(tables_of(read_rows(plan.rows))))


def tables_of(rows: Sequence[Row]) -> Iterator[str]:
    """All tables of some rows, as Markdown lines."""
    return grid_table(rows) if any(row.setting for row in rows) else report_on(rows)
