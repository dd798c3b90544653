"""A lesion bundle from a checkpoint: graph, parity and mask gates, calibration, golden head, manifest."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from cattrs import Converter

from daemon.edge.files.nifti import read_nifti
from export.declared import OUTPUTS, SERIES, SERIES_BESIDE, TOLERANCES, declare_graph, manifest_of
from export.graphs import export_lesions
from export.parity import Parity, ParityError
from models.brain.prediction import LOCATOR_FILE, LOCATOR_GRAPH, NetworkGrid
from models.bundle import Bundle, file_digest, load_bundle, write_manifest
from models.engines.onnxruntime import OnnxRuntimeEngine
from models.golden import Recorder, save_record
from models.graphs import Graph, Run
from models.lesions.prediction import FILE, GRAPH, IMAGES, LesionNetwork, drawn_masks, whole_masks
from models.manifest import Golden, Manifest, Reference, Thresholds, Training
from models.methods.lesions import ROLE, STRUCTURE, T1, Lesions, LesionSettings
from models.nets.lesions import LesionConfig
from models.nets.locator import LOCATOR_TRUNK
from models.subject import Subject
from models.words import copy_words
from training.lesions.anatomy import SPACING_MM, draw_anatomy
from training.lesions.atlas import Atlas, load_atlas
from training.lesions.calibrate import best_threshold, fit_loss, fit_margin, recalibrated
from training.lesions.contrast import draw_flair
from training.lesions.examples import BOX, Stream
from training.lesions.judged import Row, judge_person, judge_synthetic
from training.lesions.load import draw_lesions
from training.lesions.network import ServedNet, load_network, run_of
from training.lesions.people import clean_and_spoilt, read_people
from training.lesions.t1 import draw_t1
from training.synthesis.generators import generators_of
from training.synthesis.heads import CorruptionModel

GRID = NetworkGrid(spacing_mm=SPACING_MM, box=BOX, locator_multiple=LOCATOR_TRUNK.multiple)
#: Seeds of heads that no training stream used.
_THRESHOLD_SEED, _LOSS_SEED, _CLEAN_SEED, _PARITY_SEED, _GOLDEN_SEED = 9101, 9102, 9103, 9104, 9105
_PARITY_HEADS, _PARITY_PASSES, _LEAST_HEADS = 2, 3, 6
#: Largest difference of a probability between torch and ONNX Runtime that passes.
_TOLERANCE = 1e-3
#: Share of accepted series that may be looked at again.
_ALPHA = 0.05
#: A predicted Dice below 0.6 is looked at: a FLAIR drowned in noise is told 0.54.
_TOLERATED_LOSS = 0.4
_LEVELS = 1000
#: How far the header of the golden T1 is off, in mm.
_OFF_MM = (4.0, -9.0, 6.0)
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
    draft = plan.out.with_name(plan.out.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    network, atlas = load_network(plan.checkpoint), load_atlas(plan.data, plan.atlas, held=True)
    export_lesions(network, BOX, draft / FILE)
    shutil.copyfile(plan.locator, draft / LOCATOR_FILE)
    graphs = {name: _engine(draft, name, file) for name, file in ((LOCATOR_GRAPH, LOCATOR_FILE), (GRAPH, FILE))}
    parity = measure_parity(network, graphs[GRAPH], atlas)
    write_golden_heads(atlas, draft)
    write_manifest(draft, _calibrated(plan, draft, atlas, graphs, parity))
    copy_words(plan.out, draft)
    load_bundle(draft)
    shutil.rmtree(plan.out, ignore_errors=True)
    draft.rename(plan.out)
    return load_bundle(plan.out)


def _engine(folder: Path, name: str, file: str) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(Graph(bundle=folder.name, digest="", name=name, file=folder / file))


def measure_parity(network: ServedNet, run: Run, atlas: Atlas) -> Parity:
    """Largest difference between torch and a runtime, plain and with dropped channels, and how much passes vary.

    Raises:
        ParityError: of one head they differ by too much, or its passes do not differ: the runtime dropped the masks.
    """
    channels, torch_run = network.network.config.masks, run_of(network)
    stream = _stream(atlas, _PARITY_SEED, spoilt=0.5)
    largest, spread = 0.0, np.inf
    for number in range(_PARITY_HEADS):
        images = {IMAGES: stream.example(number).images.numpy()}
        ways = [whole_masks(channels), *drawn_masks(channels, passes=_PARITY_PASSES, share=0.2)]
        found = [run({**images, **masks}) for masks in ways]
        expected = [torch_run({**images, **masks}) for masks in ways]
        gaps = [np.abs(a[name] - b[name]).max() for a, b in zip(found, expected, strict=True) for name in a]
        largest = max(largest, float(max(gaps)))
        spread = min(spread, float(np.var([out["lesion"] for out in found[1:]], axis=0).max()))
        if not (largest <= _TOLERANCE and spread > 0):
            raise ParityError(
                f"ONNX differs from torch by {largest:.2g} ({_TOLERANCE} passes), passes vary by {spread:.2g}"
            )
    return {"probability": largest, "variance over passes": spread}


def write_golden_heads(atlas: Atlas, folder: Path) -> None:
    """A synthetic FLAIR of 2 mm with about 12 mL of lesions and its T1, whose header is off."""
    generators = generators_of(_GOLDEN_SEED)
    anatomy = draw_anatomy(atlas, generators)
    lesions = draw_lesions(anatomy, 12.0, generators)
    flair = draw_flair(anatomy, lesions, generators).numpy()
    _write_levels(flair + 0.03 * generators.host.standard_normal(flair.shape), np.zeros(3), folder / SERIES)
    t1 = draw_t1(anatomy, lesions, CorruptionModel(probability=0.0), generators).numpy()
    _write_levels(t1, np.asarray(_OFF_MM), folder / SERIES_BESIDE)


def _write_levels(image: npt.NDArray[np.floating], off_mm: npt.NDArray[np.float64], path: Path) -> None:
    """Magnitudes as 16-bit integers; the header puts their centre at ``off_mm``."""
    noisy = np.abs(image)
    levels = np.rint(noisy * (_LEVELS / np.percentile(noisy, 99.5))).astype(np.int16)
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:3, 3] = off_mm - (np.asarray(image.shape) - 1) * SPACING_MM / 2
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(levels, affine).to_filename(path)


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
    return _with_golden(draft, manifest, graphs)


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


def _with_golden(draft: Path, manifest: Manifest, graphs: Mapping[str, Run]) -> Manifest:
    """What the golden head must give; the graphs' outputs are written beside it."""
    recorders = {name: Recorder(run) for name, run in graphs.items()}
    subject = Subject(images={role: read_nifti(draft / file) for role, file in manifest.golden.images.items()})
    findings = Lesions(Bundle(draft, manifest, "")).examine(subject, recorders)
    save_record(draft / OUTPUTS, {name: recorder.values for name, recorder in recorders.items()})
    # in bf16 a lesion of two voxels comes or goes
    expected = {signal.name: signal.value for signal in findings.signals if signal.name != "lesion count"}
    expected |= {STRUCTURE: findings.structures[0].volume_ml}
    golden = replace(manifest.golden, expected=expected)
    return replace(manifest, golden=golden, files={**manifest.files, OUTPUTS: file_digest(draft / OUTPUTS)})


def _stream(atlas: Atlas, seed: int, *, spoilt: float) -> Stream:
    model = CorruptionModel(probability=spoilt, severity=(0.05, 0.8))
    return Stream(atlas=atlas, seed=seed, corruption_model=model, uses=1, box=BOX, t1=0.0)
