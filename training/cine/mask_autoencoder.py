"""The autoencoder of masks (paper 004): true masks alone, spoilt on the way in, so that it says what they should be."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from models.cine.crops import CROP
from models.cine.plausibility import SIDE
from models.nets.masks import MaskConfig, MaskNet
from training.cine.stacks import STRUCTURES, FoldPlan, read_stacks
from training.running.loop import train
from training.running.run import Learner

#: Share of the masks that are spoilt on the way in (denoising, Vincent et al. 2008).
_SPOILT = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskPlan(FoldPlan):
    """``fold`` of so many ``folds`` is left out, none where it is their number."""

    steps: int = 800
    peak_rate: float = 2e-3
    warm_up: int = 50
    report_every: int = 100
    tail: float = 0.5
    batch: int = 32


def train_masks(plan: MaskPlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    torch.manual_seed(plan.seed)
    masks = true_masks(plan.data, plan.patients)

    def objective(network: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        given, wanted = batch
        terms = mask_losses(network(given).float(), wanted)
        return terms["cross entropy"] + terms["dice"], terms

    def items(first: int) -> Iterator[tuple[Tensor, Tensor]]:
        return mask_batches(masks, plan.batch, plan.seed, first)

    train(Learner(MaskNet(MaskConfig(classes=len(STRUCTURES))), plan), plan, items, objective)


def true_masks(folder: Path, patients: tuple[str, ...]) -> Tensor:
    """Every slice's true mask in a crop about its stack's heart, uint8 (N, CROP, CROP)."""
    found = [_cropped(stack.labels) for stack in read_stacks(folder, patients)]
    return torch.from_numpy(np.concatenate([np.moveaxis(one, -1, 0) for one in found]))


def _cropped(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    x, y = (round(float(c)) for c in ndimage.center_of_mass((labels > 0).any(axis=2)))
    half = CROP // 2
    return np.ascontiguousarray(np.pad(labels, ((half, half), (half, half), (0, 0)))[x : x + CROP, y : y + CROP])


def mask_batches(masks: Tensor, batch: int, seed: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (given, wanted), shares (B, 4, SIDE, SIDE); the same number, the same batch."""
    number = first
    while True:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        chosen = torch.randint(len(masks), (batch,), generator=generator)
        wanted = _moved(masks[chosen], generator)
        yield _shares(_spoilt(wanted, generator)), _shares(wanted)
        number += 1


def mask_losses(logits: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """Cross-entropy and soft Dice of the structures, over the batch."""
    inside = logits.softmax(dim=1)[:, 1:]
    both = (inside * wanted[:, 1:]).sum(dim=(0, 2, 3))
    total = inside.sum(dim=(0, 2, 3)) + wanted[:, 1:].sum(dim=(0, 2, 3))
    return {
        "cross entropy": -(wanted * logits.log_softmax(dim=1)).sum(dim=1).mean(),
        "dice": 1 - (2 * both / (total + 1)).mean(),
    }


def _shares(labels: Tensor) -> Tensor:
    whole = F.one_hot(labels.long(), len(STRUCTURES)).movedim(-1, 1).float()
    return F.avg_pool2d(whole, CROP // SIDE)


def _moved(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Turned up to 30 degrees, of another size, moved by 12 pixels, bent a little; hearts are not mirrored."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    count = len(labels)
    size, angle = torch.exp(uniform(-0.2, 0.2, count)), uniform(-np.pi / 6, np.pi / 6, count)
    cosine, sine = size * angle.cos(), size * angle.sin()
    shift = uniform(-24 / CROP, 24 / CROP, count, 2)
    turn = torch.stack([cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1]], dim=1).reshape(count, 2, 3)
    grid = F.affine_grid(turn, [count, 1, CROP, CROP], align_corners=False)
    bumps = F.interpolate(torch.randn(count, 2, 6, 6, generator=generator), CROP, mode="bicubic") * (2.0 / CROP)
    moved = F.grid_sample(labels[:, None].float(), grid + bumps.movedim(1, -1), mode="nearest", align_corners=False)
    return moved[:, 0].to(torch.uint8)


def _spoilt(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Discs of another class, structures that are not there, pairs that changed places."""
    spoilt = labels.clone()
    x, y = torch.meshgrid(torch.arange(CROP), torch.arange(CROP), indexing="ij")
    for n in range(len(labels)):
        if torch.rand(1, generator=generator).item() < _SPOILT:
            kind = int(torch.randint(4, (1,), generator=generator))
            number, other = (1 + torch.randperm(len(STRUCTURES) - 1, generator=generator)[:2]).tolist()
            if kind == 0:
                spoilt[n][labels[n] == number] = 0
            elif kind == 1:
                spoilt[n][labels[n] == number], spoilt[n][labels[n] == other] = other, number
            else:
                for _ in range(int(torch.randint(1, 4, (1,), generator=generator))):
                    middle, radius = torch.rand(2, generator=generator), torch.rand(1, generator=generator).item()
                    at = (0.2 + 0.6 * middle) * CROP
                    disc = (x - at[0]) ** 2 + (y - at[1]) ** 2 < (2 + 8 * radius) ** 2
                    spoilt[n][disc] = int(torch.randint(len(STRUCTURES), (1,), generator=generator))
    return spoilt
