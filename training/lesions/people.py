"""People with FLAIR and a mask of their lesions: they evaluate and calibrate, and never train."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from models.physics.artefacts import ARTEFACTS
from models.physics.kspace import corrupt
from models.physics.severity import draw
from models.preprocess import Affine, FloatArray, canonical, spacing_of
from models.subject import Image, still
from training.truth import Truth

#: Severities of what is done to people's images.
_SEVERITY = (0.05, 0.85)
#: How often something goes wrong in a drawn image.
_SPOILT = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """``voxels`` of the FLAIR and ``mask`` bool, both (i, j, k) on one grid; ``spoilt``: artefact and severity.

    ``t1``: of the same visit, on a grid of its own.
    """

    name: str
    voxels: FloatArray
    affine: Affine
    mask: npt.NDArray[np.bool_]
    spoilt: str = ""
    t1: Image | None = None

    @property
    def load_ml(self) -> float:
        """Volume of the mask."""
        return int(self.mask.sum()) * float(np.prod(spacing_of(self.affine))) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Flair:
    """One FLAIR in canonical order, and where its lesions were drawn on the same grid, None where they were not."""

    key: str
    truth: Truth
    mask: npt.NDArray[np.bool_] | None = None


def read_people(folder: Path) -> Iterator[Person]:
    """Everybody below ``folder``: in sub-XX/anat with a WMH mask, or in NAME with a lesion mask, on the FLAIR's grid.

    Raises:
        FileNotFoundError: there is nobody.
        ValueError: a mask is not on its FLAIR's grid.
    """
    masks = sorted((*folder.glob("sub-*/anat/*_label-WMH_mask.nii.gz"), *folder.glob("*/*_label-lesion_mask.nii.gz")))
    pairs = [(path, flair) for path in masks if (flair := _flair_of(path)).exists()]
    if not pairs:
        raise FileNotFoundError(
            f"no FLAIR with a mask in {folder}: give a folder with sub-XX/anat/*_FLAIR and *_label-WMH_mask, or with "
            "NAME/*_FLAIR and *_label-lesion_mask"
        )
    for path, flair in pairs:
        image, mask = nib.Nifti1Image.from_filename(flair), nib.Nifti1Image.from_filename(path)
        if image.shape != mask.shape or not np.allclose(image.affine, mask.affine, atol=1e-2):
            raise ValueError(f"{path.name} is not on the grid of its FLAIR: resample it")
        yield Person(
            name=path.name.split("_")[0],
            voxels=np.asarray(image.dataobj, np.float32),
            affine=np.asarray(image.affine, float),
            mask=np.asarray(mask.dataobj) > 0.5,
            t1=_t1_of(flair),
        )


def _flair_of(mask: Path) -> Path:
    name = mask.name.split("_")[0]
    space = "" if mask.parent.name == "anat" else "_space-MNI"
    return mask.with_name(f"{name}{space}_FLAIR.nii.gz")


def _t1_of(flair: Path) -> Image | None:
    paths = [flair.with_name(flair.name.replace("_FLAIR", name)) for name in ("_T1w", "_T1")]
    found = next((path for path in paths if path.exists()), None)
    if found is None:
        return None
    image = nib.Nifti1Image.from_filename(found)
    return still(np.asarray(image.dataobj, np.float32), np.asarray(image.affine, float))


def read_flairs(folder: Path) -> Iterator[Flair]:
    """Every FLAIR below ``folder`` in canonical order, in sub-XX/anat or in NAME, with the mask beside it if any.

    Raises:
        FileNotFoundError: there is none.
    """
    paths = sorted((*folder.glob("sub-*/anat/*_FLAIR.nii.gz"), *folder.glob("*/*_FLAIR.nii.gz")))
    if not paths:
        raise FileNotFoundError(f"no FLAIR in {folder}: give a folder with sub-XX/anat/*_FLAIR or NAME/*_FLAIR.nii.gz")
    for path in paths:
        image = nib.Nifti1Image.from_filename(path)
        voxels, affine = canonical(np.asarray(image.dataobj, np.float32), np.asarray(image.affine, float))
        name = path.parts[-3] if path.parent.name == "anat" else path.parent.name
        truth = Truth(name=name, voxels=voxels, labels=np.zeros(voxels.shape, np.uint8), affine=affine)
        yield Flair(key=f"{name} {path.name.split('.')[0]}", truth=truth, mask=_mask_of(path))


def _mask_of(flair: Path) -> npt.NDArray[np.bool_] | None:
    stem = flair.name.removesuffix("_FLAIR.nii.gz")
    names = (f"{stem}_space-FLAIR_label-WMH_mask.nii.gz", f"{stem}_label-lesion_mask.nii.gz")
    found = next((path for name in names if (path := flair.with_name(name)).exists()), None)
    if found is None:
        return None
    image = nib.Nifti1Image.from_filename(found)
    return canonical(np.asarray(image.dataobj) > 0.5, np.asarray(image.affine, float))[0]


def clean_and_spoilt(person: Person, draws: int, seed: int) -> Iterator[Person]:
    """The person as scanned, and so many times with something gone wrong in three of four, on the image's own grid."""
    yield person
    rng = np.random.default_rng((seed, *person.name.encode()))
    for number in range(draws):
        kind, severity = ARTEFACTS[int(rng.integers(len(ARTEFACTS)))], float(rng.uniform(*_SEVERITY))
        corruption = draw(kind, severity, rng)
        if rng.random() < _SPOILT:
            voxels = corrupt(person.voxels, (corruption,), spacing_of(person.affine))
            yield replace(person, voxels=voxels, spoilt=f"{kind.value} {severity:.2f} #{number}")
