"""A user's people as the project lays people out, and as label maps that heads are synthesised from.

Brain labels are those of the segmentation. What surrounds the brain has none: it is parted by brightness into three
classes, dark, middle and bright (as Billot et al. 2023 cluster the extra-cerebral regions of their maps). The priors of
each class's T1 intensity are measured in the people's own images, on the scale on which white matter is 160.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy.cluster.vq import kmeans2

from models.preprocess import FloatArray, Grid, isotropic_grid, nearest, resample
from models.quality.foreground import find_regions
from training.bids.finding import Scan
from training.bids.reading import Labelled, read_scan
from training.bids.segmentation import CSF, GREY, WHITE, tissue_of
from training.synthesis import labelmaps

#: Codes of what surrounds the brain, from dark to bright: bone, soft tissue, fat (Billot's numbers).
_AROUND: Final = (506, 507, 502)
#: Code -> intensity class, as in the open label maps (generation_classes_contrast_specific.npy).
_CLASS_OF: Final = {
    **dict.fromkeys((4, 5, 14, 15, 24, 43, 44, 72), 1), **dict.fromkeys((2, 41, 85), 2),
    **dict.fromkeys((3, 42, 11, 17, 18, 26, 50, 53, 54, 58), 3), **dict.fromkeys((7, 46), 4),
    **dict.fromkeys((8, 47), 5), **dict.fromkeys((10, 49), 6), **dict.fromkeys((12, 51), 7),
    **dict.fromkeys((13, 52), 8), **dict.fromkeys((28, 60), 9), **dict.fromkeys((25, 57), 10),
    **dict.fromkeys((30, 62), 11), **dict.fromkeys((136, 137, 163, 164), 12), 16: 13, 0: 0, 502: 14, 506: 15, 507: 16,
}  # fmt: skip
_CLASSES: Final = 17
_WHITE_IS: Final = 160.0
#: Of a class that the people do not have, and the least spread of what few people have: shares of the mean.
_UNSEEN, _LEAST_SPREAD = 80.0, 0.08
_TISSUE: Final = {CSF: labelmaps.CSF, GREY: labelmaps.GREY, WHITE: labelmaps.WHITE, 0: 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """Who trains, and who is held out; a person with all of their images is in one of them."""

    train: tuple[Scan, ...]
    held_out: tuple[Scan, ...]


def part(scans: Sequence[Scan], share: float, seed: int) -> Parted:
    """Hold ``share`` of the people out, at least one and not all of them."""
    people = sorted({scan.person for scan in scans})
    count = min(len(people) - 1, max(1, round(share * len(people))))
    chosen = set(np.random.default_rng(seed).permutation(people)[:count].tolist())
    return Parted(
        train=tuple(scan for scan in scans if scan.person not in chosen),
        held_out=tuple(scan for scan in scans if scan.person in chosen),
    )


def write_people(folder: Path, scans: Sequence[Scan]) -> None:
    """sub-XX/anat/NAME_T1w.nii.gz and NAME_desc-tissue_dseg.nii.gz: 1 CSF, 2 grey, 3 white matter; the present stay."""
    for scan in scans:
        anat = folder / scan.person / "anat"
        last = anat / f"{scan.name}_desc-tissue_dseg.nii.gz"
        if not last.exists():
            anat.mkdir(parents=True, exist_ok=True)
            head = read_scan(scan)
            _save(head.voxels, head.affine, anat / f"{scan.name}_T1w.nii.gz")
            _save(_translated(head.codes, {c: _TISSUE[tissue_of(c)] for c in _CLASS_OF}), head.affine, last)


def write_label_maps(folder: Path, scans: Sequence[Scan]) -> None:
    """The label maps of some heads and what is known of their classes, for ``training.synthesis.labelmaps``."""
    folder.mkdir(parents=True, exist_ok=True)
    levels = [_write_map(folder / f"training_seg_{number:04d}.nii.gz", read_scan(s)) for number, s in enumerate(scans)]
    means, spreads = (np.array([level[k] for level in levels]) for k in (0, 1))
    np.save(folder / "prior_means_t1.npy", _priors(means))
    np.save(folder / "prior_stds_t1.npy", _priors(spreads))
    np.save(folder / "generation_labels.npy", np.array(list(_CLASS_OF)))
    np.save(folder / "generation_classes_contrast_specific.npy", np.array(list(_CLASS_OF.values())))


def _write_map(path: Path, head: Labelled) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """One map at 1 mm; mean and deviation (C,) of each class's intensity, NaN where it does not occur."""
    own = Grid(head.voxels.shape, head.affine)
    fine = isotropic_grid(own, 1.0)
    codes = nearest(_with_surroundings(head), own, fine)
    classes, image = _translated(codes, _CLASS_OF), resample(head.voxels, own, fine)
    white = float(np.median(image[classes == _CLASS_OF[WHITE]])) or 1.0
    insides = [image[classes == number] * (_WHITE_IS / white) for number in range(_CLASSES)]
    _save(codes.astype(np.int16), fine.affine, path)
    mean, spread = ([f(inside) if inside.size else np.nan for inside in insides] for f in (np.mean, np.std))
    return np.asarray(mean, float), np.asarray(spread, float)


def _with_surroundings(head: Labelled) -> npt.NDArray[np.int32]:
    regions, codes = find_regions(head.voxels), head.codes.copy()
    around = (codes == 0) & (regions.body if regions else False)
    bright = np.log1p(np.maximum(head.voxels[around], 0.0)).astype(np.float64)
    if np.unique(bright).size >= len(_AROUND):  # else the brain was extracted
        starts = np.quantile(bright, (0.1, 0.5, 0.9))
        centres, nearest_centre = kmeans2(bright, np.sort(starts), minit="matrix", missing="warn")
        rank = np.argsort(np.argsort(centres))
        codes[around] = np.asarray(_AROUND)[rank[nearest_centre]]
    return codes


def _priors(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean and deviation over the heads (2, C) of what was measured in each (N, C)."""
    known = np.isfinite(levels)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known.any(axis=0), np.where(known, levels, 0.0).sum(axis=0) / count, _UNSEEN)
    spread = np.sqrt(np.where(known, (levels - mean) ** 2, 0.0).sum(axis=0) / count)
    return np.stack([mean, np.maximum(spread, _LEAST_SPREAD * mean)])


def _translated(codes: npt.NDArray[np.int32], table: Mapping[int, int]) -> npt.NDArray[np.uint8]:
    values = np.zeros(max(table) + 1, np.uint8)
    for code, value in table.items():
        values[code] = value
    return values[codes]


def _save(values: FloatArray | npt.NDArray[np.integer], affine: npt.NDArray[np.float64], path: Path) -> None:
    """Beside its place, then there: a killed run leaves no half file."""
    partial = path.with_name(path.name.replace(".nii.gz", ".part.nii.gz"))
    nib.save(nib.Nifti1Image(values, affine), partial)
    partial.rename(path)
