"""What a heart's mask may look like: one piece, each structure one piece, no small islands, no holes."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Labels = npt.NDArray[np.uint8]


def largest_pieces(labels: Labels) -> Labels:
    """Keep the heart's largest connected piece of a stack (x, y, slice), then each structure's largest piece of it."""
    kept = np.where(_largest(labels > 0), labels, np.uint8(0))
    for number in range(1, int(labels.max(initial=0)) + 1):
        inside = kept == number
        kept[inside & ~_largest(inside)] = 0
    return kept


def _largest(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    pieces, count = ndimage.label(mask)
    if not count:
        return mask
    largest: npt.NDArray[np.bool_] = pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()
    return largest
