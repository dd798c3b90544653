"""Words on the picture, in Pillow's own font: no font file is needed and every machine draws the same."""

from dataclasses import dataclass
from functools import cache
from typing import Final, cast

from PIL import ImageDraw, ImageFont

from daemon.dicom.report.picture.palette import BACKGROUND, TEXT, Colour

_ELLIPSIS: Final = "..."
#: A bold letter is a regular one with an outline of this share of its size.
_BOLDNESS: Final = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a line is written; ``anchor`` as Pillow has it, the left end of the baseline unless told."""

    size: int
    colour: Colour = TEXT
    bold: bool = False
    anchor: str = "ls"


def write(pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, style: Style) -> None:
    """Write one line of ``text``."""
    stroke = round(style.size / _BOLDNESS) if style.bold else 0
    font = _font(style.size)
    pen.text(place, text, fill=style.colour, font=font, anchor=style.anchor, stroke_width=stroke)


def write_over(pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, style: Style) -> None:
    """Write one line over an image, with a dark edge around each letter."""
    font = _font(style.size)
    pen.text(place, text, style.colour, font, style.anchor, stroke_width=2, stroke_fill=BACKGROUND)


def width_of(text: str, size: int) -> float:
    """The width of one line in pixels."""
    return _font(size).getlength(text)


def wrap(text: str, size: int, width: float, lines: int) -> list[str]:
    """``text`` in at most ``lines`` lines of ``width`` pixels; what does not fit ends in three full stops."""
    wrapped: list[str] = [""]
    for word in text.split():
        longer = f"{wrapped[-1]} {word}".strip()
        if width_of(longer, size) <= width or not wrapped[-1]:
            wrapped[-1] = longer
        else:
            wrapped.append(word)
    kept = wrapped[:lines]
    if len(wrapped) > lines:
        kept[-1] += _ELLIPSIS
    return [fit(line, size, width) for line in kept]


def fit(text: str, size: int, width: float) -> str:
    """``text`` cut to ``width`` pixels, with three full stops where something is missing."""
    if width_of(text, size) <= width:
        return text
    kept = text.removesuffix(_ELLIPSIS)
    while kept and width_of(kept + _ELLIPSIS, size) > width:
        kept = kept[:-1]
    return kept.rstrip() + _ELLIPSIS


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # Pillow falls back to a bitmap font, of one size, only where it was built without FreeType: no wheel is
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size=size))
