"""A method that is no part of the software: it watches the brightness of a moving heart, volume by volume.

Two graphs, one with an int64 and a boolean input; one IMAGE, one SEGMENTATION, one FAMILIARITY and one DESCRIPTIVE
signal. ``write_bundle`` makes its bundle; ``METHODS["toy"] = Toy`` makes it known, ``hook`` does so for processes.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from daemon.dicom.simulate import series_from_image
from daemon.edge.engines import OnnxRuntimeSettings, engine_maker
from daemon.edge.files.nifti import read_nifti
from daemon.line.examination import Examiner, graphs_of
from export.declared import declare_graph
from models.bundle import Bundle, BundleError, file_digest, load_bundle, structured, write_manifest
from models.findings import Findings, Lack, NotThis, Structure, View
from models.golden import Recorder, save_record
from models.manifest import Manifest
from models.subject import Acquisition, Image

ROLE, STILL = "run", "still"
GOLDEN_STILL = f"golden/{STILL}.nii.gz"
GOLDEN, OUTPUTS = f"golden/{ROLE}.nii.gz", "golden/outputs.npz"
SHAPE, AFFINE, VOXEL_ML = (32, 32, 8), np.diag([3.0, 3.0, 5.0, 1.0]), 0.045
#: Voxels of the heart at rest: what it holds stays the same.
BLOOD = 1500
HEART = {"value": "80891009", "scheme": "SCT", "meaning": "Heart"}
MUSCLE = {"value": "74281007", "scheme": "SCT", "meaning": "Myocardium"}
DROPOUT = {
    "word": "Signal dropout",
    "sentence": "A phase is dark.",
    "action": "Check the electrodes, then repeat.",
    "code": {"value": "111207", "scheme": "DCM", "meaning": "Image artifact(s)"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToySettings:
    """``usual``: the brightness of the hearts it knows; ``harm``: the share of brightness whose loss hurts."""

    usual: float
    harm: float


class Toy:
    """Watches one run."""

    def __init__(self, bundle: Bundle) -> None:
        self._manifest = bundle.manifest
        self._settings = structured(bundle.manifest.settings, ToySettings)
        if set(self._manifest.signals) - {"rest"} != {"stray", "unevenness", "distance", "brightness"}:
            raise BundleError(f"bundle {bundle.manifest.name}: signals are not those of this method")

    def examine(self, subject, graphs):
        image = subject.images[ROLE]
        levels, total = [], np.zeros(image.shape, np.float32)
        for volume in image.voxels:  # folded as it is read
            levels.append(graphs["level"]({"volume": np.ascontiguousarray(volume)})["level"].ravel()[0])
            total += volume
        if not any(levels):
            raise NotThis(Lack.FLAT)
        strays, usual = self._strays(np.array(levels, np.float32), graphs)
        mean = total / np.float32(len(levels))
        region = mean > mean.max() / 2
        signal, worst = self._manifest.signal, float(strays.max())
        return Findings(
            signals=(
                *(signal("stray", float(value), at=(t,)) for t, value in enumerate(strays)),
                signal("unevenness", float(mean[region].std() / mean[region].mean())),
                signal("distance", abs(math.log(usual / self._settings.usual))),
                signal("brightness", usual),
                *self._beside(subject, usual),
            ),
            structures=(Structure(name="muscle", volume_ml=float(region.sum() * VOXEL_ML)),),
            presence=dict.fromkeys(self._manifest.causes, min(1.0, worst / self._settings.harm)),
            view=View(
                image=mean,
                affine=image.affine,
                region=region,
                outlined=region,
                heat={"stray": np.abs(image.voxels[int(strays.argmax())] - mean)},
            ),
            seconds={"infer": 0.001},
            unused={STILL: "it is dark"} if STILL in subject.images and _is_dark(subject.images[STILL]) else {},
        )

    def _beside(self, subject, usual):
        """How bright the heart is while it moves, of what it is at rest; nothing where nobody has seen it at rest."""
        if STILL in subject.images and not _is_dark(subject.images[STILL]):
            yield self._manifest.signal("rest", usual / float(subject.images[STILL].still.mean()))

    @staticmethod
    def _strays(levels, graphs):
        """How far each volume's brightness is from the usual one, as a share of it; and the usual one."""
        usual = float(np.median(levels))
        shares = np.abs(levels - np.float32(usual)) / np.float32(usual)
        index = np.arange(len(shares), dtype=np.int64)
        return graphs["pick"]({"levels": shares, "index": index, "mask": shares > 1e-6})["picked"], usual


def _is_dark(image):
    return float(image.still.mean()) < 1


def hook(folder):
    """Where Python finds, at its start, what makes the method known: for PYTHONPATH."""
    folder.mkdir(parents=True, exist_ok=True)
    tests = Path(__file__).parents[2]
    (folder / "sitecustomize.py").write_text(
        f"import sys\nsys.path.append({str(tests)!r})\n"
        "from builders.judging.toy import Toy\nfrom models.methods.registry import METHODS\nMETHODS['toy'] = Toy\n"
    )
    return folder


def beating(count=12, dark=None, brightness=500.0, seed=0):
    """A heart of ``count`` phases; ``dark``: the index of a phase that lost most of its signal."""
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, side) for side in SHAPE), indexing="ij"))
    voxels = np.empty((count, *SHAPE), np.float32)
    for t in range(count):
        radius = 0.7 + 0.05 * np.sin(2 * np.pi * t / count)
        inside = (places**2).sum(axis=0) < radius**2
        voxels[t] = rng.normal(20, 3, SHAPE) + inside * (brightness * BLOOD / inside.sum()) * (0.3 if t == dark else 1)
    return Image(
        voxels=np.clip(voxels, 0, None),
        affine=AFFINE,
        times_ms=40.0 * np.arange(count),
        dimensions=({},) * count,
        acquisition=Acquisition(protocol="cine", body_part="HEART", echo_time_ms=1.4, repetition_time_ms=40.0),
    )


def resting(brightness=500.0, seed=5):
    """The heart at rest, one volume."""
    moving = beating(1, brightness=brightness, seed=seed)
    return replace(moving, acquisition=replace(moving.acquisition, protocol="still"))


def series(image, seed, study=None):
    """The image as a DICOM series, of the study whose UID is given."""
    made = list(series_from_image(image, seed=seed, description=image.acquisition.protocol))
    for dataset in made if study else ():
        dataset.StudyInstanceUID = study
    return made


def with_still(declared):
    """The bundle has a second role: a series of the heart at rest, which joins where the study has one."""
    heart = {"BodyPartExamined": {"any": ["HEART"]}, "Volumes": {"max": 1}}
    declared["inputs"][STILL] = {"routes": [{"name": "still heart", "when": heart}]}
    declared["signals"]["rest"] = {"evidence": "descriptive"}
    declared["golden"]["images"][STILL] = GOLDEN_STILL
    declared["files"][GOLDEN_STILL] = ""


def write_bundle(folder, change=None):
    """The bundle of the method, exported as its maker would; ``change`` declares otherwise."""
    (folder / "golden").mkdir(parents=True)
    graphs = {"level": _write_level(folder / "level.onnx"), "pick": _write_pick(folder / "pick.onnx")}
    _write_nifti(folder / GOLDEN, beating())
    _write_nifti(folder / GOLDEN_STILL, resting())
    (folder / OUTPUTS).write_bytes(b"")
    declared = _declared()
    if change is not None:
        change(declared)
    manifest = structured(declared, Manifest)
    files = {name: declare_graph(folder, name, path.name) for name, path in graphs.items()}
    write_manifest(folder, _filed(folder, replace(manifest, graphs=files)))
    _measure(folder)
    return folder


def _measure(folder):
    """Write what each graph and the method say of the golden series."""
    bundle = load_bundle(folder)
    make = engine_maker(OnnxRuntimeSettings(), folder)
    examiner = Examiner(bundle, {graph.name: make(graph) for graph in graphs_of(bundle)})
    recorders = {name: Recorder(engine) for name, engine in examiner.engines.items()}
    beside = {STILL: [read_nifti(folder / GOLDEN_STILL)]} if STILL in bundle.manifest.inputs else {}
    found = examiner.examine(read_nifti(folder / GOLDEN), graphs=recorders, beside=beside).assessment
    save_record(folder / OUTPUTS, {name: recorder.values for name, recorder in recorders.items()})
    expected = {name: found.measure(name).value for name in bundle.manifest.signals}
    golden = replace(bundle.manifest.golden, expected=expected | {"muscle": found.structures[0].volume_ml})
    write_manifest(folder, _filed(folder, replace(bundle.manifest, golden=golden)))


def _filed(folder, manifest):
    names = (*(graph.file for graph in manifest.graphs.values()), *manifest.golden.images.values(), OUTPUTS)
    return replace(manifest, files={name: file_digest(folder / name) for name in names})


def _write_nifti(path, image):
    nifti = nib.Nifti1Image(np.moveaxis(image.voxels, 0, -1), image.affine)
    nifti.header.set_xyzt_units("mm", "msec")
    nifti.header["pixdim"][4] = image.times_ms[-1] / max(1, len(image.times_ms) - 1)
    nib.save(nifti, path)


def _write_level(path):
    """level = the mean of a volume of any size."""
    made = helper.make_graph(
        [helper.make_node("ReduceMean", ["volume"], ["level"], keepdims=1)],
        "level",
        [helper.make_tensor_value_info("volume", TensorProto.FLOAT, ["i", "j", "k"])],
        [helper.make_tensor_value_info("level", TensorProto.FLOAT, [1, 1, 1])],
    )
    return _save(made, path)


def _write_pick(path):
    """picked = levels[index] where the mask holds, else 0."""
    made = helper.make_graph(
        [
            helper.make_node("Gather", ["levels", "index"], ["found"]),
            helper.make_node("Where", ["mask", "found", "none"], ["picked"]),
        ],
        "pick",
        [
            helper.make_tensor_value_info("levels", TensorProto.FLOAT, ["t"]),
            helper.make_tensor_value_info("index", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("mask", TensorProto.BOOL, ["n"]),
        ],
        [helper.make_tensor_value_info("picked", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.zeros(1, np.float32), "none")],
    )
    return _save(made, path)


def _save(made, path):
    onnx.save(helper.make_model(made, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


def _declared():
    """What the bundle says, as plain values."""
    scores = [n / 3000 for n in range(1, 61)]
    return {
        "format": 5,
        "name": "hearts",
        "version": "1",
        "method": "toy",
        "task": "the count of beats",
        "organ": {"word": "heart", "body_part": "HEART", "region": HEART, "site": HEART},
        "inputs": {
            ROLE: {
                "phases": "all",
                "routes": [
                    {"name": "stills", "refuse": "a heart that stands still", "when": {"Volumes": {"max": 1}}},
                    {"name": "cine", "when": {"BodyPartExamined": {"any": ["HEART"]}}},
                ],
            }
        },
        "graphs": {},
        "structures": {
            "muscle": {"code": {"value": "74281007", "scheme": "SCT", "meaning": "Myocardium"}, "outlined": True}
        },
        "causes": {"dropout": DROPOUT},
        "signals": {
            "stray": {"evidence": "image", "cause": "dropout", "group": "strays"},
            "unevenness": {"evidence": "segmentation", "structure": "muscle"},
            "distance": {"evidence": "familiarity"},
            "brightness": {"evidence": "descriptive"},
        },
        "primary": "stray",
        "settings": {"usual": 111.6, "harm": 0.2},
        "references": [{"source": "made up", "scores": {"stray": scores, "unevenness": [10 * s for s in scores]}}],
        "known": {"source": "made up", "scores": {"distance": [10 * s for s in scores]}},
        "thresholds": {
            "alpha": 0.05,
            "unfamiliar": 0.02,
            "tolerated_loss": 0.1,
            "impaired": 0.2,
            "evident": 0.2,
            "certain": 0.9,
        },
        "golden": {
            "images": {ROLE: GOLDEN},
            "outputs": OUTPUTS,
            "expected": {},
            "tolerances": {name: {"numbers": 0.05, "outputs": 0.05} for name in ("f32", "bf16")},
        },
        "parity": {},
        "training": {"data": ["none"], "licence": "none", "notice": ""},
        "files": {GOLDEN: "", OUTPUTS: ""},
    }
