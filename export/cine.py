"""python -m export.cine: a cine bundle from its checkpoints, calibrated on hearts that each network did not see."""

import argparse
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from cattrs import Converter
from torch import Tensor, nn

from daemon.edge.files.nifti import read_nifti
from export.declared import OUTPUTS, TOLERANCES, declare_graph
from export.draft import begin_draft, finish_draft
from export.graphs import OPSET
from export.parity import Parity, ParityError
from models.bundle import Bundle, file_digest, structured, write_manifest
from models.cine.crops import CROP
from models.cine.masks import between, fitted_limits
from models.cine.plausibility import MASK_GRAPH, SIDE
from models.cine.quality import MISTRIGGERING, CauseModel
from models.cine.reading import CLASSES, DETAIL_GRAPH, SEGMENT_GRAPH, Reading
from models.cine.scores import CineSettings, slice_scores
from models.engines.onnxruntime import OnnxRuntimeEngine
from models.golden import Recorder, save_record
from models.graphs import Graph, Run
from models.manifest import Golden, Manifest, Reference, Thresholds, Training
from models.methods.cine import ROLE, CineMethod
from models.nets.cine import CineConfig, CineJudge
from models.nets.masks import MaskNet
from models.subject import Subject
from models.words import copy_words
from training.cine.calibration import Pixels, fitted_temperature
from training.cine.causes import cause_limits, fitted_causes, spoilt_slices, told_by_others
from training.cine.evaluate import GOOD_DICE, CineEvaluationPlan, Fold, good_masks, judged_folds
from training.cine.judge import torch_graphs
from training.cine.widths import fitted_margins, fitted_scales
from training.running.options import add_options
from training.running.pipeline import PipelineError
from training.running.run import load_weights

FILES = {SEGMENT_GRAPH: "segment.onnx", DETAIL_GRAPH: "detail.onnx", MASK_GRAPH: "mask.onnx"}
GOLDEN = "golden/cine.nii.gz"
#: Signals that have references; causes are told apart by how far each is beyond its own limit.
COMPARED = ("spoiling", "doubt", "mask", "shift")
#: Tolerated share of false alarms, where there are hearts enough to tell it.
_ALPHA = 0.10
#: Share of good stacks beyond each cause's limit, beyond any rule's, and beyond the limit of doubt.
_CAUSE_SHARE, _MASK_SHARE, _DOUBT_SHARE = 0.05, 0.05, 0.05
#: What the largest of 20 slices of two real cines shows (docs/cine.md): the hearts of the folds have two frames only.
_INCOHERENCE = 0.14
#: Three times its limit, until references are of whole cines: a clean pig's last slice is beyond a cause's limit.
_EVIDENT, _CERTAIN = 0.9, 0.97
_TOLERANCE = 1e-3
_ACDC = "35 ACDC patients (Bernard et al. 2018), short axes at end-diastole and end-systole"


@dataclass(frozen=True, slots=True, kw_only=True)
class CineExportPlan:
    """``checkpoint``: of cine-stochastic, of all hearts, ``masks``: of cine-masks; ``runs``, ``mask_runs``: the folds'.

    ``{fold}`` stands for the number of one of the ``folds``. ``data``: folder of the hearts; ``golden``: NIfTI file of
    a cine (4-D) that may ship with the bundle. ``people`` and ``licence``: what the manifest says of them;
    ``good_dice``: masks above it in every structure set the limits of the rules.
    """

    checkpoint: Path
    masks: Path
    runs: str
    mask_runs: str
    data: Path
    golden: Path
    out: Path
    version: str
    folds: int = 5
    people: str = _ACDC
    licence: str = "research only: ACDC is CC BY-NC-SA"
    good_dice: float = GOOD_DICE


class _Segment(nn.Module):
    """The logits alone, nothing dropped."""

    def __init__(self, judge: CineJudge) -> None:
        super().__init__()
        self.cine = judge.cine

    def forward(self, image: Tensor) -> Tensor:
        return self.cine(image, [image.new_ones(1, 1)] * len(self.cine.config.masks)).logits  # type: ignore[no-any-return]


def export_cine(plan: CineExportPlan) -> Bundle:
    """Write the bundle beside its place, verify it, then move it there; on a mismatch nothing is written.

    Raises:
        ParityError: ONNX does not say what torch says.
    """
    draft = begin_draft(plan.out)
    (draft / GOLDEN).parent.mkdir()
    shutil.copyfile(plan.golden, draft / GOLDEN)
    judge, masks = CineJudge(), MaskNet()
    load_weights(plan.checkpoint, judge)
    load_weights(plan.masks, masks)
    _export_graphs(judge.eval(), masks.eval(), draft)
    graphs = {name: _engine(draft, name) for name in FILES}
    parity = measure_parity(judge, masks, graphs)
    manifest = _manifest(plan, _calibrated(plan), parity, draft)
    write_manifest(draft, _with_golden(manifest, draft, graphs))
    copy_words(plan.out, draft)
    return finish_draft(draft, plan.out)


def _export_graphs(judge: CineJudge, masks: MaskNet, folder: Path) -> None:
    image, keep = torch.zeros(2, judge.cine.config.inputs, CROP, CROP), torch.ones(2, sum(judge.cine.config.masks))
    slices = torch.export.Dim("slices", min=1, max=1024)
    for network, example, inputs, outputs, name in (
        (_Segment(judge), (image,), ["image"], ["logits"], SEGMENT_GRAPH),
        (judge, (image, keep), ["image", "keep"], ["logits", "distances", "factor"], DETAIL_GRAPH),
        (masks, (torch.zeros(2, masks.config.classes, SIDE, SIDE),), ["shares"], ["logits"], MASK_GRAPH),
    ):
        program = torch.onnx.export(
            network.eval(),
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=tuple({0: slices} for _ in inputs),
            verbose=False,
        )
        if program is None:
            raise RuntimeError("torch.onnx.export returned nothing: it needs dynamo=True of torch >= 2.8")
        program.save(folder / FILES[name])


def _engine(folder: Path, name: str) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(Graph(bundle=folder.name, digest="", name=name, file=folder / FILES[name]))


def measure_parity(judge: CineJudge, masks: MaskNet, graphs: Mapping[str, Run]) -> Parity:
    """Largest difference of each graph between torch and ONNX Runtime, plain and with dropped channels.

    Raises:
        ParityError: they differ by too much, or dropped channels change nothing: the graph lost its masks.
    """
    chance = np.random.default_rng(7)
    image = chance.standard_normal((3, judge.cine.config.inputs, CROP, CROP)).astype(np.float32)
    keep = (chance.random((3, sum(judge.cine.config.masks))) >= 0.1).astype(np.float32)  # noqa: PLR2004
    shares = chance.dirichlet(np.ones(4), (3, SIDE, SIDE)).astype(np.float32).transpose(0, 3, 1, 2)
    ours, differences = torch_graphs(judge, masks), {}
    given = {
        SEGMENT_GRAPH: {"image": image},
        DETAIL_GRAPH: {"image": image, "keep": keep},
        MASK_GRAPH: {"shares": shares},
    }
    for name, inputs in given.items():
        found, expected = graphs[name](inputs), ours[name](inputs)
        differences[name] = max(float(np.abs(found[key] - expected[key]).max()) for key in expected)
    plain = graphs[DETAIL_GRAPH]({"image": image, "keep": np.ones_like(keep)})["logits"]
    dropped = float(np.abs(plain - graphs[DETAIL_GRAPH]({"image": image, "keep": keep})["logits"]).max())
    if max(differences.values()) > _TOLERANCE or not dropped > _TOLERANCE:
        raise ParityError(f"ONNX differs from torch: {differences}, dropped channels change {dropped:.2g}")
    return differences


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Calibrated:
    """``settings`` of the method, the ``reference`` of its signals, and how many hearts both come from."""

    settings: CineSettings
    scores: Mapping[str, tuple[float, ...]]
    hearts: int


def _calibrated(plan: CineExportPlan) -> _Calibrated:
    evaluation = CineEvaluationPlan(data=plan.data, runs=plan.runs, masks=plan.mask_runs, folds=plan.folds, passes=0)
    first = judged_folds(evaluation)
    everybody = [patient for fold in first for patient in fold.patients]
    temperature = fitted_temperature(Pixels.joined([Pixels.of(patient.both) for patient in everybody]))
    folds = [replace(fold, patients=tuple(patient.at(temperature) for patient in fold.patients)) for fold in first]
    patients = [patient for fold in folds for patient in fold.patients]
    examples = spoilt_slices(plan.data, plan.folds)
    told = told_by_others(examples)
    good = good_masks(folds, plan.good_dice)
    if not good:
        raise PipelineError(f"no mask has a Dice above {plan.good_dice:g} in every structure: train for more steps")
    settings = CineSettings(
        classes=CLASSES,
        channels=sum(CineConfig().masks),
        temperature=temperature,
        interval_margins=fitted_margins(patients),
        volume_scales=fitted_scales(patients),
        mask_limits=fitted_limits([mask.scores() for mask in good], [between(m.labels) for m in good], _MASK_SHARE),
        cause_limits={**cause_limits(examples, told, _CAUSE_SHARE), MISTRIGGERING: _INCOHERENCE},
        doubt_limit=1.0,
        causes=fitted_causes(examples),
    )
    others = {number: fitted_causes(examples.only(examples.folds != number)) for number in np.unique(examples.folds)}
    doubts = [_stack_scores(p.reading, settings)["doubt"] for p in patients]
    settings = replace(settings, doubt_limit=float(np.quantile(doubts, 1 - _DOUBT_SHARE)))
    scores = [_reference_scores(fold, settings, others) for fold in folds]
    joined = {name: tuple(sorted(value for one in scores for value in one[name])) for name in COMPARED}
    return _Calibrated(settings=settings, scores=joined, hearts=len(patients))


def _reference_scores(fold: Fold, settings: CineSettings, others: Mapping[int, CauseModel]) -> dict[str, list[float]]:
    """By signal, of the patients of one fold, with the causes told by a regression of the other folds."""
    own = replace(settings, causes=others[fold.number])
    rows = [_stack_scores(patient.reading, own) for patient in fold.patients]
    return {name: [row[name] for row in rows] for name in COMPARED}


def _stack_scores(reading: Reading, settings: CineSettings) -> dict[str, float]:
    found = slice_scores(reading, settings)
    return {name: float(np.nan_to_num(np.nanmax(found[name]))) for name in COMPARED}


def _manifest(plan: CineExportPlan, calibrated: _Calibrated, parity: Parity, draft: Path) -> Manifest:
    source = f"{plan.people}, each judged by a network that did not see them"
    channels = calibrated.settings.channels
    declared = tomllib.loads(Path(__file__).with_name("cine.toml").read_text())
    measured = {
        "name": "cine-sa",
        "version": plan.version,
        "graphs": {
            SEGMENT_GRAPH: declare_graph(draft, SEGMENT_GRAPH, FILES[SEGMENT_GRAPH], image=(10, 3, CROP, CROP)),
            DETAIL_GRAPH: declare_graph(
                draft, DETAIL_GRAPH, FILES[DETAIL_GRAPH], image=(10, 3, CROP, CROP), keep=(10, channels)
            ),
            MASK_GRAPH: declare_graph(draft, MASK_GRAPH, FILES[MASK_GRAPH], shares=(10, 4, SIDE, SIDE)),
        },
        "settings": calibrated.settings,
        "references": (Reference(source=source, scores=calibrated.scores),),
        "known": Reference(source="none: no signal of familiarity", scores={}),
        "thresholds": Thresholds(
            alpha=max(_ALPHA, 1.001 * len(COMPARED) / (calibrated.hearts + 1)),
            unfamiliar=0.02,
            tolerated_loss=1.0,
            impaired=1.0,
            evident=_EVIDENT,
            certain=_CERTAIN,
        ),
        "golden": Golden(images={ROLE: GOLDEN}, outputs=OUTPUTS, expected={}, tolerances=TOLERANCES),
        "parity": parity,
        "training": Training(
            data=(f"{plan.people}: all weights",),
            licence=plan.licence,
            notice="The golden series is of a pig (WrightGroupSRI/ep-dataset, CC0).",
        ),
        "files": {},
    }
    return structured({"format": 5, **declared, **Converter().unstructure(measured)}, Manifest)


def _with_golden(manifest: Manifest, draft: Path, graphs: Mapping[str, Run]) -> Manifest:
    """The numbers of the golden cine, and the digests of every file."""
    recorders = {name: Recorder(run) for name, run in graphs.items()}
    method = CineMethod(Bundle(draft, manifest, ""))
    findings = method.examine(Subject(images={ROLE: read_nifti(draft / GOLDEN)}), recorders)
    save_record(draft / OUTPUTS, {name: recorder.values for name, recorder in recorders.items()})
    expected = {one.name: one.volume_ml for one in findings.structures}
    expected |= {one.name: one.value for one in findings.signals if one.name in _EXPECTED}
    names = (*FILES.values(), GOLDEN, OUTPUTS)
    return replace(
        manifest,
        golden=replace(manifest.golden, expected=expected),
        files={name: file_digest(draft / name) for name in names},
    )


#: Numbers that every host must get alike; counts of a few pixels may differ in their last one.
_EXPECTED = ("doubt", "LV ejection fraction", "RV ejection fraction", "LV stroke volume", "LV myocardial mass")


def main(arguments: Sequence[str] | None = None) -> None:
    """Export the bundle and print where it lies and how close it is to torch."""
    parser = argparse.ArgumentParser(prog="python -m export.cine", description=__doc__)
    add_options(parser, CineExportPlan)
    bundle = export_cine(CineExportPlan(**vars(parser.parse_args(arguments))))
    print(f"{bundle.folder} {bundle.manifest.version} {bundle.digest[:12]}: {bundle.manifest.parity}")


if __name__ == "__main__":
    main()
