"""Boxes of synthetic FLAIR heads with their lesions, as the network is trained on them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from training.lesions.anatomy import GRID, Anatomy, draw_anatomy
from training.lesions.atlas import Atlas
from training.lesions.contrast import draw_flair
from training.lesions.load import draw_lesions, draw_load_ml
from training.lesions.scans import draw_corruptions, draw_scanner
from training.lesions.t1 import draw_t1
from training.synthesis.generators import Shape, generators_of
from training.synthesis.heads import CorruptionModel
from training.synthesis.labelmaps import GREY

#: The box that is served, and those that training cuts: instance norm sees the share of air.
BOX: Shape = (80, 96, 80)
_SIDES = ((64, 64, 80), (80, 80, 96), (64, 64, 80))
#: Intensities in units of white matter end here: scalp and flow may be much brighter.
BRIGHTEST = 6.0
#: The darkest voxel that tells how bright a brain is, as a share of its 95th percentile: no fluid.
DARKEST = 0.3
#: How many brains are extracted, and of these in both contrasts.
_BARE, _BOTH_BARE = 0.25, 0.7


Drawn = TypeVar("Drawn")


class Example(NamedTuple):
    """``images`` (1, 2, D, H, W): the FLAIR, and its T1 or zeros.

    ``lesions`` (1, 1, ...) and ``tissues`` (1, 4, ...): shares of each voxel.
    """

    images: Tensor
    lesions: Tensor
    tissues: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Examples by number: the same number, the same example.

    ``heads``: images drawn of one deformed head; ``uses``: how often each image is seen, the second time ``apart``
    steps later; ``corruption_model``: what goes wrong; ``box``: the sides of every box, None: drawn; ``t1``: share of
    the images that have a T1 beside them.
    """

    atlas: Atlas
    seed: int
    corruption_model: CorruptionModel
    heads: int = 8
    uses: int = 2
    apart: int = 40
    box: Shape | None = None
    t1: float = 0.5

    def batches(self, first: int) -> Iterator[Example]:
        """The examples of step ``first``, ``first + 1`` ..."""
        return self.repeated(self.example, first)

    def repeated(self, draw: Callable[[int], Drawn], first: int) -> Iterator[Drawn]:
        """What ``draw`` makes of the numbers of step ``first``, ``first + 1`` ..., each kept until its last use."""
        drawn = lru_cache(maxsize=2 * self.apart)(draw)
        step = first
        while True:
            number = step // self.uses - (step % self.uses) * self.apart
            yield drawn(max(0, number))
            step += 1

    def example(self, number: int) -> Example:
        """Example ``number``."""
        return draw_example(self.anatomy(number), self, number)

    def anatomy(self, number: int) -> Anatomy:
        """The head that example ``number`` is drawn of."""
        return _kept_anatomy(self.atlas_key, number // self.heads)

    def cut(self, rng: np.random.Generator) -> tuple[slice, ...]:
        """A box of the grid: of the sides that are asked for, or of drawn ones, anywhere."""
        box = self.box or tuple(int(rng.choice(sides)) for sides in _SIDES)
        starts = [int(rng.integers(0, n - side + 1)) for n, side in zip(GRID, box, strict=True)]
        return tuple(slice(start, start + side) for start, side in zip(starts, box, strict=True))

    @property
    def atlas_key(self) -> "_Key":
        """What anatomies are remembered by."""
        return _Key(self.atlas, self.seed)


class _Key:
    """An atlas and a seed, compared by what they are, not by what they hold."""

    def __init__(self, atlas: Atlas, seed: int) -> None:
        self.atlas, self.seed = atlas, seed

    def __hash__(self) -> int:
        return hash((id(self.atlas), self.seed))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.atlas is other.atlas and self.seed == other.seed


@lru_cache(maxsize=2)
def _kept_anatomy(key: _Key, number: int) -> Anatomy:
    return draw_anatomy(key.atlas, generators_of(key.seed, 1, number))


@torch.no_grad()
def draw_example(anatomy: Anatomy, stream: Stream, number: int) -> Example:
    """One image of a head, and the T1 beside it or zeros."""
    generators = generators_of(stream.seed, 2, number)
    rng = generators.host
    lesions = draw_lesions(anatomy, draw_load_ml(rng), generators)
    flair, scanner = draw_flair(anatomy, lesions, generators), draw_scanner(rng)
    image = scanner.take(flair, draw_corruptions(stream.corruption_model, rng), generators)
    brain = anatomy.tissues[GREY:].sum(dim=0) > 0.5
    bare = stripped(anatomy, rng) if rng.random() < _BARE else None
    image = _seen(image, bare, brain, rng)
    part = stream.cut(rng)
    beside = generators_of(stream.seed, 3, number)
    t1 = torch.zeros_like(image)
    if beside.host.random() < stream.t1:
        t1 = draw_t1(anatomy, lesions, stream.corruption_model, beside)
        t1 = _seen(t1, bare if beside.host.random() < _BOTH_BARE else None, brain, beside.host)
    return Example(
        images=torch.stack([image[part], t1[part]])[None].contiguous(),
        lesions=scanner.share(lesions)[part][None, None].contiguous(),
        tissues=anatomy.tissues[:, *part][None].contiguous(),
    )


def _seen(image: Tensor, bare: Tensor | None, brain: Tensor, rng: np.random.Generator) -> Tensor:
    """An image in units of its brain, about right; ``bare``: what an extraction left of it."""
    kept = image if bare is None else image * bare
    return (scaled(kept, brain) * float(rng.uniform(0.9, 1.1))).clamp(0, BRIGHTEST)


def stripped(anatomy: Anatomy, rng: np.random.Generator) -> Tensor:
    """A brain mask as extraction tools leave it: with the fluid about the brain, or without."""
    tissue = anatomy.tissues[1:].sum(dim=0) if rng.random() < 0.5 else anatomy.tissues[GREY:].sum(dim=0)
    closed = ndimage.binary_closing((tissue > 0.5).numpy(), iterations=2)
    return torch.from_numpy(ndimage.binary_fill_holes(closed))


def scaled(image: Tensor, brain: Tensor) -> Tensor:
    """The image divided by the median of its brain without the fluid; unchanged where there is none."""
    return image / scale_of(image, brain)


def scale_of(image: Tensor, brain: Tensor) -> float:
    """The median of an image's brain without the fluid; 1 where there is none."""
    inside = image[brain]
    bright = inside[inside > DARKEST * inside.quantile(0.95)] if len(inside) else inside
    return float(bright.median()) if len(bright) else 1.0
