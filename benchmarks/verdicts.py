"""What the shipped bundle decides about people it never saw: verdicts against the loss of grey-matter Dice.

Every person of the data is judged clean and with each artefact at random severities, by the daemon's own examiner::

    PYTHONPATH=. python benchmarks/verdicts.py --data ../shared/data/brain
"""

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.config import Settings
from daemon.core.values import State, Volume
from daemon.examination import Examiner, load_examiner
from models.artefacts import ARTEFACTS
from training.data import real_people, with_artefact
from training.measure import Truth, dice_by_tissue

LOST = 0.10


@dataclass(frozen=True)
class Case:
    """One judged image: what was done to it, what was decided, and its grey-matter Dice."""

    person: str
    artefact: str
    severity: float
    state: State
    cause: str
    dice: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--bundle", type=Path, default=Settings().bundle)
    options.add_argument("--people", type=int, default=16)
    options.add_argument("--repeats", type=int, default=2)
    chosen = options.parse_args()
    examiner = load_examiner(chosen.bundle, Settings().engine)
    cases = []
    for number, person in zip(range(chosen.people), real_people(chosen.data), strict=False):
        cases.append(judge(examiner, person, "clean", 0.0))
        for repeat in range(chosen.repeats):
            severity = np.random.default_rng((100, number, repeat)).uniform(0.05, 1.0, len(ARTEFACTS))
            for artefact, level in zip(ARTEFACTS, severity, strict=True):
                image = with_artefact(person, artefact, float(level), seed=100 + chosen.repeats * number + repeat)
                cases.append(judge(examiner, image, artefact.value, float(level)))
    print_tables(cases)


def judge(examiner: Examiner, truth: Truth, artefact: str, severity: float) -> Case:
    examination = examiner.examine(Volume(voxels=truth.voxels, affine=truth.affine))
    verdict = examination.verdict
    dice = dice_by_tissue(examination.prediction, truth)["grey matter"]
    return Case(truth.name, artefact, severity, verdict.state, verdict.cause.value if verdict.cause else "-", dice)


def print_tables(cases: list[Case]) -> None:
    clean = {case.person: case.dice for case in cases if case.artefact == "clean"}
    hurt = [case for case in cases if clean[case.person] - case.dice > LOST]
    unhurt = [case for case in cases if case.artefact != "clean" and case not in hurt]
    print(f"| images | {' | '.join(State)} | of |")
    print("| --- |" + " ---: |" * (len(State) + 1))
    groups = {
        "clean": [case for case in cases if case.artefact == "clean"],
        f"an artefact, Dice fell by {LOST} or less": unhurt,
        f"an artefact, Dice fell by more than {LOST}": hurt,
    }
    for name, group in groups.items():
        counts = Counter(case.state for case in group)
        print(f"| {name} | {' | '.join(str(counts[state]) for state in State)} | {len(group)} |")
    print("\n| applied | not accepted | cause right | of |\n| --- | ---: | ---: | ---: |")
    for artefact in ARTEFACTS:
        group = [case for case in cases if case.artefact == artefact]
        stopped = sum(case.state is not State.ACCEPT for case in group)
        right = sum(case.cause == artefact for case in group)
        print(f"| {artefact.value} | {stopped} | {right} | {len(group)} |")
    if not all(case.state is State.ACCEPT for case in groups["clean"]):
        print(
            "\nclean, not accepted:",
            [(c.person, c.state.value, c.cause) for c in groups["clean"] if c.state != "ACCEPT"],
        )


if __name__ == "__main__":
    main()
