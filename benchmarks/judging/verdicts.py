"""What a bundle decides about people it never saw: verdicts against the loss of grey-matter Dice, then all tables.

Every person of the data is judged clean and with each artefact at random severities, by the daemon's own examiner::

    PYTHONPATH=. python benchmarks/judging/verdicts.py --data ../shared/data/brain --out runs/verdicts

Everybody is compared with the bundle's own reference, as shipped, and again with the clean heads of all others, as on a
scanner that was calibrated with so few (rule "iqr").
"""

import argparse
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from daemon.config import Settings, shipped_bundles
from daemon.core.errors import NotAssessable
from daemon.core.judging.assessment import assess
from daemon.core.judging.reference import Cell, Origin, References, Standard, choose
from daemon.core.judging.rule import Rule
from daemon.core.judging.verdict import decide
from daemon.core.values import State, Verdict
from daemon.edge.engines import engine_maker
from daemon.line.examination import Examiner, load_examiner
from models.physics.artefacts import ARTEFACTS
from models.subject import still
from training.evaluation.evaluate import EvaluationPlan, cases_of, tables_of
from training.evaluation.measure import Row, compare, unfound
from training.evaluation.ranks import grey
from training.evaluation.rows import write_rows
from training.truth import Truth

LOST = 0.10


@dataclass(frozen=True)
class Case:
    """One judged image: what was decided, and its numbers beside the truth."""

    row: Row
    state: State
    cause: str
    calibrated: "Case | None" = None

    @property
    def artefact(self) -> str:
        return next(iter(self.row.artefacts), "clean")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--bundle", type=Path, default=shipped_bundles()["brain-t1"])
    options.add_argument("--people", type=int, default=16)
    options.add_argument("--repeats", type=int, default=2)
    options.add_argument("--simulator", choices=("own", "torchio"), default="own")
    plan = EvaluationPlan(**vars(options.parse_args()))
    examiner = load_examiner(plan.bundle, engine_maker(Settings().engine, Settings().compiled))
    standards = standards_of(examiner, plan)
    cases = [judge(examiner, truth, standards[truth.name]) for truth in cases_of(plan)]
    plan.out.mkdir(parents=True, exist_ok=True)
    write_rows(plan.out / "rows.csv", [case.row for case in cases])
    print("As shipped\n")
    print_tables(cases)
    print("\nOn a scanner that was calibrated with the other people's clean heads\n")
    print_tables([case.calibrated or case for case in cases])
    print("\n" + "\n".join(tables_of([case.row for case in cases])))


def standards_of(examiner: Examiner, plan: EvaluationPlan) -> dict[str, Standard]:
    """By person, what a scanner calibrated with the clean heads of all others compares with."""
    manifest = examiner.bundle.manifest
    clean = {}
    for truth in cases_of(replace(plan, repeats=0)):
        found = examiner.examine(still(truth.voxels, truth.affine)).assessment
        clean[truth.name] = {signal: (found.measure(signal).value,) for signal in manifest.compared}
    standards = {}
    for person in clean:
        cells = tuple(
            Cell(scanner="site", protocol="", scores=scores) for name, scores in clean.items() if name != person
        )
        site = References(bundle=examiner.bundle.digest, made_at=0.0, cells=cells)
        standards[person] = choose(site, manifest, Origin(scanner="site", protocol="", coarsest_mm=0.0), Rule.IQR)
    return standards


def judge(examiner: Examiner, truth: Truth, calibrated: Standard) -> Case:
    try:
        examination = examiner.examine(still(truth.voxels, truth.affine))
    except NotAssessable:
        return Case(unfound(truth), State.NOT_ASSESSED, "-")
    manifest, method = examiner.bundle.manifest, examiner.method
    prediction = method.predict(still(truth.voxels, truth.affine), examiner.engines)
    row = compare(prediction, truth, method.settings.interval_margins)
    again = decide(assess(examination.findings, manifest, calibrated), manifest)
    return case_of(row, examination.verdict, case_of(row, again))


def case_of(row: Row, verdict: Verdict, calibrated: Case | None = None) -> Case:
    return Case(row, verdict.state, verdict.cause or "-", calibrated)


def print_tables(cases: list[Case]) -> None:
    clean = {case.row.name: grey(case.row) for case in cases if case.artefact == "clean"}
    lost = {id(case): clean[case.row.name] - grey(case.row) for case in cases}
    groups = {
        "clean": [case for case in cases if case.artefact == "clean"],
        f"an artefact, Dice fell by {LOST} or less": [
            case for case in cases if case.artefact != "clean" and lost[id(case)] <= LOST
        ],
        f"an artefact, Dice fell by more than {LOST}": [case for case in cases if lost[id(case)] > LOST],
    }
    print(f"| images | {' | '.join(State)} | of |")
    print("| --- |" + " ---: |" * (len(State) + 1))
    for name, group in groups.items():
        counts = Counter(case.state for case in group)
        print(f"| {name} | {' | '.join(str(counts[state]) for state in State)} | {len(group)} |")
    print("\n| applied | not accepted | cause right | of |\n| --- | ---: | ---: | ---: |")
    for artefact in ARTEFACTS:
        group = [case for case in cases if case.artefact == artefact]
        stopped = sum(case.state is not State.ACCEPT for case in group)
        right = sum(case.cause == artefact for case in group)
        print(f"| {artefact.value} | {stopped} | {right} | {len(group)} |")
    for case in (*groups["clean"], *groups[f"an artefact, Dice fell by more than {LOST}"]):
        if (case.state is State.ACCEPT) != (case.artefact == "clean"):
            print(f"\n{case.row.name}, {case.artefact}: {case.state}, {case.cause}, lost {lost[id(case)]:.3f}")


if __name__ == "__main__":
    main()
