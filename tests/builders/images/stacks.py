"""Stacks of a heart with their labels, as training reads them."""

import nibabel as nib
import numpy as np

from training.cine.stacks import Stack


def heart(side=64, slices=4, at=(30, 34), radius=9):
    """A left ventricle in its ring, and a right one beside it."""
    x, y = np.ogrid[:side, :side]
    distance = np.hypot(x - at[0], y - at[1])
    labels = np.zeros((side, side), np.uint8)
    labels[(np.abs(x - at[0] - 14) < 5) & (np.abs(y - at[1]) < 6)] = 1
    labels[distance < radius + 3] = 2
    labels[distance < radius] = 3
    return np.repeat(labels[..., None], slices, axis=2)


def stack(phase="ED", radius=9, patient="sub-001"):
    labels = heart(radius=radius)
    image = 40.0 * labels + np.random.default_rng(0).uniform(0, 10, labels.shape)
    return Stack(
        patient=patient, phase=phase, image=image.astype(np.float32), labels=labels, spacing_mm=(1.5, 1.5, 10.0)
    )


def write_stacks(folder):
    """Six patients of two groups, as ACDC's layout has them; the folder."""
    for number in (1, 2, 3, 21, 22, 23):
        name = f"sub-{number:03d}"
        (folder / name).mkdir()
        for phase, radius in (("ED", 9), ("ES", 6)):
            one = stack(phase, radius, name)
            for kind, voxels in (("cine", one.image.astype(np.uint8)), ("dseg", one.labels)):
                path = folder / name / f"{name}_phase-{phase}_{kind}.nii.gz"
                nib.Nifti1Image(voxels, np.diag([1.5, 1.5, 10.0, 1.0])).to_filename(path)
    return folder
