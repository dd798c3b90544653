"""Images of other software: NIfTI files."""

from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError

from daemon.core.errors import ConfigError, NotAssessable, Reason
from models.subject import Image

#: 2 GiB of float32.
VOXELS_MAX: Final = 2**29
_SPATIAL: Final = 3
#: Milliseconds in NIfTI's units of time.
_MS: Final = {"sec": 1000.0, "msec": 1.0, "usec": 0.001}


def read_nifti(path: Path) -> Image:
    """The image of a NIfTI file; of several volumes, the time between them is the header's.

    Raises:
        ConfigError: the file cannot be read.
        NotAssessable: UNSUPPORTED, it holds no volumes; TOO_LARGE, they do not fit into memory.
    """
    try:
        image = nib.Nifti1Image.from_filename(path)
        i, j, k, count = _shape(image.shape)
        voxels = np.asarray(image.dataobj, np.float32).reshape(i, j, k, count)
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise ConfigError(f"{path} is not a readable NIfTI file: check that it is whole") from error
    return Image(
        voxels=np.moveaxis(np.nan_to_num(voxels, copy=not voxels.flags.writeable), -1, 0),
        affine=np.asarray(image.affine, float),
        times_ms=_times_ms(image.header, count),
        dimensions=({},) * count,
    )


def _shape(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(i, j, k, T) of what a file holds."""
    space, rest = shape[:_SPATIAL], shape[_SPATIAL:]
    if len(space) < _SPATIAL or 1 in space or len([side for side in rest if side > 1]) > 1:
        raise NotAssessable(Reason.UNSUPPORTED, f"{len([side for side in shape if side > 1])} dimensions")
    count = int(np.prod(rest))
    if int(np.prod(shape)) > VOXELS_MAX:
        raise NotAssessable(Reason.TOO_LARGE, f"{count} volumes of {'x'.join(map(str, space))} voxels")
    return space[0], space[1], space[2], count


def _times_ms(header: nib.Nifti1Header, count: int) -> npt.NDArray[np.float64]:
    """(T,): the step along the fourth axis in its unit; NaN where the header states none."""
    if count == 1:
        return np.zeros(1)
    zooms = header.get_zooms()
    step = float(zooms[_SPATIAL]) * _MS.get(header.get_xyzt_units()[1], np.nan) if len(zooms) > _SPATIAL else np.nan
    return np.arange(count, dtype=np.float64) * (step if step > 0 else np.nan)
