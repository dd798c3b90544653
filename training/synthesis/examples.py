"""What a trainer descends on: boxes of one size cut from synthetic heads, as many as a step takes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from models.physics.artefacts import ARTEFACTS
from training.synthesis.anatomy import Bank, Fresh
from training.synthesis.generators import Shape, generators_of
from training.synthesis.heads import Box, CorruptionModel, cut_box, draw_head
from training.synthesis.labelmaps import load_class_table, load_label_maps
from training.synthesis.scene import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Boxes of one size.

    ``clean``, ``image`` (B, 1, D, H, W) float32: without and with what went wrong; ``shares`` (B, 4, D, H, W) of each
    tissue; ``severity`` (B, 5); ``alone``: artefact's number -> the boxes with only that one (N, 1, D, H, W), of the N
    rows that have it, in their order.
    """

    clean: Tensor
    image: Tensor
    shares: Tensor
    severity: Tensor
    alone: Mapping[int, Tensor]

    @property
    def corrupted(self) -> bool:
        """Something went wrong in one of them."""
        return bool(self.alone)

    @property
    def labels(self) -> Tensor:
        """The tissue with the largest share, (B, D, H, W) int64."""
        return self.shares.argmax(dim=1)

    def to(self, device: torch.device) -> "Example":
        """The same on a device."""
        return Example(
            clean=self.clean.to(device),
            image=self.image.to(device),
            shares=self.shares.to(device),
            severity=self.severity.to(device),
            alone={number: images.to(device) for number, images in self.alone.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Where examples come from: the label maps, a bank of anatomies or none, what goes wrong, and the stream's seed.

    ``device`` makes the heads; ``batch``: boxes of an example.
    """

    label_maps: Path
    bank: Path | None
    corruption_model: CorruptionModel | None
    seed: int
    batch: int
    device: torch.device

    def example(self, number: int) -> Example:
        """Example ``number`` of the stream: the same number, the same boxes."""
        origin = origin_of(self.bank, self.label_maps, self.device)
        rng = np.random.default_rng((self.seed, 7, number))
        shape: Shape = tuple(int(rng.choice(sides)) for sides in BOX_SIDES)  # type: ignore[assignment]
        boxes: list[Box] = []
        attempt = 0
        while len(boxes) < self.batch:
            generators = generators_of(self.seed, number, attempt, device=self.device)
            head = draw_head(origin, self.corruption_model, generators)
            box = cut_box(head, shape, rng)
            boxes += [] if box is None else [box]
            attempt += 1
        return gather(boxes)


#: Sides of the training boxes in voxels; the served box is the largest of them, the others cost less. They vary,
#: because instance norm sees the share of air.
BOX_SIDES = ((64, 80, 96), (80, 96, 112), (64, 80, 96))


class Examples(IterableDataset[Example]):
    """Examples number ``first``, ``first + stride``, ... of a supply, shared out among the processes that make them.

    With ``stride`` several devices share one stream.
    """

    def __init__(self, supply: Supply, *, first: int = 0, stride: int = 1) -> None:
        self._supply, self._first, self._stride = supply, first, stride

    def __iter__(self) -> Iterator[Example]:
        worker = get_worker_info()
        first = self._first + self._stride * (worker.id if worker else 0)
        for number in count(first, self._stride * (worker.num_workers if worker else 1)):
            example = self._supply.example(number)
            yield example.to(torch.device("cpu")) if worker else example  # between processes through memory

    def through(self, workers: int) -> Iterable[Example]:
        """The same, made by ``workers`` other processes, or by this one if there are none."""
        # a card's context does not survive a fork
        context = "spawn" if workers and self._supply.device.type != "cpu" else None
        return DataLoader(self, batch_size=None, num_workers=workers, multiprocessing_context=context)


@cache
def origin_of(bank: Path | None, label_maps: Path, device: torch.device) -> Origin:
    """What heads are made of: a bank of anatomies, or the label maps themselves; kept for the next run."""
    anatomies = Bank(bank) if bank else Fresh(load_label_maps(label_maps, device))
    return Origin(anatomies=anatomies, table=load_class_table(label_maps), device=device)


def gather(boxes: Sequence[Box]) -> Example:
    """Boxes of one size as one example."""

    def stacked(images: Iterable[Tensor]) -> Tensor:
        return torch.stack(list(images))[:, None]

    alone = {
        number: stacked(box.alone[artefact] for box in boxes if artefact in box.alone)
        for number, artefact in enumerate(ARTEFACTS)
        if any(artefact in box.alone for box in boxes)
    }
    return Example(
        clean=stacked(box.clean for box in boxes),
        image=stacked(box.corrupted for box in boxes),
        shares=torch.stack([box.shares for box in boxes]),
        severity=torch.from_numpy(np.stack([box.severity for box in boxes])),
        alone=alone,
    )
