"""What the picture draws over the anatomy, kept for every slice: the outlined structure, and where doubt is greatest.

Both are kept on the grid that the method saw, as bits, and drawn on the slices of the series when somebody looks.
"""

import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion

from daemon.core.values import Judgement
from daemon.dicom.report.picture.heat import dominant, heat_top
from daemon.dicom.report.picture.palette import ABOVE, OUTLINE
from models.findings import View

Mask = npt.NDArray[np.bool_]
Affine = npt.NDArray[np.float64]

#: Views with more voxels are not kept: series as large are not shown slice by slice.
_VOXELS_MAX: Final = 1 << 26
#: From this share of the picture's scale on, doubt is drawn.
_DOUBTFUL: Final = 0.5
#: A dot of the dotted line, in pixels.
_DOT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlay:
    """``outlined``, ``doubtful``: bool (i, j, k) on one grid, with its ``affine`` to RAS mm."""

    outlined: Mask
    doubtful: Mask
    affine: Affine

    def draw(self, affine: Affine, shape: tuple[int, int], number: int) -> npt.NDArray[np.uint8]:
        """The lines over slice ``number`` of a series with ``affine`` to RAS mm and slices (i, j) of ``shape``.

        RGBA (j, i, 4), clear but for the lines; that of the structure is solid, that of doubt dotted.
        """
        drawn = np.zeros((shape[1], shape[0], 4), np.uint8)
        places = self._places(affine, shape, number)
        i, j = np.indices(shape)
        dots = (i // _DOT + j // _DOT) % 2 == 0
        drawn[_border(_at(self.outlined, places)).T] = (*OUTLINE, 255)
        drawn[(_border(_at(self.doubtful, places)) & dots).T] = (*ABOVE, 255)
        return drawn

    def _places(self, affine: Affine, shape: tuple[int, int], number: int) -> npt.NDArray[np.intp]:
        """The voxel of the overlay that is nearest to each pixel of a slice: (3, i, j)."""
        to_own = np.linalg.inv(self.affine) @ affine
        i, j = np.indices(shape)
        pixels = np.stack([i, j, np.full(shape, number), np.ones(shape)]).reshape(4, -1)
        places: npt.NDArray[np.intp] = np.rint(to_own[:3] @ pixels).astype(np.intp).reshape(3, *shape)
        return places


def overlay_of(judgement: Judgement, view: View) -> Overlay:
    """What the picture of a judgement draws, of the whole volume."""
    shown = dominant(judgement, view)
    doubtful = np.zeros(view.image.shape, np.bool_)
    if shown is not None:
        doubtful = np.asarray(view.heat[shown.name] >= _DOUBTFUL * heat_top(view, shown)) & view.region
    return Overlay(outlined=view.outlined, doubtful=doubtful, affine=view.affine)


def pack(overlay: Overlay) -> bytes:
    """As a file of two bits a voxel, compressed; empty where there is nothing to draw, or too much to keep."""
    masks = np.stack([overlay.outlined, overlay.doubtful])
    if not masks.any() or overlay.outlined.size > _VOXELS_MAX:
        return b""
    stream = BytesIO()
    np.savez(stream, bits=np.packbits(masks), shape=overlay.outlined.shape, affine=overlay.affine)
    return zlib.compress(stream.getvalue(), level=1)  # a series waits for it


def unpack(content: bytes) -> Overlay:
    """What ``pack`` packed.

    Raises:
        ValueError: it is something else.
    """
    try:
        with np.load(BytesIO(zlib.decompress(content)), allow_pickle=False) as kept:
            shape = tuple(int(side) for side in kept["shape"])
            masks = np.unpackbits(kept["bits"], count=2 * int(np.prod(shape))).astype(np.bool_).reshape(2, *shape)
            return Overlay(outlined=masks[0], doubtful=masks[1], affine=kept["affine"])
    except (OSError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise ValueError(f"no overlay ({type(error).__name__})") from error


def _at(mask: Mask, places: npt.NDArray[np.intp]) -> Mask:
    """The mask at these places (3, ...); false outside of it."""
    inside = np.all([(place >= 0) & (place < side) for place, side in zip(places, mask.shape, strict=True)], axis=0)
    found: Mask = mask[tuple(np.where(inside, place, 0) for place in places)] & inside
    return found


def _border(mask: Mask) -> Mask:
    inner: Mask = binary_erosion(mask)
    return mask & ~inner
