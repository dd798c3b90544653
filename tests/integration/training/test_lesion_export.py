"""The export of a lesion bundle: what it writes and refuses. In a process of its own: see EXPORTING in Makefile."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from builders.images.reader_table import DICOM

import training.lesions.atlas
from daemon.edge.engines import OnnxRuntimeSettings, engine_maker
from daemon.line.examination import check_golden, load_examiner
from export.lesions import LesionExportPlan, export_lesion_bundle, parity_boxes
from export.parity import ParityError, measure_lesion_parity
from models.bundle import load_bundle
from models.engines.onnxruntime import OnnxRuntimeEngine
from models.findings import Evidence
from models.graphs import Graph
from models.lesions.prediction import MASKS
from training.lesions.atlas import load_atlas
from training.lesions.evaluate import LesionEvaluationPlan, evaluate_lesions
from training.lesions.network import load_network
from training.lesions.train import LesionPlan, train_lesions

DATA = DICOM.parent
ZOO = Path(__file__).parents[3] / "models" / "zoo" / "brain-t1"

pytestmark = [
    pytest.mark.skipif(not (DATA / "labelmaps").is_dir(), reason="no label maps: set SCANSIDE_DATA"),
    # torch's exporter warns of its own future; what we call is what its documentation names today
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two of the label maps: one trains, one is held back."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "labelmaps").mkdir()
    for path in [*(DATA / "labelmaps").glob("*.npy"), *sorted((DATA / "labelmaps").glob("*_seg_*"))[-2:]]:
        (folder / "labelmaps" / path.name).symlink_to(path)
    for name in ("lesions", "templates"):
        (folder / name).symlink_to(DATA / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.lesions.atlas, "HELD_MAPS", 1)
        yield folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train_lesions(LesionPlan(run=folder, data=data, steps=2, save_every=1, start=ZOO / "judge.onnx"))
    return folder


@pytest.fixture(scope="module")
def bundle(data, run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "brain-wmh"
    plan = LesionExportPlan(
        checkpoint=run / "checkpoint.pt",
        locator=ZOO / "locate.onnx",
        data=data,
        atlas=run / "atlas",
        out=folder,
        version="0",
        heads=9,
    )
    return export_lesion_bundle(plan)


@pytest.fixture(scope="module")
def held(data, run):
    """The atlas that an export judges with."""
    return load_atlas(data, run / "atlas", held=True)


def test_a_bundle_of_an_export_is_whole_and_its_golden_flair_gives_its_numbers(bundle, tmp_path):
    examiner = load_examiner(bundle.folder, engine_maker(OnnxRuntimeSettings(), tmp_path))
    check_golden(examiner)

    assert bundle.digest == load_bundle(bundle.folder).digest
    assert sum(path.stat().st_size for path in bundle.folder.rglob("*")) < 25e6


def test_a_lesion_bundle_asks_for_no_rescan(bundle):
    assert {Evidence.SEGMENTATION, Evidence.DESCRIPTIVE} == {
        entry.evidence for entry in bundle.manifest.signals.values()
    }
    assert not bundle.manifest.causes


def test_a_runtime_that_drops_the_masks_is_refused(bundle, run, held):
    engine = OnnxRuntimeEngine(Graph(bundle="b", digest="", name="lesions", file=bundle.folder / "lesions.onnx"))
    network = load_network(run / "checkpoint.pt")
    assert bundle.manifest.parity["variance over passes"] > 0  # as measured by the export

    def deaf(inputs):
        whole = {name: np.ones_like(inputs[name]) for name in MASKS}
        return engine({**inputs, **whole})

    with pytest.raises(ParityError, match="passes vary by 0"):
        measure_lesion_parity(network, deaf, parity_boxes(held))


def test_other_weights_are_refused(bundle, run, held):
    engine = OnnxRuntimeEngine(Graph(bundle="b", digest="", name="lesions", file=bundle.folder / "lesions.onnx"))
    network = load_network(run / "checkpoint.pt")
    torch.nn.init.constant_(network.network.lesion.bias, 1.0)

    with pytest.raises(ParityError, match="differs"):
        measure_lesion_parity(network, engine, parity_boxes(held))


def test_people_are_judged_by_a_bundle_and_every_table_is_printed(bundle, tmp_path, capsys):
    image = nib.Nifti1Image.from_filename(bundle.folder / "golden" / "head.nii.gz")
    for name in ("ms-01", "ms-02", "ms-03"):
        folder = tmp_path / name
        folder.mkdir()
        nib.save(image, folder / f"{name}_space-MNI_FLAIR.nii.gz")
        mask = np.zeros(image.shape, np.uint8)
        mask[30:34, 30:34, 40:44] = 1
        nib.Nifti1Image(mask, image.affine).to_filename(folder / f"{name}_space-MNI_label-lesion_mask.nii.gz")
    evaluate_lesions(LesionEvaluationPlan(data=tmp_path, bundle=bundle.folder, draws=1, passes=2))
    printed = capsys.readouterr().out

    for title in ("Dice, mean", "AURC", "MAE", "covered", "passes: pairwise Dice", "ms-03"):
        assert title in printed
