"""One prediction path for torch and for ONNX: volume -> brain box -> networks -> maps on the box.

The networks come as callables on numpy arrays, so that training's evaluation, the export's golden test and the
daemon's engines all go through the same lines.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.special import softmax

from models.graphs import Run
from models.physics.artefacts import ARTEFACTS, Artefact
from models.physics.spectrum import describe, is_noise
from models.preprocess import (
    Affine,
    FloatArray,
    Grid,
    box_grid,
    canonical,
    isotropic_grid,
    locator_input,
    nearest,
    resample,
)
from models.statistics.sampling import sample_volumes


class Outputs(NamedTuple):
    """The judge graph's outputs, by their names, each with a batch axis of one in front.

    ``logits`` (C, D, H, W); ``variances`` (6, D/2, H/2, W/2); ``causes`` (5,); ``factor`` (R, C, D/2, ...) and
    ``deviation`` (C, D/2, ...): covariance of the logits; ``embedding`` (E,): the deepest features on average;
    ``entropy`` (D, H, W): the network's own doubt, in nats, before the borders between tissues were moved.
    """

    logits: FloatArray
    variances: FloatArray
    causes: FloatArray
    factor: FloatArray
    deviation: FloatArray
    embedding: FloatArray
    entropy: FloatArray


#: Image (1, 1, d, h, w) on 8 mm voxels -> probability of brain, same shape.
Locate = Callable[[FloatArray], FloatArray]
#: Image (1, 1, D, H, W) and spectral features (1, F) -> outputs.
Judge = Callable[[FloatArray, FloatArray], Outputs]

#: What the graphs are called.
LOCATOR_GRAPH, JUDGE_GRAPH = "locator", "judge"
#: Their files in a bundle that is being made.
LOCATOR_FILE, JUDGE_FILE = "locate.onnx", "judge.onnx"

_BRAIN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkGrid:
    """The grid that the networks were trained on, and what fills it.

    ``least_brain_ml``: less brain than this in the field of view is no head (the smallest adult brains have 900 mL).
    """

    spacing_mm: float
    box: tuple[int, int, int]
    locator_multiple: int
    least_brain_ml: float = 250.0


class NoHeadFound(Exception):
    """The locator finds no brain in the field of view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the networks said, on the network's own grid.

    ``labels`` uint8 (D, H, W); ``probabilities`` float32 (C, D, H, W); ``image`` float32 (D, H, W) is what they saw;
    ``task_variance`` and each of ``variances`` float32 (D, H, W); ``causes``: probability that each artefact is
    present; ``volume_samples_ml`` float32 (M, C): volumes of each class in plausible segmentations; ``embedding``
    float32 (E,); ``entropy`` float32 (D, H, W), nats; ``features`` (F,) of the whole image's spectrum; ``affine``
    (4, 4) of that grid, RAS mm.
    """

    image: FloatArray
    labels: npt.NDArray[np.uint8]
    probabilities: FloatArray
    task_variance: FloatArray
    variances: Mapping[Artefact, FloatArray]
    causes: Mapping[Artefact, float]
    volume_samples_ml: FloatArray
    embedding: FloatArray
    entropy: FloatArray
    features: FloatArray
    affine: Affine


@dataclass(frozen=True, slots=True)
class Prepared:
    """The network's inputs: the box, float32 (D, H, W) on ``grid``, and the spectral features (F,)."""

    image: FloatArray
    grid: Grid
    features: FloatArray


def locate_by(graphs: Mapping[str, Run]) -> Locate:
    """The locator among some graphs."""
    return lambda image: graphs[LOCATOR_GRAPH]({"image": image})["brain"]


def judge_by(graphs: Mapping[str, Run]) -> Judge:
    """The judge among some graphs."""
    return lambda image, features: Outputs(**graphs[JUDGE_GRAPH]({"image": image, "features": features}))


def prepare(voxels: npt.NDArray[np.floating], affine: Affine, network: NetworkGrid, locate: Locate) -> Prepared:
    """Find the brain, cut the box about it, and scale it by the brain's 95th percentile.

    Raises:
        NoHeadFound: nothing but noise, or less brain than any head has.
    """
    box = cut_about_brain(voxels, affine, network, locate)
    scale = float(np.percentile(box.image[box.brain], 95)) if box.brain.any() else 0.0
    return Prepared(box.image / np.float32(scale or 1.0), box.grid, box.features)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainBox:
    """``image`` float32 (D, H, W) about the brain on ``grid``, as bright as it came; ``brain``: roughly where it is.

    ``features`` (F,): of the whole image's spectrum.
    """

    image: FloatArray
    brain: npt.NDArray[np.bool_]
    grid: Grid
    features: FloatArray


def cut_about_brain(voxels: npt.NDArray[np.floating], affine: Affine, network: NetworkGrid, locate: Locate) -> BrainBox:
    """Find the brain, and cut the box about it.

    Raises:
        NoHeadFound: nothing but noise, or less brain than any head has.
    """
    turned, turned_affine = canonical(voxels, affine)
    features = describe(turned, turned_affine)
    if is_noise(features):
        raise NoHeadFound
    native = Grid(turned.shape, turned_affine)
    head = isotropic_grid(native, network.spacing_mm)
    image = resample(turned, native, head)
    coarse, coarse_grid = locator_input(image, head, network.locator_multiple)
    brain = _largest(locate(coarse[None, None])[0, 0] > _BRAIN)
    if brain.sum() * float(np.prod(coarse_grid.spacing)) / 1000 < network.least_brain_ml:
        raise NoHeadFound
    box = box_grid(head, _centre(brain, coarse_grid, head), network.box)
    inside = nearest(brain, coarse_grid, box)
    return BrainBox(image=nearest(image, head, box), brain=inside, grid=box, features=features)


def predict(prepared: Prepared, judge: Judge) -> Prediction:
    """Run the networks on a prepared box."""
    out = Outputs(*(output[0] for output in judge(prepared.image[None, None], prepared.features[None])))
    probabilities = softmax(out.logits, axis=0).astype(np.float32)
    maps = out.variances.repeat(2, axis=1).repeat(2, axis=2).repeat(2, axis=3)
    voxel_ml = float(np.prod(prepared.grid.spacing)) / 1000
    samples = sample_volumes(out.logits, probabilities, out.factor, out.deviation)
    return Prediction(
        image=prepared.image,
        labels=out.logits.argmax(axis=0).astype(np.uint8),
        probabilities=probabilities,
        task_variance=maps[0],
        variances=dict(zip(ARTEFACTS, maps[1:], strict=True)),
        causes=dict(zip(ARTEFACTS, out.causes.tolist(), strict=True)),
        volume_samples_ml=(samples * voxel_ml).astype(np.float32),
        embedding=out.embedding,
        entropy=out.entropy,
        features=prepared.features,
        affine=prepared.grid.affine,
    )


def _largest(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The largest connected component."""
    components, count = ndimage.label(mask)
    if not count:
        return mask
    largest: npt.NDArray[np.bool_] = components == 1 + np.bincount(components.ravel())[1:].argmax()
    return largest


def _centre(brain: npt.NDArray[np.bool_], source: Grid, target: Grid) -> npt.NDArray[np.float64]:
    """Centre of mass of the brain as an index of ``target``."""
    index = np.argwhere(brain).mean(axis=0)
    world = source.affine[:3, :3] @ index + source.affine[:3, 3]
    position: npt.NDArray[np.float64] = np.linalg.inv(target.affine)[:3] @ [*world, 1.0]
    return position
