"""Three orthogonal slices of an image as pictures: anatomy, a thin outline, and a map of heat.

Slices are shown as radiologists see them: the patient's right on the left, anterior or superior on top.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import binary_erosion, gaussian_filter

from daemon.dicom.report.picture.palette import OUTLINE, heat
from models.preprocess import canonical, spacing_of

Picture = npt.NDArray[np.uint8]
Map = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Plane:
    """A cut across ``axis`` of a RAS volume, with the letters of its four sides (PS3.3, C.7.6.1.1.1)."""

    axis: int
    left: str
    right: str
    top: str
    bottom: str


AXIAL: Final = Plane(2, "R", "L", "A", "P")
CORONAL: Final = Plane(1, "R", "L", "S", "I")
SAGITTAL: Final = Plane(0, "A", "P", "S", "I")
PLANES: Final = (AXIAL, CORONAL, SAGITTAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One cut as it is shown, arrays (rows, columns).

    ``grey``: float32, how bright, 0 to 1; ``region``: bool, what was segmented; ``outlined``: bool, the structure
    whose border is drawn; ``warmth``: float32, how hot, 0 to 1. ``spacing``: mm between columns and between rows; the
    square of ``field_mm`` about the point ``middle`` (column, row) is shown.
    """

    plane: Plane
    grey: Map
    region: Mask
    outlined: Mask
    warmth: Map
    spacing: tuple[float, float]
    middle: tuple[float, float]
    field_mm: float


def compose_slices(
    image: Map,
    affine: npt.NDArray[np.float64],
    *,
    region: Mask | None = None,
    outlined: Mask | None = None,
    warmth: Map | None = None,
) -> tuple[Slice, ...]:
    """The three slices of an ``image`` (i, j, k) with ``affine`` to RAS mm, and of what is known on the same grid.

    ``region``: what was segmented; the slices go through it and show it with a margin, or all where it is empty.
    """
    grey, turned = canonical(image, affine)
    spacing = spacing_of(turned)
    nothing = np.broadcast_to(np.False_, image.shape)  # of any size, without memory
    found = canonical(nothing if region is None else region, affine)[0]
    drawn = canonical(nothing if outlined is None else outlined, affine)[0]
    hot = canonical(nothing if warmth is None else warmth, affine)[0]
    view = _find_view(found, drawn, spacing)
    black, white = _window(grey, found, view)

    def cut(plane: Plane) -> Slice:
        across, down = (axis for axis in range(3) if axis != plane.axis)
        at = view.centre[plane.axis]
        shown = _cut(found, plane, at)
        return Slice(
            plane=plane,
            grey=_between(_cut(grey, plane, at), black, white),
            region=shown | view.whole,
            outlined=_cut(drawn, plane, at),
            warmth=gaussian_filter(_between(_cut(hot, plane, at), 0, 1), _SMOOTHING),
            spacing=(float(spacing[across]), float(spacing[down])),
            middle=(shown.shape[1] - 1 - view.middle[across], shown.shape[0] - 1 - view.middle[down]),
            field_mm=view.field_mm,
        )

    return tuple(cut(plane) for plane in PLANES)


#: Voxels: variances come on a grid of half the resolution, whose blocks would show.
_SMOOTHING: Final = 1.0
#: What is shown around the region: its surroundings, and enough air to see in it what does not belong there.
_MARGIN_MM: Final = 30.0


@dataclass(frozen=True, slots=True)
class _View:
    """Where the planes meet (voxel), about which point how much is shown, and whether that is the whole volume."""

    centre: tuple[int, ...]
    middle: tuple[float, ...]
    field_mm: float
    whole: bool


def _find_view(region: Mask, outlined: Mask, spacing: npt.NDArray[np.float64]) -> _View:
    """The region with a margin, cut where most of the outlined structure is seen; all of a volume without a region."""
    shape = np.asarray(region.shape)
    if not region.any():
        middle = (shape - 1) / 2
        return _View(tuple(middle.astype(int)), tuple(middle), float(np.max(shape * spacing)), whole=True)
    profiles = [_profile(region, axis) for axis in range(3)]
    low, high = np.array([np.flatnonzero(profile)[[0, -1]] for profile in profiles], float).T
    centre = tuple(_fullest(_profile(outlined, axis), low[axis], high[axis]) for axis in range(3))
    extent_mm = float(((high - low + 1) * spacing).max())
    return _View(centre, tuple((low + high) / 2), extent_mm + 2 * _MARGIN_MM, whole=False)


def _profile(mask: Mask, axis: int) -> npt.NDArray[np.intp]:
    """How much of the mask each slice across ``axis`` shows."""
    return np.asarray(np.count_nonzero(mask, axis=tuple(a for a in range(3) if a != axis)))


def _fullest(profile: npt.NDArray[np.intp], low: float, high: float) -> int:
    """The slice that shows most, of the middle fifth between ``low`` and ``high``."""
    first, last = round(0.6 * low + 0.4 * high), round(0.4 * low + 0.6 * high)
    return first + int(profile[first : last + 1].argmax())


#: The quantile of all intensities that becomes black.
_BLACK: Final = 0.01


@dataclass(frozen=True, slots=True)
class _White:
    """Which quantile of the bright voxels, and how many times it, becomes white."""

    quantile: float
    headroom: float


#: A region stays in the middle greys, where a line on it is seen; a whole image has fat that is far brighter.
_WHITE_OF_REGION: Final = _White(0.99, 1.4)
_WHITE_OF_WHOLE: Final = _White(0.96, 1.0)


def _window(image: Map, region: Mask, view: _View) -> tuple[float, float]:
    """The intensities that become black and white, from a coarse sample."""
    coarse = tuple(slice(None, None, max(1, n // 64)) for n in image.shape)
    sample = np.nan_to_num(image[coarse], posinf=0.0, neginf=0.0).astype(np.float64)
    white = _WHITE_OF_WHOLE if view.whole else _WHITE_OF_REGION
    bright = sample[(region[coarse] | view.whole) & (sample > sample.mean())]
    black = float(np.quantile(sample, _BLACK))
    return black, float(np.quantile(bright, white.quantile)) * white.headroom if bright.size else black


def _cut(volume: npt.NDArray[Any], plane: Plane, at: int) -> npt.NDArray[Any]:
    """The slice as it is shown: of the axes that are left, the first from right to left, the second upwards."""
    cut: npt.NDArray[Any] = np.take(volume, at, axis=plane.axis)[::-1, ::-1].T
    return cut


def _between(values: npt.NDArray[Any], black: float, white: float) -> Map:
    """0 at ``black``, 1 at ``white``; 0 for what is no number."""
    finite = np.nan_to_num(values, posinf=0.0, neginf=0.0).astype(np.float64)
    scaled: Map = np.clip((finite - black) / ((white - black) or 1.0), 0, 1).astype(np.float32)
    return scaled


class Panel:
    """One slice as it is drawn: a square of ``side`` pixels."""

    def __init__(self, cut: Slice, side: int) -> None:
        self.plane, self._cut, self._side = cut.plane, cut, side
        self._grey = self._magnified(cut.grey)

    def anatomy(self) -> Picture:
        """The slice in grey with the structure's border, uint8 (side, side, 3)."""
        border = _border(self._magnified(self._cut.outlined) > _HALF)
        return _painted(self._grey, border, np.asarray(OUTLINE) / 255, np.asarray(_OUTLINE_OPACITY))

    def heat(self) -> Picture:
        """The slice in grey under the map of heat, uint8 (side, side, 3)."""
        inside = self._magnified(self._cut.region) > _HALF
        warmth = self._magnified(self._cut.warmth)[inside]
        return _painted(self._grey, inside, heat(warmth).astype(np.float32) / 255, heat_opacity(warmth)[:, None])

    def _magnified(self, values: npt.NDArray[Any]) -> Map:
        """The square of the slice that is shown, float32 (side, side) times the oversampling, zero outside."""
        cut, size = self._cut, self._side * _OVERSAMPLING
        width, height = (cut.field_mm / spacing for spacing in cut.spacing)
        left, top = (middle + 0.5 - extent / 2 for middle, extent in zip(cut.middle, (width, height), strict=True))
        margin = ceil(max(0.0, -left, -top, left + width - values.shape[1], top + height - values.shape[0]))
        around = Image.fromarray(np.pad(np.asarray(values, np.float32), margin))
        box = (left + margin, top + margin, left + margin + width, top + margin + height)
        return np.asarray(around.resize((size, size), Image.Resampling.BICUBIC, box), np.float32)


def heat_opacity(warmth: Map) -> Map:
    """How much of the anatomy the heat covers: nothing at 0, never all."""
    opacity: Map = np.clip(warmth / _FULL_OPACITY_AT, 0, 1) * _HEAT_OPACITY
    return opacity


_HALF: Final = 0.5
_OUTLINE_OPACITY: Final = 0.9
_HEAT_OPACITY: Final = np.float32(0.65)
_FULL_OPACITY_AT: Final = np.float32(0.3)
#: Slices are drawn larger and then reduced, for smooth lines.
_OVERSAMPLING: Final = 2
_BLOCK: Final = (_OVERSAMPLING, _OVERSAMPLING)


def _border(mask: Mask) -> Mask:
    inner: Mask = binary_erosion(mask, iterations=_OVERSAMPLING)
    return mask & ~inner


def _painted(grey: Map, where: Mask, colours: npt.NDArray[Any], opacity: npt.NDArray[Any]) -> Picture:
    """The oversampled ``grey`` (0 to 1) under ``colours`` (pixels, 3) at the pixels ``where``, reduced."""
    mixed = grey[where][:, None] * (1 - opacity) + colours * opacity
    return np.stack([_reduced(grey, where, channel) for channel in mixed.T], axis=-1)


def _reduced(grey: Map, where: Mask, colour: npt.NDArray[Any]) -> Picture:
    """One channel of the picture: means of blocks."""
    channel = grey.copy()
    channel[where] = colour
    blocks = sum(channel[row::_OVERSAMPLING, column::_OVERSAMPLING] for row, column in np.ndindex(_BLOCK))
    picture: Picture = np.rint(np.clip(blocks / np.float32(_OVERSAMPLING**2), 0, 1) * 255).astype(np.uint8)
    return picture
