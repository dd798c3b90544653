"""Whole synthetic heads as T1 is stored: of label maps, with the field of view and reconstruction of a scanner."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from models.preprocess import nearest
from training.synthesis.anatomy import Fresh
from training.synthesis.generators import generators_of
from training.synthesis.labelmaps import LabelMap, load_class_table, load_label_maps
from training.synthesis.scene import Origin, draw_scene
from training.truth import Truth


def stored_heads(label_maps: Path, seed: int, count: int) -> Iterator[tuple[str, Callable[[], Truth]]]:
    """So many clean heads of a seed by their keys, one label map after the other, whose name is that of the head."""
    maps = load_label_maps(label_maps)
    for number in range(count):
        yield f"synthetic-{seed}-{number}", partial(_stored, maps[number % len(maps)], label_maps, seed, number)


@torch.no_grad()
def _stored(head: LabelMap, label_maps: Path, seed: int, number: int) -> Truth:
    """Head ``number`` of a seed, the tissues on its own grid."""
    origin = Origin(anatomies=Fresh([head]), table=load_class_table(label_maps), device=torch.device("cpu"))
    scene = draw_scene(origin, generators_of(seed, number))
    stored, grid = scene.stored()
    labels = scene.shares.argmax(dim=0).numpy().astype(np.uint8)
    labels = nearest(labels, scene.shares_grid, grid)
    return Truth(name=head.name, voxels=stored.numpy(), labels=labels, affine=grid.affine)
