"""The same head on other grids: turned, in thick slices, interpolated, cut at the neck, in more air.

None of it changes what is in the head, so that Dice and verdict should stay: orientations to the last bit, the others
as far as the voxels allow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from models.physics.kspace import Image
from models.preprocess import Affine, Grid, box_grid, canonical, nearest, resample
from training.evaluation.measure import Row
from training.evaluation.ranks import first_cause, grey
from training.synthesis.labelmaps import GREY
from training.truth import Truth

UNTOUCHED = "untouched"
#: Array orders in which scanners and tools store volumes, sagittal and coronal ones among them.
_ORIENTATIONS = ("RAS", "LPS", "PSR", "ASL", "RSA", "IPL")
_THICK_MM = (4.0, 5.0)
_FINE_MM = 0.7
_AXES = ("left to right", "back to front", "foot to head")
#: Where the field of view ends below the brain.
_CUTS_MM = {"cut at the chin, 40 mm below the brain": 40.0, "cut at the neck, 5 mm below the brain": 5.0}


def on_other_grids(truth: Truth) -> Iterator[Truth]:
    """The head as it is, then on every other grid; ``setting`` says which. The labels stay where they are."""
    voxels, affine = canonical(truth.voxels, truth.affine)
    grid = Grid(voxels.shape, affine)
    yield _placed(truth, UNTOUCHED, truth.voxels, truth.affine)
    for codes in _ORIENTATIONS:
        yield _placed(truth, f"turned to {codes}", *_turned(truth.voxels, truth.affine, codes))
    for thickness in _THICK_MM:
        for axis, name in enumerate(_AXES):
            spacing = np.where(np.arange(3) == axis, thickness, grid.spacing)
            target = _respaced(grid, spacing)
            yield _placed(truth, f"{thickness:g} mm slices, {name}", resample(voxels, grid, target), target.affine)
    target = _respaced(grid, np.full(3, _FINE_MM))
    yield _placed(truth, f"interpolated to {_FINE_MM} mm", resample(voxels, grid, target), target.affine)
    for name, below_mm in _CUTS_MM.items():
        yield _placed(truth, name, *_cut_below(truth, below_mm, voxels, grid))
    padded = box_grid(grid, (np.asarray(grid.shape) - 1) / 2, tuple(n + 2 * 20 for n in grid.shape))  # type: ignore[arg-type]
    yield _placed(truth, "20 voxels of air on every side", nearest(voxels, grid, padded), padded.affine)


def grid_table(rows: Sequence[Row]) -> Iterator[str]:
    """Grey-matter Dice on each grid and what changed against the same person's untouched head."""
    before = {row.name: row for row in rows if row.setting == UNTOUCHED}
    yield "| grid | heads | grey matter | mean change | worst change | uncertainty | mean change | first cause |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    for setting in dict.fromkeys(row.setting for row in rows):
        shown = [row for row in rows if row.setting == setting]
        change = np.array([grey(row) - grey(before[row.name]) for row in shown])
        level = np.array([row.scores.get("uncertainty", np.nan) for row in shown])
        moved = level - [before[row.name].scores["uncertainty"] for row in shown]
        causes = sorted({first_cause(row) or "no head" for row in shown})
        yield (
            f"| {setting} | {len(shown)} | {np.mean([grey(row) for row in shown]):.3f} | {change.mean():+.3f} "
            f"| {change.min():+.3f} | {level.mean():.3f} | {moved.mean():+.3f} | {', '.join(causes)} |"
        )


def _placed(truth: Truth, setting: str, voxels: Image, affine: Affine) -> Truth:
    return replace(truth, setting=setting, voxels=voxels, affine=affine, labels_affine=truth.affine)


def _turned(voxels: Image, affine: Affine, codes: str) -> tuple[Image, Affine]:
    """The same volume stored in another order of its axes."""
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(codes))
    turned: Image = np.ascontiguousarray(apply_orientation(voxels, turn))
    return turned, affine @ inv_ornt_aff(turn, voxels.shape)


def _respaced(grid: Grid, spacing: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Grid:
    """The grid of other voxels over the same field of view about the same centre."""
    shape = np.maximum(1, np.floor(np.asarray(grid.shape) * grid.spacing / spacing + 1e-6)).astype(int)
    affine = grid.affine.copy()
    affine[:3, :3] = grid.affine[:3, :3] / grid.spacing * spacing
    middle = grid.affine[:3, :3] @ ((np.asarray(grid.shape) - 1) / 2) + grid.affine[:3, 3]
    affine[:3, 3] = middle - affine[:3, :3] @ ((shape - 1) / 2)
    return Grid(tuple(shape.tolist()), affine)


def _cut_below(truth: Truth, below_mm: float, voxels: Image, grid: Grid) -> tuple[Image, Affine]:
    """The head above a plane ``below_mm`` under its lowest grey or white matter."""
    labels, _ = canonical(truth.labels, truth.affine)
    lowest = np.flatnonzero((labels >= GREY).any(axis=(0, 1)))[0]
    start = max(0, int(lowest - round(below_mm / grid.spacing[2])))
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, 2] * start
    return voxels[:, :, start:], affine
