"""The numbers beside the slices: measures against their limits, volumes, and what the heat's colours mean."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from daemon.core.measures import Assessment, Measure, nearness, ratio
from daemon.core.people.translation import Say
from daemon.dicom.report.picture.lettering import Style, fit, legible, width_of, write
from daemon.dicom.report.picture.palette import ABOVE, BACKGROUND, PANEL, QUIET_TEXT, TEXT, WITHIN, heat
from daemon.dicom.report.picture.slices import heat_opacity
from models.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle of the picture, in pixels."""

    left: int
    top: int
    width: int
    height: int


#: The reference limit stands here, in shares of the bar's width; a bar is full at the inverse of it.
_LIMIT_AT: Final = 0.5
_BAR: Final = 18
_TITLE: Final = Style(size=26)
_LABEL: Final = Style(size=22)
_VALUE: Final = Style(size=22, colour=QUIET_TEXT, anchor="rs")
_ALARM: Final = Style(size=22, colour=ABOVE)
_NOTE: Final = Style(size=18, colour=QUIET_TEXT, anchor="ms")


def draw_bars(pen: ImageDraw.ImageDraw, frame: Frame, assessment: Assessment, manifest: Manifest, say: Say) -> None:
    """A bar for each cause, or else each measure, in multiples of its reference limit, which is the vertical line."""
    bars = bars_of(assessment, manifest, say)
    write(pen, (frame.left, frame.top + 24), say("Artefacts" if manifest.causes else "Measures"), _TITLE)
    step = (frame.height - 70) // max(len(bars), _FEWEST)
    top, bottom = frame.top + 40, frame.top + 40 + step * len(bars)
    for row, (name, measure) in enumerate(bars.items()):
        _draw_bar(pen, Frame(frame.left, top + row * step, frame.width, step), name, measure, say)
    if all(ratio(measure) is None for measure in bars.values()):
        return
    limit = frame.left + round(_LIMIT_AT * frame.width)
    pen.line((limit, top + 34, limit, bottom - 8), fill=TEXT, width=2)
    write(pen, (limit, bottom + 14), say("reference limit"), _NOTE)


#: Bars have room of so many, and at most so many are drawn.
_FEWEST: Final = 5
_MOST: Final = 7


def bars_of(assessment: Assessment, manifest: Manifest, say: Say) -> dict[str, Measure | None]:
    """Words -> what the bar shows: of each cause its measure nearest to the limit, else what has a limit."""
    if not manifest.causes:
        nearest = {m.name: m for m in sorted(assessment.measures, key=nearness) if m.limit is not None}
        shown = sorted(nearest.values(), key=nearness)[-_MOST:]
        return {_placed(measure.name, measure, say): measure for measure in shown}
    found: dict[str, Measure | None] = {}
    for name, cause in manifest.causes.items():
        measures = [measure for measure in assessment.measures if measure.cause == name]
        nearest_one = max(measures, key=nearness, default=None)
        found[_placed(cause.word, nearest_one, say)] = nearest_one
    return dict(list(found.items())[:_MOST])


def _placed(word: str, measure: Measure | None, say: Say) -> str:
    """The word, and where it is so where the measure is of one place, counted from one."""
    places = zip(measure.axes, measure.at, strict=False) if measure else ()
    return legible(", ".join((say(word), *(f"{say(axis)} {index + 1}" for axis, index in places))))


def _draw_bar(pen: ImageDraw.ImageDraw, frame: Frame, name: str, measure: Measure | None, say: Say) -> None:
    above = measure is not None and measure.abnormal
    multiple = ratio(measure)
    right, top, baseline = frame.left + frame.width, frame.top + 34, frame.top + 25
    value, unlimited = _multiple_text(measure, multiple, say)
    name, value = _in_line(name, value, unlimited, frame.width)
    write(pen, (frame.left, baseline), name, _ALARM if above else _LABEL)
    write(pen, (right, baseline), value, replace(_ALARM, anchor="rs") if above else _VALUE)
    pen.rectangle((frame.left, top, right, top + _BAR), fill=PANEL)
    share = max(multiple or 0.0, 0.0) * _LIMIT_AT
    if share > 0:
        end = frame.left + min(share, 1) * frame.width
        pen.rectangle((frame.left, top, end, top + _BAR), fill=ABOVE if above else WITHIN)
    if share > 1:  # longer than there is room: broken near its end
        cut = right - 36
        pen.polygon([(cut, top + _BAR), (cut + 8, top), (cut + 14, top), (cut + 6, top + _BAR)], fill=BACKGROUND)


#: Pixels between a name and its value.
_GAP: Final = 10


def _in_line(name: str, value: str, unlimited: str, width: float) -> tuple[str, str]:
    """Both so that they do not meet: that there is no limit is left out first, then the end of the name."""
    size = _LABEL.size
    if width_of(name, size) + _GAP + width_of(value + unlimited, size) <= width:
        value += unlimited
    return fit(name, size, width - _GAP - width_of(value, size)), value


#: From here on the power of ten says enough.
_MANY: Final = 100.0


def _multiple_text(measure: Measure | None, multiple: float | None, say: Say) -> tuple[str, str]:
    """The value, and that it has no limit."""
    if multiple is not None:
        return f"{multiple:.1f}x" if abs(multiple) < _MANY else f"{multiple:+.0e}x", ""
    if measure is None or not isfinite(measure.value):
        return say("no value"), ""
    return f"{measure.value:.2g}", f", {say('no limit')}"


def draw_volumes(pen: ImageDraw.ImageDraw, frame: Frame, assessment: Assessment, say: Say) -> None:
    """The structures' volumes, one a line, as many as there is room for."""
    write(pen, (frame.left, frame.top + 24), say("Volumes"), _TITLE)
    room = (frame.height - 40) // _LINE
    found = sorted((one.name, one.volume_ml) for one in assessment.structures)
    volumes = [(name, volume) for name, volume in found if isfinite(volume)][:room]
    for row, (name, volume) in enumerate(volumes):
        baseline = frame.top + 62 + row * _LINE
        label = legible(say(name))
        write(pen, (frame.left, baseline), fit(label[:1].upper() + label[1:], _LABEL.size, frame.width - 110), _LABEL)
        text = f"{volume:.5g} ml" if abs(volume) >= _MANY_ML else f"{volume:.0f} ml"
        write(pen, (frame.left + frame.width, baseline), text, _VALUE)


_LINE: Final = 34
_MANY_ML: Final = 100_000


def draw_legend(picture: Image.Image, frame: Frame, top: float) -> None:
    """The heat's colours from nothing to ``top``, over the mid-grey of the anatomy."""
    ramp = np.linspace(0, 1, frame.width, dtype=np.float32)
    opacity = heat_opacity(ramp)[:, None]
    colours = heat(ramp) * opacity + np.float32(96) * (1 - opacity)
    strip = np.repeat(np.rint(colours).astype(np.uint8)[None], frame.height, axis=0)
    picture.paste(Image.fromarray(strip), (frame.left, frame.top))
    pen = ImageDraw.Draw(picture)
    middle = frame.top + frame.height / 2
    write(pen, (frame.left - 10, middle), "0", replace(_NOTE, anchor="rm"))
    write(pen, (frame.left + frame.width + 10, middle), f"{top:.2g}", replace(_NOTE, anchor="lm"))
