"""A brain bundle from its checkpoints: graphs, parity gate, golden head, reference, manifest."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from itertools import chain, islice, zip_longest
from pathlib import Path

from cattrs import Converter

from export.declared import FAMILIARITY, OUTPUTS, SERIES, brain_manifest, declare_graph
from export.draft import begin_draft, finish_draft
from export.golden_heads.t1 import expect, write_golden_head
from export.graphs import export_judge, export_locator
from export.parity import Parity, check_parity, measure_parity
from export.reference import Judged, familiarity_of, margins_of, references_of, thresholds_of
from models.brain.familiarity import describe, save_spaces
from models.brain.prediction import (
    JUDGE_FILE,
    JUDGE_GRAPH,
    LOCATOR_FILE,
    LOCATOR_GRAPH,
    NoHeadFound,
    locate_by,
    prepare,
)
from models.bundle import Bundle, Manifest, file_digest, write_manifest
from models.graphs import Run
from models.manifest import Training
from models.methods.brain import BRIGHT_GREY, MOST_TISSUE_ML, BrainSettings
from models.physics.artefacts import ARTEFACTS
from models.physics.spectrum import feature_names
from models.preprocess import coarsest_mm
from models.words import copy_words
from training.brain.networks import (
    BRAIN_GRID,
    Checkpoints,
    Networks,
    load_judge,
    load_locator,
    networks_by,
    onnx_graphs,
    torch_networks,
)
from training.evaluation.cases import SyntheticPeople, real_people
from training.evaluation.evaluate import EvaluationPlan, cases_of
from training.evaluation.measure import compare
from training.synthesis.appearance import draw_thick_slices, draw_voxel_size
from training.synthesis.heads import CorruptionModel
from training.synthesis.labelmaps import TISSUES
from training.synthesis.scene import DrawSize
from training.truth import Truth

#: T1-weighted sequences read their echo within some milliseconds; T2 and FLAIR after about a hundred.
LONGEST_ECHO_MS = 30.0
#: So many synthetic heads, and so many people if there are any, must give the same in ONNX as in torch.
PARITY_HEADS = 4
#: Seeds of heads that no training stream used.
_CORRUPTED_SEED, _PARITY_SEED, _MARGIN_SEED = 9002, 9003, 9004
#: The same of the clean heads, with the voxels that each has.
_SIZES: Mapping[int, DrawSize] = {
    9005: lambda _: (1, 1, 1),
    9001: lambda _: (2, 2, 2),
    9006: partial(draw_thick_slices, thinnest_mm=3),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """How much is judged for the manifest.

    ``references``: clean heads of each size of voxels that has a reference of its own; ``corrupted``: heads that the
    threshold is set with.

    ``people``: folder of people with known tissue: their volumes set how wide the intervals are, and some of them are
    judged by torch and by ONNX. Without it synthetic heads set the intervals: wider ones, for their errors are larger.

    ``parity_heads``: so many of each must give the same in ONNX as in torch. ``data`` and ``notice``: what the weights
    were made from and whose that is, where it is not the open label maps.

    ``most_tissue_ml`` and ``bright_grey``: from where on what is seen is no T1-weighted head (``BrainSettings``).
    """

    brain: Path
    cause: Path
    stochastic: Path
    borders: Path
    locator: Path
    bank: Path
    label_maps: Path
    out: Path
    version: str
    references: int = 149
    corrupted: int = 100
    people: Path | None = None
    golden_seed: int = 8
    parity_heads: int = PARITY_HEADS
    data: tuple[str, ...] = ()
    notice: str = ""
    most_tissue_ml: float = MOST_TISSUE_ML
    bright_grey: float = BRIGHT_GREY


def export_brain(plan: ExportPlan) -> Bundle:
    """Write the bundle beside its place, verify it, then move it there; on a mismatch nothing is written.

    Raises:
        ParityError: ONNX does not say what torch says.
    """
    draft = begin_draft(plan.out)
    checkpoints = _checkpoints(plan)
    export_locator(load_locator(checkpoints.locator), draft / LOCATOR_FILE)
    export_judge(load_judge(checkpoints), draft / JUDGE_FILE)
    graphs = onnx_graphs(draft)
    parity = _parity(plan, checkpoints, graphs)
    check_parity(parity)
    write_golden_head(min(plan.bank.glob("*.npy")), plan.label_maps, plan.golden_seed, draft / SERIES)
    write_manifest(draft, _manifest(plan, graphs, parity, draft))
    copy_words(plan.out, draft)
    return finish_draft(draft, plan.out)


def _parity(plan: ExportPlan, checkpoints: Checkpoints, graphs: Mapping[str, Run]) -> Parity:
    drawn = _heads(plan, _PARITY_SEED, CorruptionModel(probability=0.5))
    people = real_people(plan.people) if plan.people else ()
    both = chain(map(drawn.head, range(plan.parity_heads)), islice(people, plan.parity_heads))
    heads = [prepare(head.voxels, head.affine, BRAIN_GRID, locate_by(graphs)) for head in both]
    return measure_parity(load_judge(checkpoints), graphs[JUDGE_GRAPH], heads)


def _manifest(plan: ExportPlan, graphs: Mapping[str, Run], parity: Parity, draft: Path) -> Manifest:
    networks = networks_by(graphs)
    clean = _judged_clean(plan, networks)
    corrupted = _judged(networks, _heads(plan, _CORRUPTED_SEED, CorruptionModel(probability=1.0)), plan.corrupted)
    source = f"{len(clean)} clean synthetic heads of the contrasts of scans, seeds {', '.join(map(str, _SIZES))}"
    spaces, known = familiarity_of(clean, source)
    save_spaces(draft / FAMILIARITY, spaces)
    measured = {
        "name": "brain-t1",
        "version": plan.version,
        "graphs": {
            LOCATOR_GRAPH: declare_graph(draft, LOCATOR_GRAPH, LOCATOR_FILE),
            JUDGE_GRAPH: declare_graph(draft, JUDGE_GRAPH, JUDGE_FILE, image=(1, 1, *BRAIN_GRID.box)),
        },
        "settings": BrainSettings(
            grid=BRAIN_GRID,
            labels=TISSUES,
            artefacts=tuple(a.value for a in ARTEFACTS),
            features=feature_names(),
            familiarity=FAMILIARITY,
            longest_echo_ms=LONGEST_ECHO_MS,
            interval_margins=margins_of(_judged_for_margins(plan, networks)),
            most_tissue_ml=plan.most_tissue_ml,
            bright_grey=plan.bright_grey,
        ),
        "references": references_of(clean, source),
        "known": known,
        "thresholds": thresholds_of(clean, corrupted),
        "golden": expect(draft, graphs, spaces),
        "parity": parity,
        "training": Training(data=_data(plan), licence="Apache-2.0", notice=plan.notice or _NOTICE),
        "files": {name: file_digest(draft / name) for name in (LOCATOR_FILE, JUDGE_FILE, FAMILIARITY, SERIES, OUTPUTS)},
    }
    return brain_manifest(Converter().unstructure(measured))


_NOTICE = (
    "Images were synthesised from the label maps; no person's image trained a weight. MNI152: Copyright (C) 1993-2004 "
    "Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University."
)


def _data(plan: ExportPlan) -> tuple[str, ...]:
    """What each part of the bundle was made from."""
    data = [*plan.data] or [
        "20 SynthSeg label maps with their T1 intensity priors (Billot et al. 2023): all weights",
        "MNI152 T1 template with FAST's partial volumes: the two offsets between tissues",
    ]
    if plan.people:
        data.append(f"people in {plan.people.name}/: no weight, only the margins of the volumes' intervals")
    return tuple(data)


def _judged_clean(plan: ExportPlan, networks: Networks) -> list[Judged]:
    """Clean heads of each size of voxels in turn: any part of the list holds all sizes."""
    kinds = [_heads(plan, seed, draw_size=size) for seed, size in _SIZES.items()]
    sizes = [_judged(networks, heads, plan.references) for heads in kinds]
    return [head for alike in zip_longest(*sizes) for head in alike if head is not None]


def _judged_for_margins(plan: ExportPlan, networks: Networks) -> list[Judged]:
    """Clean and spoilt heads whose true volumes are known."""
    if plan.people:
        cases = cases_of(EvaluationPlan(data=plan.people, out=plan.out, seed=_MARGIN_SEED, repeats=1))
        return _found(_judge(networks, case) for case in cases)
    return _judged(_unmoved(plan), _heads(plan, _MARGIN_SEED, CorruptionModel(probability=0.6)), plan.corrupted)


def _unmoved(plan: ExportPlan) -> Networks:
    """The networks with the borders of their label maps: only there is a volume of synthetic heads unbiased."""
    checkpoints = _checkpoints(plan)
    judge = load_judge(checkpoints)
    judge.borders.offsets.zero_()
    return torch_networks(judge, load_locator(checkpoints.locator))


def _checkpoints(plan: ExportPlan) -> Checkpoints:
    return Checkpoints(**{part.name: getattr(plan, part.name) for part in fields(Checkpoints)})


def _heads(
    plan: ExportPlan, seed: int, corruption_model: CorruptionModel | None = None, draw_size: DrawSize = draw_voxel_size
) -> SyntheticPeople:
    return SyntheticPeople(
        bank=plan.bank, label_maps=plan.label_maps, seed=seed, corruption_model=corruption_model, draw_size=draw_size
    )


def _judged(networks: Networks, heads: SyntheticPeople, count: int) -> list[Judged]:
    """The first heads, two at a time: drawing one takes as long as judging one."""
    with ThreadPoolExecutor(2) as threads:
        return _found(threads.map(lambda number: _judge(networks, heads.head(number)), range(count)))


def _found(judged: Iterable[Judged | None]) -> list[Judged]:
    return [head for head in judged if head is not None]


def _judge(networks: Networks, head: Truth) -> Judged | None:
    """None where no head is found, which the daemon does not judge either."""
    try:
        prediction = networks.predict(head.voxels, head.affine)
    except NoHeadFound:
        return None
    return Judged(
        row=compare(prediction, head),
        coarsest_mm=coarsest_mm(head.affine),
        volume_samples_ml=prediction.volume_samples_ml,
        description=describe(prediction),
    )
