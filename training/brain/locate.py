"""The locator: where the brain is, on 8 mm voxels, in any field of view and under any artefact."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from models.nets.locator import LOCATOR_TRUNK, Locator
from models.preprocess import FloatArray, Grid, locator_input, resample
from training.running.loop import train
from training.running.run import Learner, RunPlan
from training.synthesis.examples import origin_of
from training.synthesis.generators import Generators
from training.synthesis.heads import CorruptionModel, Head, SyntheticHeads, brain_mask
from training.synthesis.random_fields import smooth_field

#: Share of the examples that hold no head, and the side of the largest cut off a field of view, in voxels.
_NO_HEAD, _MOST_CUT = 0.12, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatePlan(RunPlan):
    """Paths, length and optimiser of a locator run; ``uses``: examples made of one synthetic head."""

    bank: Path
    label_maps: Path
    steps: int = 4000
    uses: int = 4
    peak_rate: float = 1e-3
    report_every: int = 100
    workers: int = 1
    seed: int = 2


#: The image at 8 mm and the share of brain, both (1, 1, D, H, W).
_Pair = tuple[Tensor, Tensor]


def train_locator(plan: LocatePlan) -> None:
    """Train from nothing, or resume; a step is some milliseconds, the synthesis is what takes time."""
    torch.manual_seed(plan.seed)
    origin = origin_of(plan.bank, plan.label_maps, torch.device("cpu"))

    def pairs(step: int) -> Iterator[_Pair]:
        first, used = divmod(step, plan.uses)
        heads = SyntheticHeads(origin, plan.seed, first=first, corruption_model=CorruptionModel(probability=0.5))
        loader = DataLoader(
            heads, batch_size=None, num_workers=plan.workers, prefetch_factor=8 if plan.workers else None
        )
        examples = (_example(head, use) for head in loader for use in range(plan.uses))
        for image, share in islice(examples, used, None):
            yield torch.from_numpy(image)[None, None], torch.from_numpy(share)[None, None]

    train(Learner(Locator(), plan), plan, pairs, _objective)


def _objective(network: nn.Module, pair: _Pair) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy and soft Dice loss of the brain."""
    image, share = pair
    logit = network(image)
    overlap = (logit.sigmoid() * share).sum()
    dice = 1 - (2 * overlap + 1) / (logit.sigmoid().sum() + share.sum() + 1)
    loss = F.binary_cross_entropy_with_logits(logit, share) + dice
    return loss, {"loss": loss}


def _example(head: Head, use: int) -> tuple[FloatArray, FloatArray]:
    """The head at 8 mm as the locator is served it, and the share of brain in each voxel; now and then no head.

    Every use after the first sees another part of the head.
    """
    brain = brain_mask(head.shares).numpy()
    rng = np.random.default_rng((11, use, int(brain.sum())))
    if rng.random() < _NO_HEAD:
        thing = _thing(head.grid.shape, rng)
        image, _ = locator_input(thing, head.grid, LOCATOR_TRUNK.multiple)
        return image, np.zeros_like(image)
    cut = rng.integers(0, _MOST_CUT, (3, 2)) * (rng.random((3, 2)) < 0.5) if use else np.zeros((3, 2), int)
    part = tuple(slice(low, n - high) for n, (low, high) in zip(head.grid.shape, cut, strict=True))
    seen = Grid(brain[part].shape, head.grid.affine)
    image, grid = locator_input(head.corrupted[part].numpy(), seen, LOCATOR_TRUNK.multiple)
    share = resample(brain[part].astype(np.float32), seen, grid)
    return image * np.float32(rng.uniform(0.7, 1.4)), share


def _thing(shape: tuple[int, int, int], rng: np.random.Generator) -> FloatArray:
    """Something that is not a head: blobs, a limb, fruit, a phantom, or nothing but noise."""
    kind = rng.integers(4)
    noise = np.abs(rng.standard_normal(shape)).astype(np.float32) * np.float32(rng.uniform(0.01, 0.1))
    if kind == 0:
        return noise
    centre = [rng.uniform(0.3, 0.7) * n for n in shape]
    radius = [rng.uniform(0.1, 0.6) * n for n in shape]
    if kind == 1:  # a limb or a bottle runs through the whole field of view
        radius[rng.integers(3)] = 1e3
    offsets = [((np.arange(n) - c) / r) ** 2 for n, c, r in zip(shape, centre, radius, strict=True)]
    distance = np.sqrt(offsets[0][:, None, None] + offsets[1][:, None] + offsets[2]).astype(np.float32)
    wavelength = float(rng.uniform(4, 30))
    mottled = smooth_field(shape, wavelength, Generators(rng, torch.device("cpu"))).numpy()
    inside = np.exp(np.float32(rng.uniform(0.05, 0.6)) * mottled)
    shell = np.where(distance > rng.uniform(0.6, 0.95), np.float32(rng.uniform(0.1, 2)), np.float32(1))
    thing: FloatArray = ((distance < 1) * inside * shell + noise).astype(np.float32)
    return thing
