"""What a heart's mask may look like: pieces that belong together, no small islands, no holes.

A piece is dropped only where nothing speaks for it: a left ventricle whose middle slice was called otherwise is two
true pieces, a liver called heart is a false one.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

#: Pieces of fewer pixels in a slice are islands.
ISLAND_PX = 20
#: A piece stays if it holds this share of the largest one, or lies beneath or above it up to this distance.
_SHARE, _BESIDE_PX = 0.5, 2
_TOUCHING = np.ones((3, 3, 3), bool)
#: Neighbours within a slice, by their sides.
_IN_SLICE = np.zeros((3, 3, 3), bool)
_IN_SLICE[:, 1, 1] = _IN_SLICE[1, :, 1] = True


def cleaned(labels: Labels) -> Labels:
    """A stack (x, y, slice) without islands, pieces that lie apart, and holes; background is 0."""
    whole = np.zeros_like(labels)
    box = _box(labels > 0)
    if box is None:
        return whole
    inside = labels[box]
    kept = np.where(_belonging(_without_islands(inside > 0)), inside, np.uint8(0))
    for number in range(1, int(inside.max()) + 1):
        piece = kept == number
        kept[piece & ~_belonging(_without_islands(piece))] = 0
    whole[box] = _filled(kept)
    return whole


def _box(mask: Mask) -> tuple[slice, slice, slice] | None:
    """Where a mask is, with as much room about it as looking beside its pieces takes; None where it is nowhere."""
    ends = []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        if not len(there):
            return None
        room = _BESIDE_PX if axis < 2 else 0  # noqa: PLR2004
        ends.append(slice(max(0, int(there[0]) - room), int(there[-1]) + 1 + room))
    return ends[0], ends[1], ends[2]


def _belonging(mask: Mask) -> Mask:
    """The largest piece, pieces nearly as large, and those that lie over or under it."""
    pieces, count = ndimage.label(mask, _TOUCHING)
    if count < 2:  # noqa: PLR2004
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    largest = 1 + int(sizes.argmax())
    footprint = ndimage.binary_dilation((pieces == largest).any(axis=2), iterations=_BESIDE_PX)
    kept = np.zeros(count + 1, bool)
    for number in range(1, count + 1):
        kept[number] = (
            sizes[number - 1] >= _SHARE * sizes[largest - 1] or footprint[(pieces == number).any(axis=2)].mean() > 0.5  # noqa: PLR2004
        )
    return np.asarray(kept[pieces])


def _without_islands(mask: Mask) -> Mask:
    """Each slice without pieces of fewer than ISLAND_PX pixels, but for its largest."""
    pieces, count = ndimage.label(mask, _IN_SLICE)
    if not count:
        return mask
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    of = np.zeros(count + 1, int)  # the slice of each piece
    at = np.nonzero(pieces)
    of[pieces[at]] = at[2]
    kept = sizes >= ISLAND_PX
    kept[0] = False
    order = np.lexsort((-np.arange(count + 1), sizes, of))  # of equal ones the first is a slice's largest
    order = order[order > 0]
    largest = order[np.append(np.diff(of[order]) > 0, True)]
    kept[largest] = True
    return np.asarray(kept[pieces])


def _filled(labels: Labels) -> Labels:
    """Holes within a slice's heart take the class of the nearest pixel of it."""
    heart = labels > 0
    holes = ndimage.binary_fill_holes(heart, _IN_SLICE) & ~heart
    whole = labels.copy()
    for k in np.flatnonzero(holes.any(axis=(0, 1))):
        nearest = ndimage.distance_transform_edt(~heart[:, :, k], return_distances=False, return_indices=True)
        at = holes[:, :, k]
        whole[at, k] = labels[nearest[0][at], nearest[1][at], k]
    return whole
