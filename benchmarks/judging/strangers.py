"""What a bundle answers to what is no head, or no T1-weighted one; nothing of it may be accepted.

PYTHONPATH=.:tests python benchmarks/judging/strangers.py --data ../shared/data
"""

import argparse
from collections import Counter, defaultdict
from pathlib import Path

from builders.images.strangers import volumes

from daemon.config import Settings, shipped_bundles
from daemon.core.errors import NotAssessable
from daemon.core.values import State
from daemon.edge.engines import engine_maker
from daemon.line.examination import load_examiner
from models.subject import still


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--bundle", type=Path, default=shipped_bundles()["brain-t1"])
    chosen = options.parse_args()
    examiner = load_examiner(chosen.bundle, engine_maker(Settings().engine, Settings().compiled))
    answers: defaultdict[str, Counter[State]] = defaultdict(Counter)
    others = []
    for kind, name, voxels, affine in volumes(chosen.data):
        try:
            verdict = examiner.examine(still(voxels, affine)).verdict
            state, why = verdict.state, f"{verdict.cause} {'; '.join(verdict.reasons)}"
        except NotAssessable as error:
            state, why = State.NOT_ASSESSED, str(error)
        answers[kind][state] += 1
        if state in {State.ACCEPT, State.RESCAN}:
            others.append(f"{kind} {name}: {state} {why}")
    print(f"| what it is | {' | '.join(State)} |\n| --- |" + " ---: |" * len(State))
    for kind, counts in answers.items():
        print(f"| {kind} | {' | '.join(str(counts[state]) for state in State)} |")
    print("\nneither NOT_ASSESSED nor REVIEW:", *others, sep="\n- ")


if __name__ == "__main__":
    main()
