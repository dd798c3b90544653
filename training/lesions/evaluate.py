"""Judge people, and synthetic heads, by a lesion bundle, clean and spoilt, and print every table."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from models.bundle import load_bundle
from models.lesions.prediction import LesionNetwork
from models.methods.lesions import Lesions
from training.graphs import graphs_of
from training.lesions.atlas import load_atlas
from training.lesions.examples import BOX, Stream
from training.lesions.judged import Asked, Row, judge_person, judge_synthetic, write_rows
from training.lesions.people import clean_and_spoilt, read_people
from training.lesions.reconstruction.errors import Redraw, redraw_by
from training.lesions.reconstruction.train import load_reconstruction
from training.lesions.scans import corruptions_in
from training.lesions.tables import synthetic_tables, tables


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionEvaluationPlan:
    """``data``: folder laid out as sub-XX/anat or NAME, each with a FLAIR and a lesion mask on its grid.

    ``draws``: images of each person with an artefact in three of four; ``passes`` with dropped channels beside the
    plain one, 0: none, their rows stay out. ``reconstruction``: checkpoint of the network that draws a FLAIR without
    lesions, for error maps (paper 001); none: their rows stay out. ``out``: where the rows go, if anywhere.

    ``heads``: synthetic heads clean and as many with an artefact in half, of the label maps and masks in ``atlas`` (the
    folder with labelmaps/) that no training sees, by the plain pass; their registrations are kept in ``cache``.
    """

    data: Path
    bundle: Path
    out: Path | None = None
    draws: int = 4
    passes: int = 0
    reconstruction: Path | None = None
    heads: int = 0
    atlas: Path | None = None
    cache: Path = Path("runs/lesions/atlas")
    seed: int = 1


def evaluate_lesions(plan: LesionEvaluationPlan) -> None:
    """Judge and print."""
    bundle = load_bundle(plan.bundle)
    method, rows = Lesions(bundle), list[Row]()
    graphs = graphs_of(bundle)
    redraw = None if plan.reconstruction is None else redraw_by(load_reconstruction(plan.reconstruction))
    asked = Asked(passes=plan.passes, redraw=redraw)
    for person in read_people(plan.data):
        for series in clean_and_spoilt(person, plan.draws, plan.seed):
            row = judge_person(series, method, graphs, asked)
            if row is None:
                print(f"{series.name} {series.spoilt or 'clean'}: not judged", flush=True)
            else:
                rows.append(row)
    if plan.out is not None:
        write_rows(plan.out, rows)
    settings = method.settings
    print(*tables(rows, settings.loss, settings.margin, settings.threshold), sep="\n", flush=True)
    if plan.heads and plan.atlas is not None:
        heads = list(_judged_heads(plan, plan.atlas, method.network(graphs), redraw))
        print("", *synthetic_tables(heads, settings.loss), sep="\n")


def _judged_heads(
    plan: LesionEvaluationPlan, data: Path, network: LesionNetwork, redraw: Redraw | None
) -> Iterator[Row]:
    """Clean ones, then spoilt ones."""
    stream = partial(Stream, atlas=load_atlas(data, plan.cache, held=True), uses=1, box=BOX, t1=0.0)
    for seed, spoilt in ((plan.seed, 0.0), (plan.seed + 1, 0.5)):
        model = corruptions_in(spoilt)
        heads = stream(seed=seed, corruption_model=model)
        yield from judge_synthetic(heads, plan.heads, network, Asked(redraw=redraw))
