"""What a bundle decides about people it never saw: verdicts against the loss of grey-matter Dice, then all tables.

Every person of the data is judged clean and with each artefact at random severities, by the daemon's own examiner::

    PYTHONPATH=. python benchmarks/verdicts.py --data ../shared/data/brain --out runs/verdicts
"""

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from daemon.config import Settings
from daemon.core.errors import NotAssessable
from daemon.core.values import State, Volume
from daemon.examination import Examiner, load_examiner
from models.artefacts import ARTEFACTS
from training.evaluate import EvaluationPlan, cases_of, tables_of
from training.measure import Row, Truth, compare, unfound
from training.ranks import grey
from training.rows import write_rows

LOST = 0.10


@dataclass(frozen=True)
class Case:
    """One judged image: what was decided, and its numbers beside the truth."""

    row: Row
    state: State
    cause: str

    @property
    def artefact(self) -> str:
        return next(iter(self.row.artefacts), "clean")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--bundle", type=Path, default=Settings().bundle)
    options.add_argument("--people", type=int, default=16)
    options.add_argument("--repeats", type=int, default=2)
    options.add_argument("--simulator", choices=("own", "torchio"), default="own")
    plan = EvaluationPlan(**vars(options.parse_args()))
    examiner = load_examiner(plan.bundle, Settings().engine)
    cases = [judge(examiner, truth) for truth in cases_of(plan)]
    plan.out.mkdir(parents=True, exist_ok=True)
    write_rows(plan.out / "rows.csv", [case.row for case in cases])
    print_tables(cases)
    print("\n" + "\n".join(tables_of([case.row for case in cases])))


def judge(examiner: Examiner, truth: Truth) -> Case:
    try:
        examination = examiner.examine(Volume(voxels=truth.voxels, affine=truth.affine))
    except NotAssessable:
        return Case(unfound(truth), State.NOT_ASSESSED, "-")
    verdict = examination.verdict
    row = compare(examination.prediction, truth, examiner.bundle.manifest.interval_margins)
    return Case(row, verdict.state, verdict.cause.value if verdict.cause else "-")


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
