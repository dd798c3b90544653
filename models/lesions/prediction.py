"""From FLAIR to a map of lesions: the box about the brain, the plain pass, and passes with dropped channels.

The channels that a pass drops are inputs of the graph (Gal and Ghahramani 2016): a runtime that optimises a graph
removes dropout from it, and twenty passes give one and the same map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.brain.prediction import BrainBox
from models.graphs import Run
from models.lesions.border import level_of_border
from models.preprocess import Affine, FloatArray, Grid

#: The graph, and what it takes: the FLAIR (1, 1, D, H, W), or with its T1 or zeros (1, 2, D, H, W), and seven masks
#: (1, channels).
GRAPH, FILE = "lesions", "lesions.onnx"
IMAGES, MASKS = "images", tuple(f"mask{number}" for number in range(1, 8))
#: What it gives: probability of lesion (1, 1, D, H, W), probabilities of tissues (1, 4, D, H, W).
OUTPUTS = ("lesion", "tissue")
#: Voxels darker than this share of the brain's 95th percentile are fluid, and do not tell how bright a brain is.
DARKEST = 0.3
#: Intensities in units of white matter end here: scalp and moving fluid may be much brighter.
BRIGHTEST = 6.0
#: The seed of the dropped channels: nothing in it is to be guessed, it only must not change.
SEED = 20201
#: Tissues by their number.
CSF, GREY, WHITE = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """``images`` float32 (1, C, D, H, W), on ``grid``: the FLAIR, and its T1 or zeros where the graph takes one.

    ``features`` (F,): of the stored FLAIR's spectrum; ``left_out``: why a T1 that was there is not used.
    """

    images: FloatArray
    grid: Grid
    features: FloatArray
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the plain pass says, all float32 (D, H, W) but ``tissues`` (4, D, H, W).

    ``image``: the FLAIR that the network saw; ``probability`` of lesion; ``level``: the intensity from which on a voxel
    can be lesion; ``mask`` bool: where it is called; ``affine`` (4, 4) of the grid, RAS mm; ``features`` (F,): of the
    stored image's spectrum.
    """

    image: FloatArray
    probability: FloatArray
    tissues: FloatArray
    level: float
    mask: npt.NDArray[np.bool_]
    affine: Affine
    features: FloatArray

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000

    def called_from(self, threshold: float) -> npt.NDArray[np.bool_]:
        """Where lesion is called with another threshold."""
        return np.asarray((self.probability >= threshold) & (self.image >= self.level), bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What several passes with dropped channels say: ``mean`` and ``variance`` (D, H, W) of the probability.

    ``entropy`` (D, H, W): mean of each pass' own, in bits; ``masks`` uint8 (T, voxels / 8): what each calls, a bit a
    voxel.
    """

    mean: FloatArray
    variance: FloatArray
    entropy: FloatArray
    masks: npt.NDArray[np.uint8]


def prepare(box: BrainBox, t1: FloatArray | None, contrasts: int) -> Prepared:
    """The box about a FLAIR's brain as a graph of so many contrasts takes it: with ``t1`` (D, H, W), or with zeros."""
    flair = scaled(box.image, box.brain)
    beside = np.zeros_like(flair) if t1 is None else t1
    return Prepared(images=np.stack((flair, beside)[:contrasts])[None], grid=box.grid, features=box.features)


def scaled(image: FloatArray, brain: npt.NDArray[np.bool_]) -> FloatArray:
    """The image over the median of its brain without the fluid, in [0, BRIGHTEST].

    Lesions move a 95th percentile: theirs is 1.4 to 1.7 times the median.
    """
    inside = image[brain]
    bright = inside[inside > DARKEST * np.percentile(inside, 95)] if inside.size else inside
    scale = float(np.median(bright)) if bright.size else 1.0
    return np.asarray(np.clip(image / np.float32(scale), 0, BRIGHTEST), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionNetwork:
    """A graph and how it is asked: ``channels`` of each mask; lesion is called from a probability of ``threshold`` on.

    ``border``: share of the way from white matter to lesions that its intensity must have come. ``dropped``: share of
    the channels that a sampled pass does without; ``contrasts``: how many images it takes.
    """

    run: Run
    channels: Sequence[int]
    threshold: float
    dropped: float
    border: float
    contrasts: int = 2

    def predict(self, prepared: Prepared) -> Prediction:
        """The plain pass: nothing is dropped."""
        out = self.run({IMAGES: prepared.images, **whole_masks(self.channels)})
        image, probability = prepared.images[0, 0], np.asarray(out["lesion"][0, 0], np.float32)
        tissues = np.asarray(out["tissue"][0], np.float32)
        level = level_of_border(image, probability, tissues.argmax(axis=0) == WHITE, self.border)
        return Prediction(
            image=image,
            probability=probability,
            tissues=tissues,
            level=level,
            mask=(probability >= self.threshold) & (image >= level),
            affine=prepared.grid.affine,
            features=prepared.features,
        )

    def sample(self, prepared: Prepared, level: float, passes: int) -> Samples:
        """Passes without a random share of the channels; the same series, the same channels.

        ``level``: the plain pass' intensity from which on a voxel can be lesion.
        """
        bright = prepared.images[0, 0] >= level
        shape = prepared.images.shape[2:]
        total, squares, doubt = (np.zeros(shape, np.float64) for _ in range(3))
        called = []
        for masks in drawn_masks(self.channels, passes=passes, share=self.dropped):
            p = np.asarray(self.run({IMAGES: prepared.images, **masks})["lesion"][0, 0], np.float32)
            total += p
            squares += p.astype(np.float64) ** 2
            doubt += entropy(p)
            called.append(np.packbits((p >= self.threshold) & bright))
        mean = total / passes
        return Samples(
            mean=mean.astype(np.float32),
            variance=np.maximum(squares / passes - mean**2, 0).astype(np.float32),
            entropy=(doubt / passes).astype(np.float32),
            masks=np.stack(called),
        )


def whole_masks(channels: Sequence[int]) -> Mapping[str, FloatArray]:
    """Masks that drop nothing."""
    return {name: np.ones((1, n), np.float32) for name, n in zip(MASKS, channels, strict=True)}


def drawn_masks(channels: Sequence[int], *, passes: int, share: float) -> Sequence[Mapping[str, FloatArray]]:
    """The masks of each pass: 0 for a dropped channel, else 1 / (1 - share)."""
    rng = np.random.default_rng(SEED)
    return [
        {
            name: ((rng.random((1, n)) >= share) / (1 - share)).astype(np.float32)
            for name, n in zip(MASKS, channels, strict=True)
        }
        for _ in range(passes)
    ]


def entropy(probability: FloatArray) -> FloatArray:
    """Binary entropy in bits."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)), np.float32)
