"""One symbol a verdict, told apart by shape alone: the page's own.

A tick in a circle, an exclamation mark in a triangle, a cross in an octagon, a dash in a broken square. Coordinates are
those of the page's drawings (``edge/web/static/index.html``): a square of 64 units, strokes of 6.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from daemon.core.values import State
from daemon.dicom.report.picture.palette import Band

_OVERSAMPLING: Final = 4
_UNITS: Final = 64
_STROKE: Final = 6.0
_DOT: Final = 4.0

Points = Sequence[tuple[float, float]]


def draw_symbol(state: State, band: Band, side: int) -> Image.Image:
    """The symbol of ``state`` in the colour of the band's text on its ground, RGB (side, side)."""
    size = side * _OVERSAMPLING
    picture = Image.new("RGB", (size, size), band.ground)
    pen = ImageDraw.Draw(picture)
    scale = size / _UNITS
    for stroke in _STROKES[state]:
        _draw(pen, [(x * scale, y * scale) for x, y in stroke], scale, band)
    return picture.resize((side, side), Image.Resampling.LANCZOS)


def _draw(pen: ImageDraw.ImageDraw, points: Points, scale: float, band: Band) -> None:
    """One stroke with round ends and corners; a single point is a dot."""
    width = _STROKE * scale
    if len(points) > 1:
        pen.line([*points], fill=band.text, width=round(width))
    radius = width / 2 if len(points) > 1 else _DOT * scale
    for x, y in points:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=band.text)


def _circle(x: float, y: float, radius: float) -> Points:
    turns = [2 * np.pi * step / _CORNERS for step in range(_CORNERS + 1)]
    return [(x + radius * float(np.cos(turn)), y + radius * float(np.sin(turn))) for turn in turns]


def _broken_square(near: float, far: float, dash: float, gap: float) -> Sequence[Points]:
    """The sides of a square in dashes."""
    sides = [
        ((near, near), (far, near)),
        ((far, near), (far, far)),
        ((far, far), (near, far)),
        ((near, far), (near, near)),
    ]
    return [part for start, end in sides for part in _dashes(start, end, dash, gap)]


def _dashes(start: tuple[float, float], end: tuple[float, float], dash: float, gap: float) -> Sequence[Points]:
    (x0, y0), (x1, y1) = start, end
    length = abs(x1 - x0) + abs(y1 - y0)
    across, down = (x1 - x0) / length, (y1 - y0) / length
    begins = np.arange(0.0, length, dash + gap)
    ends = np.minimum(begins + dash, length)
    return [
        [(x0 + across * a, y0 + down * a), (x0 + across * b, y0 + down * b)]
        for a, b in zip(map(float, begins), map(float, ends), strict=True)
    ]


_CORNERS: Final = 48
_STROKES: Final[Mapping[State, Sequence[Points]]] = MappingProxyType(
    {
        State.ACCEPT: (_circle(32, 32, 27), [(19, 33), (28.5, 42.5), (46, 23.5)]),
        State.REVIEW: ([(32, 6), (60, 57), (4, 57), (32, 6)], [(32, 26), (32, 40)], [(32, 48.5)]),
        State.RESCAN: (
            [(21, 4), (43, 4), (60, 21), (60, 43), (43, 60), (21, 60), (4, 43), (4, 21), (21, 4)],
            [(22, 22), (42, 42)],
            [(42, 22), (22, 42)],
        ),
        State.NOT_ASSESSED: (*_broken_square(6, 58, 13, 9.7), [(20, 32), (44, 32)]),
    }
)
