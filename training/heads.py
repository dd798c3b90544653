"""Endless synthetic heads for training: a banked anatomy, an appearance, a protocol, and what went wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch.utils.data import IterableDataset, get_worker_info

from models.artefacts import ARTEFACTS, Artefact
from models.kspace import Corruption, Image
from models.preprocess import Grid, box_grid, nearest, resample
from models.severity import draw
from training.labelmaps import ClassTable, load_class_table
from training.scanner import draw_reconstruction
from training.synthesis import (
    Labels,
    Protocol,
    alter_outside,
    brain_mask,
    draw_appearance,
    draw_field_of_view,
    draw_voxel_size,
    render,
    scan,
    tissue_labels,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One synthetic head on the 2 mm grid of its field of view.

    ``clean`` and ``corrupted`` are the same head under the same protocol, float32 (i, j, k); they are one array when
    nothing went wrong. ``severity`` (5,) float32 holds each artefact's severity, 0 where absent; ``alone`` the
    head with only that artefact, of the same parameters, for each that is present.
    """

    clean: Image
    corrupted: Image
    labels: Labels
    grid: Grid
    severity: npt.NDArray[np.float32]
    alone: Mapping[Artefact, Image] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishaps:
    """How often and how much goes wrong: probability of any artefact, of a second one, and the severity range.

    ``kinds``: the artefacts that occur.
    """

    probability: float
    second: float = 0.15
    severity: tuple[float, float] = (0.05, 1.0)
    kinds: tuple[Artefact, ...] = ARTEFACTS


class SyntheticHeads(IterableDataset[Head]):
    """Heads number ``first``, ``first + 1``, ... of the stream that ``seed`` names; the same number, the same head.

    With ``stride`` only each stride-th of them: several devices share one stream.
    """

    def __init__(  # noqa: PLR0913 - four name the stream, two the part of it
        self,
        bank: Path,
        label_maps: Path,
        seed: int,
        *,
        first: int = 0,
        stride: int = 1,
        mishaps: Mishaps | None = None,
    ) -> None:
        self._anatomies = sorted(bank.glob("*.npy"))
        if not self._anatomies:
            raise FileNotFoundError(f"no anatomies in {bank}: run python -m training bank --out {bank} first")
        self._table = load_class_table(label_maps)
        self._seed, self._first, self._stride = seed, first, stride
        self._mishaps = mishaps

    def __iter__(self) -> Iterator[Head]:
        worker = get_worker_info()
        number = self._first + self._stride * (worker.id if worker else 0)
        stride = self._stride * (worker.num_workers if worker else 1)
        while True:
            yield self.head(number)
            number += stride

    def head(self, number: int) -> Head:
        """Head ``number`` of the stream."""
        rng = np.random.default_rng((self._seed, number))
        classes = np.load(self._anatomies[rng.integers(len(self._anatomies))], mmap_mode="r")
        return draw_head(classes, self._table, self._mishaps, rng)


def draw_head(
    classes: npt.NDArray[np.uint8], table: ClassTable, mishaps: Mishaps | None, rng: np.random.Generator
) -> Head:
    """One head of the anatomy ``classes`` (uint8, 1 mm)."""
    protocol = draw_protocol(classes, rng)
    labels, grid = tissue_labels(classes, table, protocol)
    ideal, ideal_grid = render(alter_outside(classes, table, rng), table, draw_appearance(table, rng), protocol)
    corruptions, severity = draw_mishaps(mishaps, rng)

    def scanned(*present: Corruption) -> Image:
        return resample(*scan(ideal, ideal_grid, protocol, present), grid)

    clean = scanned()
    corrupted = scanned(*corruptions.values()) if corruptions else clean
    alone = {kind: corrupted if len(corruptions) == 1 else scanned(c) for kind, c in corruptions.items()}
    return Head(clean=clean, corrupted=corrupted, labels=labels, grid=grid, severity=severity, alone=alone)


def draw_protocol(
    classes: npt.NDArray[np.uint8], rng: np.random.Generator, voxel_mm: tuple[int, int, int] | None = None
) -> Protocol:
    """Field of view, voxel size (``voxel_mm``, if given) and reconstruction of one scan."""
    return Protocol(
        field_of_view=draw_field_of_view(classes.shape, rng),
        voxel_mm=voxel_mm or draw_voxel_size(rng),
        reconstruction=draw_reconstruction(rng),
    )


def draw_mishaps(
    mishaps: Mishaps | None, rng: np.random.Generator
) -> tuple[dict[Artefact, Corruption], npt.NDArray[np.float32]]:
    """None, one or two artefacts and the severity of each (5,)."""
    severity = np.zeros(len(ARTEFACTS), np.float32)
    if mishaps is None or rng.random() >= mishaps.probability:
        return {}, severity
    count = 2 if rng.random() < mishaps.second else 1
    kinds = [ARTEFACTS.index(kind) for kind in mishaps.kinds]
    chosen = rng.choice(kinds, min(count, len(kinds)), replace=False)
    severity[chosen] = rng.uniform(*mishaps.severity, len(chosen))
    return {ARTEFACTS[i]: draw(ARTEFACTS[i], float(severity[i]), rng) for i in chosen}, severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A head cut to a box about its brain, intensities divided by the brain's 95th percentile."""

    clean: Image
    corrupted: Image
    labels: Labels
    severity: npt.NDArray[np.float32]
    alone: Mapping[Artefact, Image]


def cut_box(head: Head, shape: tuple[int, int, int], rng: np.random.Generator) -> Box | None:
    """The box as the locator would place it, give or take 12 mm; None where the field of view shows no brain."""
    brain = np.argwhere(brain_mask(head.labels))
    if len(brain) < 2000:  # 16 mL at 2 mm
        return None
    box = box_grid(head.grid, brain.mean(axis=0) + rng.uniform(-6, 6, 3), shape)
    labels = nearest(head.labels, head.grid, box)
    jitter = rng.uniform(0.85, 1.15)

    def scaled(image: Image) -> Image:
        voxels = nearest(image, head.grid, box)
        return (voxels * (jitter / brain_scale(voxels, labels >= 2))).astype(np.float32)

    return Box(
        clean=scaled(head.clean),
        corrupted=scaled(head.corrupted),
        labels=labels.astype(np.uint8),
        severity=head.severity,
        alone={artefact: scaled(image) for artefact, image in head.alone.items()},
    )


def brain_scale(image: npt.NDArray[np.floating], brain: npt.NDArray[np.bool_]) -> float:
    """The 95th percentile of the intensity inside the brain; 1 where that is nothing."""
    return float(np.percentile(image[brain], 95)) or 1.0
