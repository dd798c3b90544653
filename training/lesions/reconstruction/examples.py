"""Synthetic FLAIR heads, each beside its twin: the same head, scanner, noise and artefact without a lesion."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from training.lesions.anatomy import GRID, Anatomy
from training.lesions.contrast import draw_flair
from training.lesions.examples import BRIGHTEST, Stream, scale_of
from training.lesions.load import draw_lesions, draw_load_ml
from training.lesions.scans import draw_corruptions, draw_scanner
from training.synthesis.generators import Generators, generators_of
from training.synthesis.labelmaps import GREY
from training.synthesis.random_fields import smooth_field

#: How often lesions are missed in some regions, and how often healthy tissue is called lesion.
_MISSED, _FALSE = 0.4, 0.7


class Pair(NamedTuple):
    """Float32 (1, 1, D, H, W): ``image``; its ``twin`` without lesions; ``hole``: 1 where a segmenter called lesion."""

    image: Tensor
    twin: Tensor
    hole: Tensor


def pairs(stream: Stream, first: int) -> Iterator[Pair]:
    """The pairs of step ``first``, ``first + 1`` ...; seed, artefacts and boxes are the stream's."""
    return stream.repeated(lambda number: draw_pair(stream.anatomy(number), stream, number), first)


@torch.no_grad()
def draw_pair(anatomy: Anatomy, stream: Stream, number: int) -> Pair:
    """Pair ``number``: white matter is 1 in both images, by the one with lesions."""
    image, lesions = _taken(anatomy, stream, number, shown=1.0)
    twin, _ = _taken(anatomy, stream, number, shown=0.0)
    generators = generators_of(stream.seed, 5, number)
    scale = scale_of(image, anatomy.tissues[GREY:].sum(dim=0) > 0.5) / generators.host.uniform(0.9, 1.1)
    hole = draw_hole(lesions, anatomy, generators)
    part = stream.cut(generators.host)
    seen, without = ((one / scale).clamp(0, BRIGHTEST)[part][None, None] for one in (image, twin))
    return Pair(image=seen.contiguous(), twin=without.contiguous(), hole=hole[part][None, None].contiguous())


def _taken(anatomy: Anatomy, stream: Stream, number: int, shown: float) -> tuple[Tensor, Tensor]:
    """A head as a scanner takes it, its lesions ``shown`` or not, and their share of each voxel; all else is equal."""
    generators = generators_of(stream.seed, 4, number)
    lesions = draw_lesions(anatomy, draw_load_ml(generators.host), generators)
    flair, scanner = draw_flair(anatomy, shown * lesions, generators), draw_scanner(generators.host)
    image = scanner.take(flair, draw_corruptions(stream.corruption_model, generators.host), generators)
    return image, scanner.share(lesions)


def draw_hole(lesions: Tensor, anatomy: Anatomy, generators: Generators) -> Tensor:
    """What a segmenter may call: lesions as they are or a voxel wider, some missed, and pieces of healthy brain."""
    rng = generators.host
    called = lesions >= rng.uniform(0.2, 0.8)
    if rng.random() < _MISSED:
        called = called & (smooth_field(GRID, rng.uniform(8, 24), generators) > rng.uniform(-0.5, 0.5))
    if rng.random() < _FALSE:
        pieces = smooth_field(GRID, rng.uniform(2.5, 7), generators) > rng.uniform(2.0, 3.2)
        called = called | (pieces & (anatomy.tissues[GREY:].sum(dim=0) > 0.5))
    return widened(called.float()) if rng.random() < 0.5 else called.float()


def widened(hole: Tensor) -> Tensor:
    """A hole (D, H, W) and the voxels that touch it by a face, an edge or a corner."""
    grown: Tensor = F.max_pool3d(hole[None, None], 3, stride=1, padding=1)[0, 0]
    return grown
