"""The colours of the summary picture, safe for colour-blind eyes and dark rooms.

Each verdict has a colour and a symbol; the four colours stay apart in all three kinds of colour blindness, and the
text on them has at least the contrast that WCAG 2.2 asks for (4.5). Heat is a scale of equal steps in Oklab
(Ottosson 2020): twice the variance looks twice as far from nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from daemon.core.values import State

Colour = tuple[int, int, int]

BACKGROUND: Final[Colour] = (14, 18, 22)
PANEL: Final[Colour] = (24, 30, 36)
TEXT: Final[Colour] = (232, 236, 240)
QUIET_TEXT: Final[Colour] = (160, 170, 180)
WITHIN: Final[Colour] = (120, 164, 204)
ABOVE: Final[Colour] = (255, 128, 82)
OUTLINE: Final[Colour] = (64, 214, 255)


@dataclass(frozen=True, slots=True)
class Band:
    """The band of one verdict: its ground and the text on it."""

    ground: Colour
    text: Colour


BANDS: Final[Mapping[State, Band]] = MappingProxyType(
    {
        State.ACCEPT: Band((0, 122, 94), (255, 255, 255)),
        State.REVIEW: Band((245, 184, 46), (26, 18, 0)),
        State.RESCAN: Band((168, 24, 32), (255, 255, 255)),
        State.NOT_ASSESSED: Band((92, 104, 116), (255, 255, 255)),
    }
)

#: From dark violet over red to pale yellow: lightness, chroma and hue (degrees) in Oklch.
_HEAT_STOPS: Final = (
    (0.30, 0.12, 300.0),
    (0.48, 0.17, 350.0),
    (0.65, 0.17, 400.0),
    (0.80, 0.15, 430.0),
    (0.94, 0.11, 460.0),
)
_HEAT_STEPS: Final = 256

#: Below it the transfer function of sRGB is a straight line (IEC 61966-2-1).
_KNEE: Final = 0.0031308

# Oklab to the cube roots of the cone responses, and cone responses to linear sRGB (Ottosson 2020).
_LAB_TO_CONES: Final = np.array(
    [[1.0, 0.3963377774, 0.2158037573], [1.0, -0.1055613458, -0.0638541728], [1.0, -0.0894841775, -1.2914855480]]
)
_CONES_TO_RGB: Final = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def heat(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Colours (..., 3) of ``values`` (...) in 0 to 1; below and above take the ends."""
    index = np.clip(np.rint(values * (_HEAT_STEPS - 1)), 0, _HEAT_STEPS - 1).astype(np.intp)
    colours: npt.NDArray[np.uint8] = _heat_table()[index]
    return colours


@cache
def _heat_table() -> npt.NDArray[np.uint8]:
    """256 colours at equal distances along the curve through the stops, uint8 (256, 3)."""
    lightness, chroma, hue = (_through(stop) for stop in zip(*_HEAT_STOPS, strict=True))
    angle = np.deg2rad(hue)
    curve = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    even = np.linspace(0, travelled[-1], _HEAT_STEPS)
    lab = np.stack([np.interp(even, travelled, axis) for axis in curve.T], axis=1)
    linear = np.clip((lab @ _LAB_TO_CONES.T) ** 3 @ _CONES_TO_RGB.T, 0, 1)
    encoded = np.where(linear <= _KNEE, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    table: npt.NDArray[np.uint8] = np.rint(255 * encoded).astype(np.uint8)
    table.flags.writeable = False
    return table


def _through(stops: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """A fine polyline through the stops."""
    return np.interp(np.linspace(0, 1, 4096), np.linspace(0, 1, len(stops)), stops)
