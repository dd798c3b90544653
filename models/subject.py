"""What is examined: the images of one person, each by the part that it plays."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """``voxels`` float32 (i, j, k), ``affine`` (4, 4) index to RAS mm.

    ``facts``: what its header states, by DICOM keyword, in DICOM's units (EchoTime in ms, MagneticFieldStrength in T).
    """

    voxels: npt.NDArray[np.float32]
    affine: npt.NDArray[np.float64]
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """``images``: role, as the bundle's ``inputs`` call it -> image."""

    images: Mapping[str, Image]
