"""A T1 beside the FLAIR: laid on it whatever its header says, left out where it is none of the same head."""

from dataclasses import replace

import numpy as np
import pytest
from builders.images.paired import golden_image, golden_t1, write_paired
from scipy.spatial.transform import Rotation

from daemon.config import optional_bundles
from daemon.core.judging.routing import Route, find_route
from daemon.routes import _brought
from models.brain.prediction import cut_about_brain, locate_by
from models.bundle import BundleError, load_bundle
from models.engines.onnxruntime import OnnxRuntimeEngine
from models.graphs import Graph
from models.lesions.registration import laid, register, share_inside
from models.methods.lesions import ROLE, T1, Lesions
from models.preprocess import Grid
from models.subject import Subject, still

pytestmark = pytest.mark.skipif("brain-wmh" not in optional_bundles(), reason="no bundle of lesions ships yet")


def movement(turn=(0.0, 0.0, 0.0), shift=(0.0, 0.0, 0.0)):
    """(4, 4): a turn in degrees about the middle of the head, then a shift in mm."""
    made = np.eye(4)
    made[:3, :3] = Rotation.from_rotvec(turn, degrees=True).as_matrix()
    made[:3, 3] = shift
    return made


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return load_bundle(write_paired(tmp_path_factory.mktemp("paired") / "brain-wmh"))


class Seen:
    """A graph that remembers what it was given."""

    def __init__(self, run):
        self.run, self.images = run, None

    def __call__(self, inputs):
        self.images = inputs.get("images", self.images)
        return self.run(inputs)


@pytest.fixture(scope="module")
def graphs(bundle):
    def engine(name, file):
        return OnnxRuntimeEngine(Graph(bundle="b", digest="", name=name, file=bundle.file(file)))

    return {name: Seen(engine(name, graph.file)) for name, graph in bundle.manifest.graphs.items()}


@pytest.fixture(scope="module")
def boxes(bundle, graphs):
    grid, locate = Lesions(bundle).settings.grid, locate_by(graphs)
    return lambda image: cut_about_brain(image.still, image.affine, grid, locate)


@pytest.mark.parametrize(
    ("turn", "shift"),
    [((0, 0, 0), (0, 0, 0)), ((3, -2, 4), (4, -6, 3)), ((0, 0, 0), (20, -24, 10)), ((-6, 5, 4), (-12, 8, -20))],
)
def test_a_t1_is_laid_on_its_flair_wherever_its_header_puts_it(boxes, turn, shift):
    true = movement(turn, shift)
    first, second = boxes(golden_image()), boxes(golden_t1(true))
    found = register(first, second)
    brain = np.argwhere(first.brain) @ first.grid.affine[:3, :3].T + first.grid.affine[:3, 3]
    off = (brain @ (found.movement - true)[:3, :3].T + (found.movement - true)[:3, 3]) if len(brain) else brain
    right = laid(boxes(golden_t1()), np.eye(4), first.grid)
    placed = laid(second, found.movement, first.grid)

    assert np.linalg.norm(off, axis=1).max() < 1.5
    assert np.corrcoef(right[first.brain], placed[first.brain])[0, 1] > 0.9
    assert np.linalg.norm(turn) == pytest.approx(found.turned_degrees, abs=1.0)


def test_a_field_of_view_that_ends_in_the_brain_is_told_by_its_share(boxes):
    flair = boxes(golden_image())
    whole = Grid(golden_image().shape, golden_image().affine)
    half = Grid((*whole.shape[:2], whole.shape[2] // 2), whole.affine)

    assert 1.0 == share_inside(flair.brain, flair.grid, np.eye(4), whole)
    assert 0.2 < share_inside(flair.brain, flair.grid, np.eye(4), half) < 0.8


def examined(bundle, graphs, t1=None):
    """The findings, and the T1 that the graph saw."""
    subject = Subject(images={ROLE: golden_image(), **({} if t1 is None else {T1: t1})})
    findings = Lesions(bundle).examine(subject, graphs)
    return findings, graphs["lesions"].images[0, 1]


def test_the_graph_sees_the_t1_and_zeros_where_there_is_none(bundle, graphs):
    alone, nothing = examined(bundle, graphs)
    paired, seen = examined(bundle, graphs, golden_t1(movement((2, 0, 0), (10, -8, 6))))

    assert 0 == np.abs(nothing).max()
    assert 1 == pytest.approx(np.median(seen[seen > 0.5]), abs=0.2)
    assert {} == alone.unused == paired.unused
    assert alone.structures == paired.structures, "the weights of the T1 are zero in this bundle"


def test_a_bundle_whose_graph_weighs_the_t1_says_something_else_with_it(tmp_path, graphs):
    weighing = load_bundle(write_paired(tmp_path / "brain-wmh", weight=0.05))
    engine = OnnxRuntimeEngine(Graph(bundle="w", digest="", name="lesions", file=weighing.file("lesions.onnx")))
    own = {**graphs, "lesions": Seen(engine)}

    assert examined(weighing, own)[0].structures != examined(weighing, own, golden_t1())[0].structures


def noise():
    return np.abs(np.random.default_rng(0).standard_normal((60, 60, 60))).astype(np.float32)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda t1: replace(t1, voxels=np.zeros_like(t1.voxels)), "no signal"),
        (lambda _: still(noise(), np.diag([3.0, 3.0, 3.0, 1.0])), "no head"),
        (lambda t1: replace(t1, voxels=t1.voxels[..., : t1.shape[2] // 2 + 4]), "of the brain"),
        (lambda _: golden_t1(movement(shift=(70, 0, 0))), "70 mm"),
        (lambda _: golden_t1(movement(turn=(0, 0, 36))), "degrees"),
        (lambda t1: replace(t1, voxels=np.ascontiguousarray(t1.voxels[:, :, ::-1, ::-1])), "same head"),
    ],
    ids=["flat", "noise", "half a head", "far away", "turned", "upside down"],
)
def test_what_is_no_t1_of_this_head_is_left_out_with_the_reason(bundle, graphs, make, why):
    findings, seen = examined(bundle, graphs, make(golden_t1()))
    alone, _ = examined(bundle, graphs)

    assert why in findings.unused[T1]
    assert 0 == np.abs(seen).max()
    assert alone.signals == findings.signals


def test_a_graph_of_one_contrast_has_no_second_role(bundle):
    shipped = load_bundle(optional_bundles()["brain-wmh"])
    wrong = replace(shipped.manifest, inputs=bundle.manifest.inputs)

    assert 1 == Lesions(shipped).contrasts
    assert 2 == Lesions(bundle).contrasts
    with pytest.raises(BundleError, match="contrasts"):
        Lesions(replace(shipped, manifest=wrong))


MPRAGE = {
    "ScanningSequence": ("GR", "IR"),
    "EchoTime": (2.9,),
    "InversionTime": (900.0,),
    "BodyPartExamined": ("HEAD",),
}


@pytest.mark.parametrize(
    ("changes", "plays"),
    [
        ({}, True),
        ({"ContrastBolusAgent": ("NONE",)}, True),
        ({"ContrastBolusAgent": ("Gadovist",)}, False),
        ({"SeriesDescription": ("T1 MPRAGE SAG",)}, True),
        ({"SeriesDescription": ("t1_mprage_sag +C",)}, False),
        ({"SeriesDescription": ("T1 MPRAGE post Gd",)}, False),
        ({"SeriesDescription": ("t1 tra km",)}, False),
        ({"EchoTime": (120.0,), "InversionTime": (2500.0,)}, False),
        ({"BodyPartExamined": ("KNEE",)}, False),
        ({"ScanningSequence": ()}, False),
    ],
)
def test_a_t1_with_a_contrast_agent_and_what_no_header_calls_t1_play_no_part(bundle, changes, plays):
    routes: list[Route] = list(_brought("brain-wmh", bundle.manifest.inputs[T1]))
    found = find_route(
        routes, {"SliceSpacing": (1.0,), "PixelSpacing": (1.0, 1.0), "Slices": (176.0,), **MPRAGE, **changes}
    )

    assert plays == (found is not None and found.judges)
