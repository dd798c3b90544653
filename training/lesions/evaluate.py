"""Judge people by a lesion bundle, clean and spoilt, and print every table."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.bundle import load_bundle
from models.engines.onnxruntime import OnnxRuntimeEngine
from models.graphs import Graph, Run
from models.methods.lesions import Lesions
from training.lesions.judged import Row, judge_person, write_rows
from training.lesions.people import clean_and_spoilt, read_people
from training.lesions.tables import tables


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionEvaluationPlan:
    """``data``: folder laid out as sub-XX/anat or NAME, each with a FLAIR and a lesion mask on its grid.

    ``draws``: images of each person with an artefact in three of four; ``passes`` with dropped channels beside the
    plain one, 0: none, their rows stay out. ``out``: where the rows go, if anywhere.
    """

    data: Path
    bundle: Path
    out: Path | None = None
    draws: int = 4
    passes: int = 0
    seed: int = 1


def evaluate_lesions(plan: LesionEvaluationPlan) -> None:
    """Judge and print."""
    bundle = load_bundle(plan.bundle)
    method, rows = Lesions(bundle), list[Row]()
    graphs: Mapping[str, Run] = {
        name: OnnxRuntimeEngine(Graph(bundle=bundle.manifest.name, digest="", name=name, file=bundle.file(graph.file)))
        for name, graph in bundle.manifest.graphs.items()
    }
    for person in read_people(plan.data):
        for series in clean_and_spoilt(person, plan.draws, plan.seed):
            row = judge_person(series, method, graphs, plan.passes)
            if row is None:
                print(f"{series.name} {series.spoilt or 'clean'}: not judged", flush=True)
            else:
                rows.append(row)
    if plan.out is not None:
        write_rows(plan.out, rows)
    settings = method.settings
    print(*tables(rows, settings.loss, settings.margin, settings.threshold), sep="\n")
