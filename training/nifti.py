"""NIfTI files as arrays."""

from pathlib import Path

import nibabel as nib
import numpy as np

from models.preprocess import Affine, FloatArray, canonical


def read_canonical(path: Path) -> tuple[FloatArray, Affine]:
    """The float32 volume of a NIfTI file and its affine, in canonical order.

    Raises:
        FileNotFoundError: it is not there.
    """
    image = nib.Nifti1Image.from_filename(path)
    return canonical(np.asarray(image.dataobj, np.float32), np.asarray(image.affine, float))
