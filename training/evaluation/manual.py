"""Grey matter of brain-extracted scans against labels drawn by hand, beside a threshold that is told the brain.

The scans carry an outline that comes from their labels, so that one Otsu threshold within it finds grey matter
astonishingly well. A whole-head network gets no outline. The last but one column asks both the same question.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from models.brain.prediction import Prediction
from models.brain.refinement import labels_on_own_grid, probabilities_on
from models.physics.kspace import Image
from models.preprocess import Grid, canonical, isotropic_grid, nearest, resample
from training.brain.networks import BRAIN_GRID, Networks, onnx_networks
from training.nifti import read_canonical
from training.synthesis.labelmaps import CSF, GREY, WHITE
from training.truth import Labels, dice

Mask = npt.NDArray[np.bool_]
#: Bins of the histogram that a threshold is sought in.
_HISTOGRAM = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualPlan:
    """``data``: scans NNNN_SS, with NNNN_classified (1 ventricles, 2 grey, 3 white matter) and NNNN_mask."""

    data: Path
    bundle: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualScan:
    """One scan in canonical order: float32 voxels, labels by hand and the mask, all (i, j, k) on ``grid``."""

    name: str
    voxels: Image
    labels: Labels
    mask: Mask
    grid: Grid


def compare_with_otsu(plan: ManualPlan) -> None:
    """Print the tables."""
    networks = onnx_networks(plan.bundle)
    print("\n".join(manual_report(manual_scans(plan.data), networks)))


def manual_scans(folder: Path) -> list[ManualScan]:
    """The scans of a folder.

    Raises:
        FileNotFoundError: there are none.
    """
    scans = [_read(path) for path in sorted(folder.glob("*_SS.nii.gz"))]
    if not scans:
        raise FileNotFoundError(f"no NNNN_SS.nii.gz in {folder}: give the scans with labels by hand with --data")
    return scans


def manual_report(scans: list[ManualScan], networks: Networks) -> Iterator[str]:
    """Two tables: grey-matter Dice, and where the millilitres of grey and white matter went."""
    found = [(scan, networks.predict(scan.voxels, scan.grid.affine)) for scan in scans]
    yield "## Dice of grey matter against labels by hand, 1 mm\n"
    columns = (
        "ours",
        "Otsu in the mask",
        "ours on the network's 2 mm grid",
        "ours told the mask and no CSF",
        "the labels themselves at 2 mm",
    )
    yield "| scan | " + " | ".join(columns) + " |"
    yield "| --- |" + " ---: |" * len(columns)
    dices = [_dices(scan, prediction) for scan, prediction in found]
    for (scan, _), row in zip(found, dices, strict=True):
        yield f"| {scan.name} | " + " | ".join(f"{value:.3f}" for value in row) + " |"
    yield "| **mean** | " + " | ".join(f"**{value:.3f}**" for value in np.mean(dices, axis=0)) + " |"
    yield "\n## Where it goes, in mL: by hand > ours\n"
    yield "| scan | grey > CSF | grey > white | grey > none | white > grey | not labelled > CSF | not labelled > grey |"
    yield "| --- |" + " ---: |" * 6
    pairs = ((GREY, CSF), (GREY, WHITE), (GREY, 0), (WHITE, GREY), (0, CSF), (0, GREY))
    for scan, prediction in found:
        ours, voxel_ml = _own(scan, prediction), float(np.prod(scan.grid.spacing)) / 1000
        volumes = [((scan.labels == hand) & (ours == called)).sum() * voxel_ml for hand, called in pairs]
        yield f"| {scan.name} | " + " | ".join(f"{volume:.0f}" for volume in volumes) + " |"


def otsu(values: npt.ArrayLike, classes: int = 2) -> list[float]:
    """The ``classes`` - 1 thresholds with the largest variance between classes, exactly (Otsu 1979; Liao et al. 2001).

    Maximises the sum over classes of (sum of values)^2 / number on a histogram of 256 bins, by dynamic programming.
    """
    counts, edges = np.histogram(values, _HISTOGRAM)
    number = np.concatenate([[0], np.cumsum(counts)]).astype(float)
    total = np.concatenate([[0], np.cumsum(counts * (edges[:-1] + edges[1:]) / 2)])
    size, mass = number[None] - number[:, None], total[None] - total[:, None]
    gain = np.where(size > 0, mass**2 / np.where(size > 0, size, 1), -np.inf)  # of one class from bin i up to j
    best, cuts = gain[0], []
    for _ in range(classes - 1):
        totals = best[:, None] + gain
        cuts.append(totals.argmax(axis=0))
        best = totals.max(axis=0)
    thresholds, end = [], _HISTOGRAM
    for cut in reversed(cuts):
        end = int(cut[end])
        thresholds.append(float(edges[end]))
    return thresholds[::-1]


def _read(path: Path) -> ManualScan:
    voxels, affine = read_canonical(path)
    return ManualScan(
        name=path.name.split("_")[0],
        voxels=voxels,
        labels=_beside(path, "classified"),
        mask=_beside(path, "mask") > 0,
        grid=Grid(voxels.shape, affine),
    )


def _beside(path: Path, what: str) -> Labels:
    image = nib.Nifti1Image.from_filename(path.with_name(path.name.replace("SS", what)))
    return canonical(np.asarray(image.dataobj).astype(np.uint8), np.asarray(image.affine))[0]


def _own(scan: ManualScan, prediction: Prediction) -> Labels:
    return labels_on_own_grid(scan.voxels, scan.grid.affine, prediction)


def _dices(scan: ManualScan, prediction: Prediction) -> tuple[float, float, float, float, float]:
    grey, ours = scan.labels == GREY, _own(scan, prediction)
    threshold = otsu(scan.voxels[scan.mask])[0]
    return (
        dice(ours == GREY, grey),
        dice(scan.mask & (scan.voxels <= threshold), grey),
        dice(probabilities_on(scan.grid, prediction).argmax(axis=0) == GREY, grey),
        dice(scan.mask & (ours != WHITE), grey),
        dice(_through_the_grid(scan) == GREY, grey),
    )


def _through_the_grid(scan: ManualScan) -> Labels:
    """The labels by hand as the network's grid holds them (the largest share of each voxel), taken back."""
    coarse = isotropic_grid(scan.grid, BRAIN_GRID.spacing_mm)
    shares = [resample((scan.labels == tissue).astype(np.float32), scan.grid, coarse) for tissue in range(WHITE + 1)]
    return nearest(np.argmax(shares, axis=0).astype(np.uint8), coarse, scan.grid)
