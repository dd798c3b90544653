"""What tells an artefact from the same protocol's good images: image quality measures and the middle's spectrum."""

from collections.abc import Iterable, Mapping
from math import isfinite

import numpy as np
import numpy.typing as npt

from models.physics.spectrum import describe, named
from models.quality.foreground import FloatArray

#: So many slices in the middle say nearly as much as all, in a fraction of the time.
_SLICES = 24
#: Voxels along each axis without which there are no lines to compare: at the end the last ones are taken again.
_LEAST_SIDE = 4
#: How dark the darkest voxels are, and how many are 0: every image that goes through a Fourier transform differs in it.
_OF_SIMULATION = ("exact_zeros", "level_2", "level_10", "dark_spread", "not_imaged")
_OF_VALUES = ("zeros", "clipped")


def artefact_numbers(
    voxels: FloatArray, affine: npt.NDArray[np.float64], measures: Mapping[str, float], names: Iterable[str]
) -> dict[str, float]:
    """Of an image (i, j, k) with its affine to mm: those of its ``measures`` that have ``names``, and of its spectrum.

    What cannot be measured is 0.
    """
    first = max(0, (voxels.shape[2] - _SLICES) // 2)
    middle = voxels[:, :, first : first + _SLICES]
    lacking = [(0, max(0, _LEAST_SIDE - side)) for side in middle.shape]
    spectrum = named(describe(np.pad(middle, lacking, mode="edge"), affine))
    told = {name: measures.get(name, 0.0) for name in names if name not in _OF_VALUES}
    told |= {f"spectrum_{name}": value for name, value in spectrum.items() if not name.startswith(_OF_SIMULATION)}
    return {name: value if isfinite(value) else 0.0 for name, value in told.items()}
