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


def cleaned(labels: Labels) -> Labels:
    """A stack (x, y, slice) without islands, pieces that lie apart, and holes; background is 0."""
    kept = np.where(_belonging(_without_islands(labels > 0)), labels, np.uint8(0))
    for number in range(1, int(labels.max(initial=0)) + 1):
        inside = kept == number
        kept[inside & ~_belonging(_without_islands(inside))] = 0
    return _filled(kept)


def _belonging(mask: Mask) -> Mask:
    """The largest piece, pieces nearly as large, and those that lie over or under it."""
    pieces, count = ndimage.label(mask, _TOUCHING)
    if count < 2:  # noqa: PLR2004
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    largest = 1 + int(sizes.argmax())
    footprint = ndimage.binary_dilation((pieces == largest).any(axis=2), iterations=_BESIDE_PX)
    kept = [
        number
        for number in range(1, count + 1)
        if sizes[number - 1] >= _SHARE * sizes[largest - 1] or footprint[(pieces == number).any(axis=2)].mean() > 0.5  # noqa: PLR2004
    ]
    return np.isin(pieces, kept)


def _without_islands(mask: Mask) -> Mask:
    """Each slice without pieces of fewer than ISLAND_PX pixels, but for its largest."""
    kept = mask.copy()
    for k in range(mask.shape[2]):
        pieces, count = ndimage.label(mask[:, :, k])
        sizes = np.bincount(pieces.ravel())[1:]
        small = [n + 1 for n in range(count) if sizes[n] < ISLAND_PX and n != int(sizes.argmax())]
        kept[:, :, k] &= ~np.isin(pieces, small)
    return kept


def _filled(labels: Labels) -> Labels:
    """Holes within a slice's heart take the class of the nearest pixel of it."""
    whole = labels.copy()
    for k in range(labels.shape[2]):
        heart = labels[:, :, k] > 0
        holes = ndimage.binary_fill_holes(heart) & ~heart
        if holes.any():
            nearest = ndimage.distance_transform_edt(~heart, return_distances=False, return_indices=True)
            whole[holes, k] = labels[nearest[0][holes], nearest[1][holes], k]
    return whole
