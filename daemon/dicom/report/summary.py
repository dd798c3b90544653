"""A verdict as a picture that any console shows: what to do is read from two metres, why from nearby.

The picture holds no identity text; the object around it is a Secondary Capture (PS3.3, A.8.1).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from highdicom import PhotometricInterpretationValues
from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from PIL import Image, ImageDraw
from pydicom import Dataset, config
from pydicom.sr.codedict import codes
from pydicom.uid import JPEGLSLossless

from daemon.core.people.translation import Say, Translation
from daemon.core.people.words import Language, verdict_words
from daemon.core.phrases import Phrase
from daemon.core.values import Judgement, ReportKind, ReportObject
from daemon.dicom.report.document import seal, series_attributes, source_of
from daemon.dicom.report.evidence import Evidence, Source
from daemon.dicom.report.picture.charts import Frame, draw_legend, draw_volumes
from daemon.dicom.report.picture.heat import dominant, heat_caption, heat_top
from daemon.dicom.report.picture.lettering import Style, fit, legible, width_of, wrap, write, write_over
from daemon.dicom.report.picture.palette import BACKGROUND, BANDS, QUIET_TEXT
from daemon.dicom.report.picture.slices import Panel, Picture, Plane, Slice, compose_slices
from daemon.dicom.report.picture.symbols import draw_symbol
from daemon.dicom.report.picture.usual import draw_measures
from daemon.dicom.text import plain
from models.findings import View
from models.manifest import Manifest
from models.subject import Image as Examined

#: Rows and columns of the picture.
HEIGHT: Final = 960
WIDTH: Final = 1280


def render_summary(
    judgement: Judgement,
    view: View | None = None,
    image: Examined | None = None,
    translation: Translation | None = None,
) -> Picture:
    """The picture of one verdict, uint8 RGB (960, 1280, 3), in English or in ``translation``, as the verdict is said.

    With a view: anatomy with a structure outlined, where the dominant measure comes from, and the numbers. With
    an image alone: the middle slices of its first volume. With neither: words.
    """
    say = (translation or Translation()).say
    picture = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    _draw_band(picture, judgement, say)
    if view is not None:
        _draw_view(picture, judgement, view, say)
    elif image is not None:
        _draw_image(picture, image)
    else:
        _draw_nothing(picture, say)
    _draw_footer(picture, judgement, say)
    return np.asarray(picture)


def build_summary(
    evidence: Evidence,
    judgement: Judgement,
    picture: Picture,
    *,
    recognizable: bool = True,
    language: Language = Language.ENGLISH,
) -> ReportObject:
    """``picture``, uint8 RGB (rows, columns, 3), as Secondary Capture in JPEG-LS: identical for identical arguments.

    ``recognizable`` is said in (0028,0302) Recognizable Visual Features: in a profile somebody can be recognised;
    ``language``: that in which the verdict is said.
    """
    with config.disable_value_validation():  # its warnings would quote UIDs of the source
        image = SCImage(
            pixel_array=picture,
            photometric_interpretation=PhotometricInterpretationValues.RGB,
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=("L", "P"),
            study_instance_uid=evidence.study_instance_uid,
            transfer_syntax_uid=JPEGLSLossless,
            **series_attributes(evidence, judgement, ReportKind.SUMMARY),
        )
        _describe(image, recognizable=recognizable)
        _place_in_body(image, evidence, judgement)
        _refer(image, evidence, f"{verdict_words(judgement.verdict, language)}. {judgement.verdict.action}")
        return seal(image, ReportKind.SUMMARY, evidence, judgement)


def _describe(image: SCImage, *, recognizable: bool) -> None:
    """What highdicom does not know about this picture (PS3.3, C.7.6.1, C.8.6.1)."""
    image.ImageType = ["DERIVED", "SECONDARY", "QC SUMMARY"]
    image.ConversionType = "SYN"
    image.BurnedInAnnotation = "NO"
    image.RecognizableVisualFeatures = "YES" if recognizable else "NO"
    image.LossyImageCompression = "00"
    image.PatientOrientation = []  # several slices, several orientations
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True  # encapsulated (PS3.5, A.4)


def _place_in_body(image: SCImage, evidence: Evidence, judgement: Judgement) -> None:
    """The source's body part; where none is said, that which was assessed; else truly unknown (PS3.3, C.7.3.1)."""
    assessed = judgement.manifest if judgement.assessment else None
    if body_part := evidence.body_part or (assessed.organ.body_part if assessed else None):
        image.BodyPartExamined = body_part
    else:
        image.Laterality = ""


def _refer(image: SCImage, evidence: Evidence, words: str) -> None:
    """Which series it is about: in words, and by its instances (PS3.3, C.7.6.1.1.4, C.12.2, C.12.4)."""
    image.ImageComments = plain(f"Scanside on {source_of(evidence)}: {words}", 1024)
    image.DerivationDescription = "Verdict on the source images, with some of their slices"
    whose = {evidence.series_instance_uid: evidence.sources, **evidence.joined}
    image.ReferencedSeriesSequence = [_series_item(uid, sources) for uid, sources in whose.items()]
    if evidence.matrix is not None:
        image.SourceImageSequence = [_source_item(source) for _, source in evidence.all_sources]


def _series_item(series_instance_uid: str, sources: Sequence[Source]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID, item.ReferencedInstanceSequence = series_instance_uid, list(map(_instance_item, sources))
    return item


def _source_item(source: Source) -> Dataset:
    item = _instance_item(source)
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)]
    return item


def _instance_item(source: Source) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.sop_class_uid, source.sop_instance_uid
    return item


_MARGIN: Final = 28
_BAND_HEIGHT: Final = 214
_SYMBOL: Final = _BAND_HEIGHT - 2 * _MARGIN
_WORDS_LEFT: Final = _MARGIN + _SYMBOL + 30


def _draw_band(picture: Image.Image, judgement: Judgement, say: Say) -> None:
    """Verdict, symbol and what to do, on the verdict's colour."""
    verdict, band = judgement.verdict, BANDS[judgement.verdict.state]
    picture.paste(band.ground, (0, 0, WIDTH, _BAND_HEIGHT))
    picture.paste(draw_symbol(verdict.state, band, _SYMBOL), (_MARGIN, _MARGIN))
    pen = ImageDraw.Draw(picture)
    word = Style(size=86, colour=band.text, bold=True)
    write(pen, (_WORDS_LEFT, 100), say(verdict.state.replace("_", " ")), word)
    for row, line in enumerate(_advice(judgement, say)):
        write(pen, (_WORDS_LEFT, 150 + 42 * row), line, Style(size=_ADVICE, colour=band.text))
    for row, mark in enumerate(_marks(judgement, say)):
        write(pen, (WIDTH - _MARGIN, 58 + 38 * row), mark, Style(size=30, colour=band.text, anchor="rs"))


def _marks(judgement: Judgement, say: Say) -> list[str]:
    """What qualifies the verdict."""
    context = judgement.context
    revised = [_revision(context.revision, say)] if context.revision > 1 else []
    return [mark.upper() for mark in (*([say("incomplete series")] if context.partial else []), *revised)]


def _revision(number: int, say: Say) -> str:
    return say(Phrase("revision {}", (str(number),)))


_ADVICE: Final = 36


def _advice(judgement: Judgement, say: Say) -> list[str]:
    """Cause and action in plain words: a line each where both fit, else two lines for both."""
    verdict = judgement.verdict
    cause = legible(say(judgement.causes[verdict.cause].sentence)) if verdict.cause else ""
    action = legible(verdict.action, 400)
    room = WIDTH - _WORDS_LEFT - _MARGIN
    if cause and width_of(action, _ADVICE) <= room:
        return [cause, action]
    return wrap(f"{cause} {action}", _ADVICE, room, 2)


_PANEL: Final = 296
_GAP: Final = 10
_CAPTION: Final = 34
_FIRST_ROW: Final = _BAND_HEIGHT + 10
_SECOND_ROW: Final = _FIRST_ROW + _CAPTION + _PANEL + 8
_NUMBERS_LEFT: Final = _MARGIN + 3 * _PANEL + 2 * _GAP + 34
_NUMBERS_WIDTH: Final = WIDTH - _MARGIN - _NUMBERS_LEFT
_BARS: Final = Frame(_NUMBERS_LEFT, _FIRST_ROW, _NUMBERS_WIDTH, 480)
_VOLUMES: Final = Frame(_NUMBERS_LEFT, _FIRST_ROW + 506, _NUMBERS_WIDTH, 170)


def _draw_view(picture: Image.Image, judgement: Judgement, view: View, say: Say) -> None:
    shown = dominant(judgement, view)
    top = 0.0 if shown is None else heat_top(view, shown)
    slices = compose_slices(
        view.image,
        view.affine,
        region=view.region,
        outlined=view.outlined,
        warmth=None if shown is None else view.heat[shown.name] / np.float32(top),
    )
    panels = [Panel(cut, _PANEL) for cut in slices]
    _draw_row(picture, panels, _FIRST_ROW, _caption(judgement.manifest, slices, say), Panel.anatomy)
    if shown is not None:
        _draw_row(picture, panels, _SECOND_ROW, heat_caption(shown, judgement.manifest, say), Panel.heat)
        draw_legend(picture, Frame(_MARGIN + 3 * _PANEL - 250, _SECOND_ROW + 9, 200, 14), top)
    if judgement.assessment is not None and judgement.manifest is not None:
        pen = ImageDraw.Draw(picture)
        draw_measures(pen, _BARS, judgement.assessment, judgement.manifest, say)
        draw_volumes(pen, _VOLUMES, judgement.assessment, say)


def _caption(manifest: Manifest | None, slices: tuple[Slice, ...], say: Say) -> str:
    """Whose border is drawn."""
    outlined = [name for name, entry in manifest.structures.items() if entry.outlined] if manifest else []
    if not outlined:
        return say("Images")
    names: Phrase | str = outlined[0]
    for name in outlined[1:]:
        names = Phrase("{} and {}", (names, name))
    said = say(Phrase("{} outlined" if any(cut.outlined.any() for cut in slices) else "No {} found", (names,)))
    return legible(said[:1].upper() + said[1:])


def _draw_row(
    picture: Image.Image, panels: Sequence[Panel], top: int, caption: str, draw: Callable[[Panel], Picture]
) -> None:
    write(ImageDraw.Draw(picture), (_MARGIN, top + 24), caption, Style(size=24))
    for column, panel in enumerate(panels):
        left = _MARGIN + column * (_PANEL + _GAP)
        _place(picture, draw(panel), panel.plane, (left, top + _CAPTION))


_LARGE_PANEL: Final = (WIDTH - 2 * _MARGIN - 2 * _GAP) // 3


def _draw_image(picture: Image.Image, image: Examined) -> None:
    for column, cut in enumerate(compose_slices(image.voxels[0], image.affine)):
        left = _MARGIN + column * (_LARGE_PANEL + _GAP)
        _place(picture, Panel(cut, _LARGE_PANEL).anatomy(), cut.plane, (left, _BAND_HEIGHT + 120))


def _draw_nothing(picture: Image.Image, say: Say) -> None:
    middle = (WIDTH / 2, (_BAND_HEIGHT + HEIGHT) / 2)
    write(ImageDraw.Draw(picture), middle, say("No images to show"), Style(size=30, colour=QUIET_TEXT, anchor="mm"))


def _place(picture: Image.Image, panel: Picture, plane: Plane, corner: tuple[int, int]) -> None:
    """Paste one slice and letter its sides."""
    side, (left, top) = panel.shape[0], corner
    picture.paste(Image.fromarray(panel), corner)
    pen = ImageDraw.Draw(picture)
    middle = (left + side / 2, top + side / 2)
    sides = (
        (plane.left, (left + 8, middle[1]), "lm"),
        (plane.right, (left + side - 8, middle[1]), "rm"),
        (plane.top, (middle[0], top + 8), "mt"),
        (plane.bottom, (middle[0], top + side - 8), "mb"),
    )
    for letter, place, anchor in sides:
        write_over(pen, place, letter, Style(size=20, anchor=anchor))


def _draw_footer(picture: Image.Image, judgement: Judgement, say: Say) -> None:
    algorithm, context = judgement.algorithm, judgement.context
    finished = datetime.fromtimestamp(context.finished_at, UTC)
    facts = (
        *([f"{algorithm.bundle} {algorithm.bundle_version}"] if algorithm.bundle_digest else []),
        f"Scanside {algorithm.software_version}",
        _revision(context.revision, say),
        say("incomplete series" if context.partial else "complete series"),
    )
    pen = ImageDraw.Draw(picture)
    style = Style(size=20, colour=QUIET_TEXT)
    time = f"{finished:%Y-%m-%d %H:%M:%S} UTC"
    room = WIDTH - 3 * _MARGIN - width_of(time, style.size)
    write(pen, (_MARGIN, HEIGHT - 18), fit(legible(", ".join(facts), 200), style.size, room), style)
    write(pen, (WIDTH - _MARGIN, HEIGHT - 18), time, replace(style, anchor="rs"))
