"""Where the slices of a heart lie: shifted between breath-holds, and whether base and apex are covered."""

import numpy as np
import numpy.typing as npt

from models.cine.crops import PIXEL_MM

Labels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

#: Slices of fewer pixels of left ventricle have no centre to speak of.
_LEAST_PX = 30
_FEWEST = 4
#: An end slice whose left ventricle is above this share of the largest one is not beyond the end: of ACDC's stacks
#: the first has 0.85 and the last 0.15 in the median (docs/cine.md).
COVERED_BASE, COVERED_APEX = 0.95, 0.5


def shifts_mm(labels: Labels, left_ventricle: int = 3) -> Values:
    """How far each slice's left ventricle is from the straight axis through the others' centres, (slice,).

    Of labels (x, y, slice); NaN where there is no ventricle, or too few slices for an axis. The axis is that of the
    least absolute distances of pairs (Theil-Sen), which one slice does not move.
    """
    found = np.full(labels.shape[2], np.nan)
    areas = (labels == left_ventricle).sum(axis=(0, 1))
    there = np.nonzero(areas >= _LEAST_PX)[0]
    if len(there) < _FEWEST:
        return found
    centres = np.array([np.argwhere(labels[:, :, k] == left_ventricle).mean(axis=0) for k in there]) * PIXEL_MM
    for n, k in enumerate(there):
        others = np.arange(len(there)) != n
        found[k] = float(np.linalg.norm(centres[n] - _on_axis(there[others], centres[others], float(k))))
    return found


def ends(labels: Labels, left_ventricle: int = 3) -> tuple[float, float]:
    """The left ventricle's area in the first and in the last slice, as shares of the largest; 1 without any."""
    areas = (labels == left_ventricle).sum(axis=(0, 1)).astype(float)
    if not areas.max():
        return 1.0, 1.0
    return float(areas[0] / areas.max()), float(areas[-1] / areas.max())


def _on_axis(places: npt.NDArray[np.int64], centres: Values, at: float) -> Values:
    first, second = np.triu_indices(len(places), 1)
    slope = np.median((centres[second] - centres[first]) / (places[second] - places[first])[:, None], axis=0)
    offset = np.median(centres - slope * places[:, None], axis=0)
    return np.asarray(offset + slope * at)
