"""Words on the picture, in a font that ships with it (Liberation Sans, OFL 1.1): every machine draws the same."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Final

from PIL import ImageDraw, ImageFont

from daemon.dicom.report.picture.palette import BACKGROUND, TEXT, Colour
from daemon.dicom.text import plain

_ELLIPSIS: Final = "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a line is written; ``anchor`` as Pillow has it, the left end of the baseline unless told."""

    size: int
    colour: Colour = TEXT
    bold: bool = False
    anchor: str = "ls"


def write(pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, style: Style) -> None:
    """Write one line of ``text``."""
    pen.text(place, text, fill=style.colour, font=_font(style.size, style.bold), anchor=style.anchor)


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


def legible(text: str, limit: int = 64) -> str:
    """``text`` on one line, at most ``limit`` characters: those that the font has, others in ASCII or not at all."""
    return " ".join("".join(c if _has(c) else plain(c) or " " for c in text).split())[:limit].rstrip()


@cache
def _has(character: str) -> bool:
    """Whether the font has a glyph of its own for it."""
    return character.isprintable() and bytes(_font(20).getmask(character)) != bytes(_font(20).getmask(_UNKNOWN))


#: No character (Unicode 3.4, D14): every font draws its mark of a missing glyph.
_UNKNOWN: Final = "\uffff"


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:  # noqa: FBT001, FBT002 - cached by position
    return ImageFont.truetype(BytesIO(_face("Bold" if bold else "Regular")), size)


@cache
def _face(name: str) -> bytes:
    return files("daemon.dicom.report.picture").joinpath("font", f"LiberationSans-{name}.ttf").read_bytes()
