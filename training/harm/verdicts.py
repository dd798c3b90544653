"""python -m training evaluate brain: heads of any people, clean and spoilt, under the verdicts of bundles."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cattrs import Converter

from training.harm.evaluated import BrainEvaluationPlan, Evaluated
from training.harm.panel import Panel, Session
from training.harm.people import people_of


def judge_all(plan: BrainEvaluationPlan) -> list[Evaluated]:
    """Every image of the plan; what was judged before is read."""
    plan.out.mkdir(parents=True, exist_ok=True)
    table, converter = plan.out / "judged.jsonl", Converter()
    panel = Panel.load(plan)
    known = {one.key: one for one in read_judged(table) if set(one.answers) == set(panel.bundles)}
    judged = []
    for person in people_of(plan):
        session = Session(panel, person)
        for case in person.cases:
            if case.key not in known:
                known[case.key] = session.evaluate(case)
                with table.open("a") as file:
                    file.write(json.dumps(converter.unstructure(known[case.key])) + "\n")
                print(f"{case.key}: {', '.join(a.state for a in known[case.key].answers.values())}", flush=True)
            judged.append(known[case.key])
    return judged


def read_judged(table: Path) -> Iterator[Evaluated]:
    """The images of a table that may not be there; a line that a killed run left half is none."""
    for line in table.read_text().splitlines() if table.exists() else ():
        with suppress(ValueError):
            yield Converter().structure(json.loads(line), Evaluated)
