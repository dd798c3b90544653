"""Short-axis stacks with their labels, as ACDC's layout has them: sub-XXX/sub-XXX_phase-{ED,ES}_{cine,dseg}.nii.gz."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from training.running.run import RunPlan

#: Classes in the order of ACDC's labels.
STRUCTURES = ("background", "right ventricle", "myocardium", "left ventricle")
PHASES = ("ED", "ES")
#: Distances are clipped here, in pixels, and divided by it.
FARTHEST_PX = 16.0
#: Patients of one group bear numbers of one twenty (ACDC: five groups of twenty).
_GROUP = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One phase of one patient: ``image`` float32 and ``labels`` uint8, both (x, y, slice)."""

    patient: str
    phase: str
    image: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]


def read_stacks(folder: Path, patients: Sequence[str] | None = None) -> Iterator[Stack]:
    """Every stack below ``folder``, or those of some patients.

    Raises:
        FileNotFoundError: there are none.
    """
    found = False
    for path in sorted(folder.glob("sub-*/*_cine.nii.gz")):
        patient = path.parent.name
        if patients is None or patient in patients:
            found = True
            image = nib.Nifti1Image.from_filename(path)
            labels = nib.Nifti1Image.from_filename(path.with_name(path.name.replace("cine", "dseg")))
            first, second, third = (float(mm) for mm in image.header.get_zooms()[:3])
            yield Stack(
                patient=patient,
                phase=path.name.split("phase-")[1][:2],
                image=np.asarray(image.dataobj, np.float32),
                labels=np.asarray(labels.dataobj).astype(np.uint8),
                spacing_mm=(first, second, third),
            )
    if not found:
        raise FileNotFoundError(f"no sub-*/*_cine.nii.gz in {folder}: give the folder of the stacks with --data")


def folds(folder: Path, count: int = 5) -> list[tuple[str, ...]]:
    """The patients in ``count`` parts, each with about as many of every group."""
    patients = sorted(path.name for path in folder.glob("sub-*") if path.is_dir())
    groups: dict[int, list[str]] = {}
    for patient in patients:
        groups.setdefault((int(patient.removeprefix("sub-")) - 1) // _GROUP, []).append(patient)
    parts: list[list[str]] = [[] for _ in range(count)]
    for number, patient in enumerate(patient for group in groups.values() for patient in group):
        parts[number % count].append(patient)
    return [tuple(part) for part in parts]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldPlan(RunPlan):
    """``data``: folder of the stacks; ``fold`` of so many ``folds`` is left out, none where it is their number."""

    data: Path
    fold: int = 0
    folds: int = 5

    @property
    def patients(self) -> tuple[str, ...]:
        """Those that the run learns from.

        Raises:
            ValueError: there is no such fold.
        """
        if not 0 <= self.fold <= self.folds:
            raise ValueError(
                f"there is no fold {self.fold} of {self.folds}: give 0 to {self.folds - 1}, or {self.folds}"
            )
        return tuple(p for n, part in enumerate(folds(self.data, self.folds)) if n != self.fold for p in part)


def signed_distances(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Distance of each pixel of a slice (x, y) from each structure's border (3, x, y), negative inside, in (-1, 1).

    +1 everywhere for a structure that the slice lacks.
    """
    maps = np.ones((len(STRUCTURES) - 1, *labels.shape), np.float32)
    for number in range(1, len(STRUCTURES)):
        inside = labels == number
        if inside.any():
            outward = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
            maps[number - 1] = np.clip(outward / FARTHEST_PX, -1, 1)
    return maps


def heart_centre(ed: npt.NDArray[np.float32], es: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Where the image moves between two phases (x, y, slice): the heart's centre in pixels, without a network."""
    third = max(1, ed.shape[2] // 3)
    moving = np.abs(ed - es)[:, :, third : max(third + 1, ed.shape[2] - third)].mean(axis=2)
    smooth = ndimage.gaussian_filter(moving, 6)
    x, y = (np.linspace(-1, 1, n) for n in smooth.shape)
    prior = np.exp(-(x[:, None] ** 2 + y[None] ** 2) / 0.5)
    likely = smooth * prior
    pieces, _ = ndimage.label(likely > 0.5 * likely.max())
    peak = pieces == pieces[np.unravel_index(int(likely.argmax()), likely.shape)]
    first, second = ndimage.center_of_mass(likely, peak, 1)
    return float(first), float(second)
