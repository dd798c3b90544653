"""The measures of a series beside what is usual of its protocol: a band for the usual range, a mark for this series."""

from dataclasses import replace
from math import isfinite, log
from typing import Final

from PIL import ImageDraw

from daemon.core.judging.unusual import learning_of
from daemon.core.measures import Assessment, Measure
from daemon.core.people.translation import Say
from daemon.dicom.report.picture.charts import Frame, draw_bars
from daemon.dicom.report.picture.lettering import Style, fit, legible, write
from daemon.dicom.report.picture.palette import ABOVE, PANEL, QUIET_TEXT, TEXT, WITHIN
from models.manifest import Manifest
from models.past import Past

#: The usual range is a third of the width; what is further than three times as far from its middle stands at the end.
_BAND: Final = 1 / 3
_MOST: Final = 9
_BAR: Final = 16
_TITLE: Final = Style(size=26)
_LABEL: Final = Style(size=20)
_VALUE: Final = Style(size=20, colour=QUIET_TEXT, anchor="rs")
_NOTE: Final = Style(size=18, colour=QUIET_TEXT, anchor="ms")


def draw_measures(pen: ImageDraw.ImageDraw, frame: Frame, assessment: Assessment, manifest: Manifest, say: Say) -> None:
    """The measures as their bundle compares them: beside what is usual of the protocol, or in multiples of limits."""
    if manifest.past is None:
        draw_bars(pen, frame, assessment, manifest, say)
    else:
        draw_usual(pen, frame, assessment, manifest.past, say)


def draw_usual(pen: ImageDraw.ImageDraw, frame: Frame, assessment: Assessment, past: Past, say: Say) -> None:
    """A line for each measure that is compared; without a past, their values alone."""
    write(pen, (frame.left, frame.top + 24), say("Measures"), _TITLE)
    rows = [one for one in assessment.measures if one.name in past.signals and not one.at][:_MOST]
    step = (frame.height - 70) // _MOST
    for number, measure in enumerate(rows):
        place = Frame(frame.left, frame.top + 40 + number * step, frame.width, step)
        _draw_row(pen, place, measure, past, say)
    note = say(learning_of(assessment.learning) if assessment.learning else "bands: usual of this protocol")
    place_of_note = (frame.left + frame.width / 2, frame.top + 58 + len(rows) * step)
    write(pen, place_of_note, fit(legible(note), 18, frame.width), _NOTE)


def _draw_row(pen: ImageDraw.ImageDraw, frame: Frame, measure: Measure, past: Past, say: Say) -> None:
    off = offset(measure, ratio=past.signals[measure.name].ratio)
    apart = off is not None and abs(off) > 1 and (measure.score or 0) > 0
    right, top, baseline = frame.left + frame.width, frame.top + 24, frame.top + 18
    value = _text(measure, past) if isfinite(measure.value) else say("no value")
    room = frame.width - 12 * len(value) - 10
    label = replace(_LABEL, colour=ABOVE) if apart else _LABEL
    word = legible(say(past.signals[measure.name].word))
    write(pen, (frame.left, baseline), fit(word, _LABEL.size, room), label)
    write(pen, (right, baseline), value, replace(_VALUE, colour=ABOVE) if apart else _VALUE)
    pen.rectangle((frame.left, top, right, top + _BAR), fill=PANEL)
    if off is None:
        return
    middle, half = frame.left + frame.width / 2, frame.width * _BAND / 2
    pen.rectangle((middle - half, top, middle + half, top + _BAR), fill=WITHIN)
    mark = middle + max(-1.0, min(1.0, off * _BAND)) * (frame.width / 2 - 4)
    pen.rectangle((mark - 4, top - 3, mark + 4, top + _BAR + 3), fill=ABOVE if apart else TEXT)


def offset(measure: Measure, *, ratio: bool) -> float | None:
    """How far a value lies from the middle of its usual range, in halves of it; None without a range or a value."""
    if measure.usual is None or not isfinite(measure.value):
        return None
    low, high = measure.usual
    value = measure.value
    if ratio and min(low, value) > 0:
        low, high, value = log(low), log(high), log(value)
    half = (high - low) / 2
    if half > 0:
        return (value - (low + high) / 2) / half
    return 0.0 if value == low else float("inf") if value > low else float("-inf")


def _text(measure: Measure, past: Past) -> str:
    if measure.median is not None and past.signals[measure.name].ratio and measure.median > 0:
        return f"{measure.value / measure.median:.2g}x"
    return f"{measure.value:.2g}"
