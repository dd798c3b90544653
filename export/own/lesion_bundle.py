"""A lesion bundle of a network that went on from another bundle's with a site's people, who calibrate it, too.

Every number of it comes from people whom the network that judged them did not see. What no number of them decides is
the other bundle's: locator, golden head, thresholds, names, words and routes.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cattrs import Converter

from export.declared import OUTPUTS, declare_graph
from export.draft import begin_draft, finish_draft
from export.golden_heads.flair import golden_subject, with_golden
from export.graphs import export_lesions, lesion_engines
from export.parity import Parity, measure_lesion_parity
from models.brain.prediction import LOCATOR_FILE, LOCATOR_GRAPH
from models.bundle import Bundle, file_digest, write_manifest
from models.lesions.prediction import FILE, GRAPH
from models.manifest import Manifest, Reference, Training
from models.methods.lesions import ARTEFACT, ROLE, LesionSettings
from models.preprocess import FloatArray
from models.subject import Subject, still
from models.words import copy_words
from training.lesions.calibrate import best_threshold, fit_loss_of_people, fit_margin
from training.lesions.judged import Row
from training.lesions.own.judging import judged_rows, tried_rows
from training.lesions.own.people import images_of, people_in, read_person
from training.lesions.own.start import Start, load_start, own_network

#: People beside the golden head on whose boxes torch and runtime are compared.
_PARITY_PEOPLE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLesionExportPlan:
    """``checkpoint``: of everybody; ``rows``: what the others judged of people held out; ``data``: the people.

    ``start``: the bundle that was gone on from; ``people`` and ``licence``: what the manifest says of them.
    """

    checkpoint: Path
    rows: Path
    data: Path
    start: Path
    out: Path
    version: str
    people: str
    licence: str


def export_own_lesions(plan: OwnLesionExportPlan) -> Bundle:
    """Write the bundle beside its place, verify it, then move it there; on a mismatch nothing is written.

    Raises:
        ParityError: ONNX does not say what torch says, or its passes do not differ.
    """
    start, network, draft = load_start(plan.start), own_network(plan.checkpoint), begin_draft(plan.out)
    export_lesions(network, start.settings.grid.box, draft / FILE)
    shutil.copyfile(start.bundle.file(start.bundle.manifest.graphs[LOCATOR_GRAPH].file), draft / LOCATOR_FILE)
    for file in start.bundle.manifest.golden.images.values():
        (draft / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(start.bundle.file(file), draft / file)
    graphs = lesion_engines(draft)
    parity = measure_lesion_parity(network, graphs[GRAPH], _boxes(plan, start))
    write_manifest(draft, with_golden(draft, _manifest(plan, start, draft, parity), graphs))
    copy_words(start.bundle.folder, draft)
    return finish_draft(draft, plan.out)


def _boxes(plan: OwnLesionExportPlan, start: Start) -> Iterator[FloatArray]:
    """The golden head and some people, as the graph takes them."""
    yield start.method().prepare(golden_subject(start.bundle.folder, start.bundle.manifest), start.graphs).images
    for image in images_of(plan.data, people_in(plan.data))[:_PARITY_PEOPLE]:
        person = read_person(image)
        subject = Subject(images={ROLE: still(person.voxels, person.affine)})
        yield start.method().prepare(subject, start.graphs).images


def calibrated(start: LesionSettings, tried: list[Row], judged: list[Row]) -> LesionSettings:
    """A bundle's settings with the threshold, the regression and the margin of some people."""
    return replace(
        start, threshold=best_threshold(tried, 0.0), loss=fit_loss_of_people(judged), margin=fit_margin(judged)
    )


def _manifest(plan: OwnLesionExportPlan, start: Start, draft: Path, parity: Parity) -> Manifest:
    old, rows = start.bundle.manifest, [*judged_rows(plan.rows).values()]
    clean = [row for row in rows if not row.spoilt]
    files, before = (LOCATOR_FILE, FILE, *old.golden.images.values()), f"{old.name} {old.version}"
    source = f"{len(clean)} clean FLAIR of {plan.people}, each judged by a network that did not see the person"
    artefacts = {name: scores for name, scores in old.references[-1].scores.items() if name == ARTEFACT}
    if artefacts:  # told by the stored image, whatever network judges it
        source = f"{source}; artefact: as of {before}"
    made = f"{plan.people}: all weights, which began with those of {before}, and every number"
    return replace(
        old,
        version=plan.version,
        graphs={
            LOCATOR_GRAPH: declare_graph(draft, LOCATOR_GRAPH, LOCATOR_FILE),
            GRAPH: declare_graph(draft, GRAPH, FILE),
        },
        settings=Converter().unstructure(calibrated(start.settings, tried_rows(plan.rows), rows)),
        references=(
            Reference(
                source=source,
                scores={**artefacts, "entropy": tuple(sorted(row.numbers["entropy"] for row in clean))},
            ),
        ),
        golden=replace(old.golden, outputs=OUTPUTS, expected={}),
        parity=parity,
        training=Training(
            data=(made, *(f"before, of {before}: {data}" for data in old.training.data)),
            licence=plan.licence,
            notice=f"People of the site trained the weights. Of {before} before it: {old.training.notice}",
        ),
        files={name: file_digest(draft / name) for name in files},
    )
