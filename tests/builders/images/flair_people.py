"""A BIDS folder of people with FLAIR and masks of what is bright in them: the golden head with other noise each."""

from dataclasses import replace

import nibabel as nib
import numpy as np

from builders.images.flair import golden_flair


def write_flair_people(folder, people, derivative="masks", slice_mm=4.0):
    """Each ``sub-XX/anat/*_FLAIR``, masks below ``derivatives/``."""
    image = golden_flair(slice_mm)
    mask = bright_within(image)
    for number, person in enumerate(people):
        noise = 0.03 * np.percentile(image.still, 99) * np.random.default_rng(number).standard_normal(image.still.shape)
        noisy = replace(image, voxels=np.abs(image.still + noise).astype(np.float32)[None])
        save(folder / person / "anat" / f"{person}_FLAIR.nii.gz", noisy.still, image.affine)
        place = folder / "derivatives" / derivative / person / "anat"
        save(place / f"{person}_space-FLAIR_label-lesion_mask.nii.gz", mask, image.affine)


def bright_within(image):
    """The brightest voxels about the head's middle, uint8 (i, j, k)."""
    centre = (np.asarray(image.still.shape) - 1) / 2
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    axes = [(np.arange(n) - c) * s for n, c, s in zip(image.still.shape, centre, spacing, strict=True)]
    near = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2) < 45
    return (near & (image.still > np.quantile(image.still[near], 0.97))).astype(np.uint8)


def save(path, voxels, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(voxels, affine).to_filename(path)
