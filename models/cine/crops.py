"""Crops about the heart, as the network takes them: 192 mm of 1.5 mm pixels, each slice beside its neighbours."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.cine.frame import Cine

FloatArray = npt.NDArray[np.float32]

#: Side of a crop in pixels, the side of a pixel, and how far away a neighbouring slice was in training, in mm.
CROP, PIXEL_MM, GAP_MM = 128, 1.5, 10.0
#: Motion is smoothed by so much, and looked for nearer the middle: deviation as a share of half the image.
_SMOOTH_MM, _CENTRAL = 9.0, 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """Where the crop's pixels lie in an image: ``rows`` (CROP, X) and ``columns`` (CROP, Y) weigh its pixels.

    ``centre``: the crop's middle, in the image's pixels.
    """

    rows: FloatArray
    columns: FloatArray
    centre: tuple[float, float]

    def crop(self, images: FloatArray) -> FloatArray:
        """Images (..., X, Y) -> (..., CROP, CROP); zero beyond their edge."""
        return np.asarray(self.rows @ images @ self.columns.T, np.float32)

    def place(self, x: float, y: float, pixel_mm: tuple[float, float]) -> tuple[float, float]:
        """A place in the crop as one in the image, in pixels of each."""
        middle = (CROP - 1) / 2
        along, across = (self.centre[n] + (v - middle) * PIXEL_MM / pixel_mm[n] for n, v in enumerate((x, y)))
        return along, across


def window(cine: Cine, centre: tuple[float, float]) -> Window:
    """The crop about a place in the pixels of a cine; moved by half a pixel at most, so that equal pixels coincide."""
    centre = (np.floor(centre[0]) + 0.5, np.floor(centre[1]) + 0.5)
    rows, columns = (_weights(n, c, mm) for n, c, mm in zip(cine.frames.shape[1:3], centre, cine.pixel_mm, strict=True))
    return Window(rows=rows, columns=columns, centre=centre)


def _weights(length: int, centre: float, pixel_mm: float) -> FloatArray:
    """Linear interpolation at the crop's pixels; where they are larger than the image's, a mean over their extent."""
    places = centre + (np.arange(CROP) - (CROP - 1) / 2) * PIXEL_MM / pixel_mm
    width = max(1.0, PIXEL_MM / pixel_mm)
    weights = np.maximum(0, 1 - np.abs(np.arange(length)[None] - places[:, None]) / width)
    total = weights.sum(axis=1, keepdims=True)
    beyond = np.abs(places - (length - 1) / 2) > length / 2
    return np.where(beyond[:, None], 0, weights / np.maximum(total, 1e-6)).astype(np.float32)


def moving_centre(cine: Cine) -> tuple[float, float]:
    """Where a cine moves, in its pixels: the heart's centre, without a network."""
    count = cine.frames.shape[3]
    third = count // 3
    middle = cine.frames[:, :, :, third : max(third + 1, count - third)]
    motion = middle.std(axis=0).mean(axis=2)
    smooth = ndimage.gaussian_filter(motion, [_SMOOTH_MM / mm for mm in cine.pixel_mm])
    x, y = (np.linspace(-1, 1, n) for n in smooth.shape)
    likely = smooth * np.exp(-(x[:, None] ** 2 + y[None] ** 2) / _CENTRAL)
    pieces, _ = ndimage.label(likely > 0.5 * likely.max())
    peak = pieces == pieces[np.unravel_index(int(likely.argmax()), likely.shape)]
    first, second = ndimage.center_of_mass(likely, peak, 1)
    return float(first), float(second)


def network_input(crops: FloatArray, gap_mm: float) -> FloatArray:
    """Slices (k, CROP, CROP) of one frame -> (k, 3, CROP, CROP): about 10 mm before, the slice, about 10 mm after.

    Each by the mean and deviation of its own middle slice. Beyond the ends a slice is its own neighbour.
    """
    last, step = len(crops) - 1, max(1, round(GAP_MM / max(gap_mm, 1e-3)))
    numbers = np.arange(last + 1)
    near = np.stack([np.maximum(0, numbers - step), numbers, np.minimum(last, numbers + step)], axis=1)
    mean = crops.mean(axis=(1, 2))[:, None, None, None]
    deviation = crops.std(axis=(1, 2))[:, None, None, None] + 1e-3
    return np.asarray((crops[near] - mean) / deviation, np.float32)
