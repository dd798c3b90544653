"""A volume and its true labels, and how well labels agree with them."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.physics.artefacts import ARTEFACTS
from models.physics.kspace import Image
from models.preprocess import Affine

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A volume and its labels, as read from a file; ``severity`` (5,) of each artefact in it.

    The labels lie on the volume's own grid unless ``labels_affine`` (4, 4) places them on another.
    """

    name: str
    voxels: Image
    labels: Labels
    affine: Affine
    labels_affine: Affine | None = None
    setting: str = ""
    severity: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(len(ARTEFACTS), np.float32))


def dice(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """2 |A and B| / (|A| + |B|); 1 for two empty masks."""
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 1.0
