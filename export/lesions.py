"""A lesion bundle from a checkpoint: graph, parity and mask gates, calibration, golden head, manifest."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cattrs import Converter

from export.declared import OUTPUTS, SERIES, SERIES_BESIDE, TOLERANCES, declare_graph, manifest_of
from export.draft import begin_draft, finish_draft
from export.golden_heads.flair import with_golden, write_golden_heads
from export.graphs import export_lesions, lesion_engines
from export.parity import Parity, measure_lesion_parity
from models.brain.prediction import LOCATOR_FILE, LOCATOR_GRAPH, NetworkGrid
from models.bundle import Bundle, file_digest, write_manifest
from models.graphs import Run
from models.lesions.prediction import FILE, GRAPH, LesionNetwork
from models.manifest import Golden, Manifest, Reference, Thresholds, Training
from models.methods.lesions import ROLE, T1, Lesions, LesionSettings
from models.nets.lesions import LesionConfig
from models.nets.locator import LOCATOR_TRUNK
from models.preprocess import FloatArray
from models.words import copy_words
from training.lesions.anatomy import SPACING_MM
from training.lesions.atlas import Atlas, load_atlas
from training.lesions.calibrate import best_threshold, fit_loss, fit_margin, recalibrated
from training.lesions.examples import BOX, Stream
from training.lesions.judged import Row, judge_person, judge_synthetic
from training.lesions.network import load_network
from training.lesions.people import clean_and_spoilt, read_people
from training.lesions.scans import corruptions_in

GRID = NetworkGrid(spacing_mm=SPACING_MM, box=BOX, locator_multiple=LOCATOR_TRUNK.multiple)
#: Seeds of heads that no training stream used.
_THRESHOLD_SEED, _LOSS_SEED, _CLEAN_SEED, _PARITY_SEED = 9101, 9102, 9103, 9104
_PARITY_HEADS, _LEAST_HEADS = 2, 6
#: Share of accepted series that may be looked at again.
_ALPHA = 0.05
#: A predicted Dice below 0.6 is looked at: a FLAIR drowned in noise is told 0.54.
_TOLERATED_LOSS = 0.4
_NOTICE = (
    "Images were synthesised from label maps and lesion masks; no person's image trained a weight. Lesion masks: "
    "Lesjak et al. 2018, CC BY. MNI152: Copyright (C) 1993-2004 Louis Collins, McConnell Brain Imaging Centre, "
    "Montreal Neurological Institute, McGill University."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionExportPlan:
    """``checkpoint`` of a run of ``python -m training lesions``; ``locator``: graph of a brain bundle, copied as it is.

    ``data``: the folder with labelmaps/, lesions/ and templates/; ``atlas``: where its registrations are kept;
    ``people``: folder of people with masks, who calibrate the predicted Dice and the volume's interval, and train no
    weight. ``heads``: synthetic ones that the predicted Dice is learnt from; ``draws``: spoilt images of each person.
    """

    checkpoint: Path
    locator: Path
    data: Path
    atlas: Path
    out: Path
    version: str
    people: Path | None = None
    heads: int = 300
    draws: int = 4
    passes: int = 0
    dropped: float = 0.2
    border: float = 0.5


def export_lesion_bundle(plan: LesionExportPlan) -> Bundle:
    """Write the bundle beside its place, verify it, then move it there; on a mismatch nothing is written.

    Raises:
        ParityError: ONNX does not say what torch says, or its passes do not differ.
    """
    draft = begin_draft(plan.out)
    network, atlas = load_network(plan.checkpoint), load_atlas(plan.data, plan.atlas, held=True)
    export_lesions(network, BOX, draft / FILE)
    shutil.copyfile(plan.locator, draft / LOCATOR_FILE)
    graphs = lesion_engines(draft)
    parity = measure_lesion_parity(network, graphs[GRAPH], parity_boxes(atlas))
    write_golden_heads(atlas, draft)
    write_manifest(draft, _calibrated(plan, draft, atlas, graphs, parity))
    copy_words(plan.out, draft)
    return finish_draft(draft, plan.out)


def parity_boxes(atlas: Atlas) -> Iterator[FloatArray]:
    """Synthetic heads, an artefact in half of them, as the graph takes them."""
    stream = _stream(atlas, _PARITY_SEED, spoilt=0.5)
    return (stream.example(number).images.numpy() for number in range(_PARITY_HEADS))


def _calibrated(
    plan: LesionExportPlan, draft: Path, atlas: Atlas, graphs: Mapping[str, Run], parity: Parity
) -> Manifest:
    channels = LesionConfig().masks
    asked = LesionNetwork(run=graphs[GRAPH], channels=channels, threshold=0.5, dropped=plan.dropped, border=plan.border)
    tried = list(
        judge_synthetic(_stream(atlas, _THRESHOLD_SEED, spoilt=0.0), max(_LEAST_HEADS, plan.heads // 3), asked)
    )
    asked = replace(asked, threshold=best_threshold(tried))
    stream = _stream(atlas, _LOSS_SEED, spoilt=0.5)
    harm = fit_loss(list(judge_synthetic(stream, plan.heads, asked)), stream.heads)
    clean = list(judge_synthetic(_stream(atlas, _CLEAN_SEED, spoilt=0.0), max(_LEAST_HEADS, plan.heads // 2), asked))
    settings = LesionSettings(
        grid=GRID,
        channels=channels,
        dropped=plan.dropped,
        threshold=asked.threshold,
        loss=harm,
        margin=fit_margin(clean),
        border=plan.border,
        passes=plan.passes,
    )
    manifest = _manifest(plan, draft, settings, clean, parity)
    people = list(_judged_people(plan, draft, manifest, graphs))
    if people:
        settings = replace(settings, loss=recalibrated(harm, people), margin=fit_margin(people))
        manifest = _manifest(plan, draft, settings, clean, parity)
    return with_golden(draft, manifest, graphs)


def _judged_people(plan: LesionExportPlan, draft: Path, manifest: Manifest, graphs: Mapping[str, Run]) -> Iterator[Row]:
    if plan.people is None:
        return
    method = Lesions(Bundle(draft, manifest, ""))
    for person in read_people(plan.people):
        for series in clean_and_spoilt(person, plan.draws, _LOSS_SEED):
            row = judge_person(series, method, graphs)
            if row is not None:
                yield row


def _manifest(
    plan: LesionExportPlan,
    draft: Path,
    settings: LesionSettings,
    clean: Sequence[Row],
    parity: Parity,
) -> Manifest:
    files = (LOCATOR_FILE, FILE, SERIES, SERIES_BESIDE, *((OUTPUTS,) if (draft / OUTPUTS).exists() else ()))
    source = f"{len(clean)} clean synthetic heads with lesions of 0.3 to 60 mL, seed {_CLEAN_SEED}"
    measured = {
        "name": "brain-wmh",
        "version": plan.version,
        "graphs": {
            LOCATOR_GRAPH: declare_graph(draft, LOCATOR_GRAPH, LOCATOR_FILE),
            GRAPH: declare_graph(draft, GRAPH, FILE),
        },
        "settings": settings,
        "references": (
            Reference(source=source, scores={"entropy": tuple(sorted(row.numbers["entropy"] for row in clean))}),
        ),
        "known": Reference(source="none: this method has no signal of familiarity", scores={}),
        "thresholds": Thresholds(
            alpha=_ALPHA,
            unfamiliar=0.02,
            tolerated_loss=_TOLERATED_LOSS,
            impaired=1.0,
            evident=0.2,
            certain=0.9,
        ),
        "golden": Golden(images={ROLE: SERIES, T1: SERIES_BESIDE}, outputs=OUTPUTS, expected={}, tolerances=TOLERANCES),
        "parity": parity,
        "training": Training(data=_data(plan), licence="Apache-2.0", notice=_NOTICE),
        "files": {name: file_digest(draft / name) for name in files},
    }
    return manifest_of("lesions", Converter().unstructure(measured))


def _data(plan: LesionExportPlan) -> tuple[str, ...]:
    """What each part of the bundle was made from."""
    weights = (
        "SynthSeg label maps (Billot et al. 2023, Apache-2.0) and consensus lesion masks (Lesjak et al. 2018, CC BY): "
        "all weights, beginning with the brain bundle's trunk; four maps and six masks kept for the predicted Dice"
    )
    if plan.people is None:
        return (weights,)
    return weights, f"people in {plan.people.name}/: no weight, only shift and intervals of predicted Dice and volume"


def _stream(atlas: Atlas, seed: int, *, spoilt: float) -> Stream:
    model = corruptions_in(spoilt)
    return Stream(atlas=atlas, seed=seed, corruption_model=model, uses=1, box=BOX, t1=0.0)
