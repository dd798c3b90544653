"""One symbol a verdict, told apart by shape alone: a tick, an exclamation mark, a circular arrow, a question mark."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from PIL import Image, ImageDraw

from daemon.core.values import State
from daemon.dicom.report.picture.palette import Band, Colour

_OVERSAMPLING: Final = 4

Pen = Callable[[ImageDraw.ImageDraw, float, Colour], None]


def draw_symbol(state: State, band: Band, side: int) -> Image.Image:
    """The symbol of ``state`` in a disc of the text's colour on the band's ground, RGB (side, side)."""
    size = side * _OVERSAMPLING
    picture = Image.new("RGB", (size, size), band.ground)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((0, 0, size - 1, size - 1), fill=band.text)
    _PENS[state](pen, size, band.ground)
    return picture.resize((side, side), Image.Resampling.LANCZOS)


def _tick(pen: ImageDraw.ImageDraw, size: float, colour: Colour) -> None:
    corners = [(0.26 * size, 0.53 * size), (0.43 * size, 0.70 * size), (0.75 * size, 0.33 * size)]
    pen.line(corners, fill=colour, width=round(0.11 * size), joint="curve")
    _round_ends(pen, (corners[0], corners[-1]), 0.055 * size, colour)


def _exclamation(pen: ImageDraw.ImageDraw, size: float, colour: Colour) -> None:
    pen.rounded_rectangle((0.44 * size, 0.20 * size, 0.56 * size, 0.60 * size), radius=0.06 * size, fill=colour)
    pen.ellipse((0.43 * size, 0.67 * size, 0.57 * size, 0.81 * size), fill=colour)


def _again(pen: ImageDraw.ImageDraw, size: float, colour: Colour) -> None:
    """Most of a circle, clockwise, with an arrow head at its end on top."""
    radius, width, head = 0.29 * size, 0.10 * size, 0.15 * size
    middle = size / 2
    box = (middle - radius, middle - radius, middle + radius, middle + radius)
    pen.arc(box, start=0, end=270, fill=colour, width=round(width))
    line = middle - radius + width / 2
    pen.polygon([(middle - 1, line - head), (middle - 1, line + head), (middle + 1.3 * head, line)], fill=colour)


def _question(pen: ImageDraw.ImageDraw, size: float, colour: Colour) -> None:
    width = round(0.11 * size)
    pen.arc((0.33 * size, 0.20 * size, 0.67 * size, 0.54 * size), start=180, end=450, fill=colour, width=width)
    pen.rounded_rectangle((0.445 * size, 0.44 * size, 0.555 * size, 0.63 * size), radius=0.05 * size, fill=colour)
    pen.ellipse((0.43 * size, 0.68 * size, 0.57 * size, 0.82 * size), fill=colour)


def _round_ends(
    pen: ImageDraw.ImageDraw, points: tuple[tuple[float, float], ...], radius: float, colour: Colour
) -> None:
    for x, y in points:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


_PENS: Final[Mapping[State, Pen]] = MappingProxyType(
    {
        State.ACCEPT: _tick,
        State.REVIEW: _exclamation,
        State.RESCAN: _again,
        State.NOT_ASSESSED: _question,
    }
)
