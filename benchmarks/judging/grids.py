"""What the shipped bundle decides about one head on other grids: the verdict should not depend on how it is stored.

Every person is judged by the daemon's own examiner, as stored and turned, sliced, interpolated, cut and padded::

    PYTHONPATH=. python benchmarks/judging/grids.py --data ../shared/data/brain --people 6
"""

import argparse
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import numpy as np

from daemon.config import Settings, shipped_bundles
from daemon.core.errors import NotAssessable
from daemon.edge.engines import engine_maker
from daemon.line.examination import load_examiner
from models.subject import still
from training.evaluation.cases import real_people
from training.evaluation.grids import on_other_grids
from training.evaluation.measure import dice_by_tissue


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--bundle", type=Path, default=shipped_bundles()["brain-t1"])
    options.add_argument("--people", type=int, default=6)
    chosen = options.parse_args()
    examiner = load_examiner(chosen.bundle, engine_maker(Settings().engine, Settings().compiled))
    dices, verdicts = defaultdict(list), defaultdict(Counter)
    for person in islice(real_people(chosen.data), chosen.people):
        for case in on_other_grids(person):
            image = still(case.voxels, case.affine)
            try:
                examination = examiner.examine(still(case.voxels, case.affine))
            except NotAssessable:
                verdicts[case.setting]["NOT_ASSESSED"] += 1
                dices[case.setting].append(0.0)
                continue
            prediction = examiner.method.predict(image, examiner.engines)
            verdicts[case.setting][examination.verdict.state.value] += 1
            dices[case.setting].append(dice_by_tissue(prediction, case)["grey matter"])
    print("| grid | grey-matter Dice | worst | verdicts |\n| --- | ---: | ---: | --- |")
    for setting, found in verdicts.items():
        said = ", ".join(f"{state} {count}" for state, count in found.most_common())
        print(f"| {setting} | {np.mean(dices[setting]):.3f} | {min(dices[setting]):.3f} | {said} |")


if __name__ == "__main__":
    main()
