"""The shipped lesion graph: its masks reach the network whatever the runtime makes of the graph."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models.bundle import load_bundle
from models.engines.interface import EngineError
from models.engines.openvino import OpenVinoEngine
from models.graphs import Graph
from models.lesions.prediction import GRAPH, IMAGES, LesionNetwork, Prepared, whole_masks
from models.methods.lesions import Lesions
from models.physics.spectrum import describe
from models.preprocess import Grid

BUNDLE = Path(__file__).parents[3] / "models" / "research" / "brain-wmh"
LEVELS = onnxruntime.GraphOptimizationLevel

pytestmark = pytest.mark.skipif(not BUNDLE.is_dir(), reason="no bundle of lesions ships yet")


@pytest.fixture(scope="module")
def bundle():
    return load_bundle(BUNDLE)


@pytest.fixture(scope="module")
def prepared(bundle):
    box = Lesions(bundle).settings.grid.box
    images = np.random.default_rng(0).random((1, Lesions(bundle).contrasts, *box), np.float32)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    return Prepared(images=images, grid=Grid(box, affine), features=describe(images[0, 0], affine))


def variance(bundle, prepared, run):
    settings = Lesions(bundle).settings
    network = LesionNetwork(run=run, channels=settings.channels, threshold=0.5, dropped=settings.dropped, border=0.0)
    return float(network.sample(prepared, 0.0, 2).variance.max())


def run_at(bundle, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(bundle.file(bundle.manifest.graphs[GRAPH].file), options)
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))


@pytest.mark.parametrize(
    "level", [LEVELS.ORT_DISABLE_ALL, LEVELS.ORT_ENABLE_BASIC, LEVELS.ORT_ENABLE_EXTENDED, LEVELS.ORT_ENABLE_ALL]
)
def test_passes_vary_at_every_level_of_optimisation(bundle, prepared, level):
    assert variance(bundle, prepared, run_at(bundle, level)) > 0


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_passes_vary_in_openvino(bundle, prepared, precision):
    graph = bundle.manifest.graphs[GRAPH]
    declared = Graph(bundle="brain-wmh", digest="", name=GRAPH, file=bundle.file(graph.file), inputs=graph.inputs)
    try:
        engine = OpenVinoEngine(declared, precision=precision)
    except EngineError:
        pytest.skip(f"this CPU does not compute in {precision}")

    assert variance(bundle, prepared, engine) > 0


def test_masks_that_are_always_whole_show_no_variance(bundle, prepared):
    run = run_at(bundle, LEVELS.ORT_ENABLE_ALL)
    whole = whole_masks(Lesions(bundle).settings.channels)

    assert 0 == variance(bundle, prepared, lambda inputs: run({IMAGES: inputs[IMAGES], **whole}))
