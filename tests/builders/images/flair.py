"""FLAIR series as scanners send them, made of the synthetic head that ships with the bundle of lesions."""

from collections.abc import Iterator
from dataclasses import replace

import nibabel as nib
import numpy as np
from pydicom import Dataset

from daemon.config import optional_bundles
from daemon.dicom.simulate import series_from_image
from models.subject import Acquisition, Image, still

#: What says FLAIR: an inversion that long, an echo that late (Philips and Siemens 2-D at 3 T).
_HEADER = {
    "ScanningSequence": ["SE", "IR"],
    "SequenceVariant": "SK",
    "MRAcquisitionType": "2D",
    "InversionTime": "2500",
}


def golden_flair(slice_mm: float = 4.0) -> Image:
    """The golden FLAIR, averaged to axial slices of a multiple of 2 mm."""
    folder = optional_bundles()["brain-wmh"]
    image = nib.Nifti1Image.from_filename(folder / "golden" / "head.nii.gz")
    voxels, affine, many = np.asarray(image.dataobj, np.float32), np.asarray(image.affine, float), int(slice_mm / 2)
    thick = voxels[:, :, : voxels.shape[2] // many * many].reshape(*voxels.shape[:2], -1, many).mean(axis=3)
    affine[2, 3] += (many - 1) * 1.0
    facts = Acquisition(repetition_time_ms=9000.0, echo_time_ms=120.0, field_strength_t=3.0, protocol="T2 FLAIR")
    return still(thick.astype(np.float32), affine @ np.diag([1, 1, many, 1.0]), facts)


def flair_datasets(seed: str = "flair", image: Image | None = None) -> Iterator[Dataset]:
    """One series of it."""
    for dataset in series_from_image(image or golden_flair(), seed, description="ax FLAIR"):
        for keyword, value in _HEADER.items():
            setattr(dataset, keyword, value)
        yield dataset


def spoilt(image: Image, deviation: float) -> Image:
    """With noise of so many standard deviations, in units of its 99th percentile."""
    rng = np.random.default_rng(0)
    noise = deviation * float(np.percentile(image.still, 99)) * rng.standard_normal((2, *image.still.shape))
    return replace(image, voxels=np.hypot(image.still + noise[0], noise[1]).astype(np.float32)[None])
