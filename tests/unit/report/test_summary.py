"""The picture says what the judgement says, and shows the head the right way round."""

import logging
import math
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from builders.judging.report import make_assessment, make_header, make_judgement, make_series, make_view, said_in
from builders.judging.values import manifest, measure
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from daemon.config import optional_bundles, shipped_bundles
from daemon.core.measures import Assessment
from daemon.core.people.translation import Translation
from daemon.core.people.words import Language
from daemon.core.values import ReportKind, State
from daemon.dicom.report.evidence import gather_evidence
from daemon.dicom.report.picture import charts
from daemon.dicom.report.picture.charts import bars_of, ratio
from daemon.dicom.report.picture.heat import dominant
from daemon.dicom.report.picture.lettering import _face, legible, width_of
from daemon.dicom.report.picture.palette import BANDS, OUTLINE
from daemon.dicom.report.picture.slices import AXIAL, CORONAL, SAGITTAL, Panel, compose_slices
from daemon.dicom.report.sr import build_sr
from daemon.dicom.report.summary import HEIGHT, WIDTH, build_summary, render_summary
from daemon.edge.files.bundle_words import read_translation
from models.findings import Structure
from models.subject import still


def build(judgement=None, *, header=None, picture=None, **options):
    header = make_header() if header is None else header
    judgement = judgement or make_judgement()
    picture = render_summary(judgement) if picture is None else picture
    return build_summary(gather_evidence(make_series(3, header=header), header), judgement, picture, **options)


def read(report):
    return dcmread(BytesIO(report.payload))


def beacon(place, shape=(40, 50, 60)):
    """A dark volume with one bright block at this share of each axis; RAS axes, 2 mm."""
    image = np.full(shape, 0.01, np.float32)
    corner = [round(share * n) for share, n in zip(place, shape, strict=True)]
    image[tuple(slice(max(0, c - 6), c + 6) for c in corner)] = 1
    return image, np.diag([2.0, 2.0, 2.0, 1.0])


def brightest(panel):
    """Row and column of the bright block's middle, as shares of the panel."""
    rows, columns = np.nonzero(panel[..., 0] > 128)
    return rows.mean() / panel.shape[0], columns.mean() / panel.shape[1]


@pytest.mark.parametrize("state", State)
def test_the_band_has_the_verdicts_colour(state):
    picture = render_summary(make_judgement(state))

    assert (HEIGHT, WIDTH, 3) == picture.shape
    assert np.uint8 == picture.dtype
    assert BANDS[state].ground == tuple(picture[4, 4])
    share = (picture[:200] == BANDS[state].ground).all(-1).mean()
    assert share > 0.5


def test_every_state_shows_another_picture():
    pictures = {render_summary(make_judgement(state)).tobytes() for state in State}

    assert len(State) == len(pictures)


def test_every_word_of_the_judgement_changes_the_picture():
    judgement, view = make_judgement(), make_view()
    others = (
        judgement,
        make_judgement(partial=True),
        make_judgement(revision=2),
        make_judgement(finished_at=judgement.context.finished_at + 1),
        replace(judgement, verdict=replace(judgement.verdict, action="Something else.")),
        replace(judgement, algorithm=replace(judgement.algorithm, bundle_version="1.0.1")),
        replace(judgement, assessment=make_assessment(structures=(Structure(name="CSF", volume_ml=1.0),))),
        replace(judgement, assessment=make_assessment(measure("motion", 0.0, limit=0.07))),
    )

    assert len(others) == len({render_summary(other, view).tobytes() for other in others})


def test_the_same_arguments_draw_the_same_picture():
    once, twice = (render_summary(make_judgement(), make_view()) for _ in range(2))

    assert once.tobytes() == twice.tobytes()


@pytest.mark.parametrize(
    ("place", "plane", "row", "column"),
    [
        ((0.8, 0.5, 0.5), AXIAL, 0.5, 0.2),  # the patient's right is on the left
        ((0.5, 0.8, 0.5), AXIAL, 0.2, 0.5),  # anterior on top
        ((0.8, 0.5, 0.5), CORONAL, 0.5, 0.2),
        ((0.5, 0.5, 0.8), CORONAL, 0.2, 0.5),  # superior on top
        ((0.5, 0.8, 0.5), SAGITTAL, 0.5, 0.2),  # anterior on the left
        ((0.5, 0.5, 0.8), SAGITTAL, 0.2, 0.5),
    ],
)
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_slices_are_shown_as_their_letters_say(place, plane, row, column, flips):
    """However the volume is stored."""
    image, affine = beacon(place, shape=(60, 60, 60))
    stored = image[:: flips[0], :: flips[1], :: flips[2]].transpose(1, 2, 0)
    turned = affine @ np.diag([*flips, 1.0])
    turned[:3, 3] = [118.0 if flip < 0 else 0.0 for flip in flips]
    slices = {cut.plane: cut for cut in compose_slices(stored, turned[:, [1, 2, 0, 3]])}
    panel = Panel(slices[plane], 120).anatomy()

    assert (row, column) == pytest.approx(brightest(panel), abs=0.06)
    assert {"AXIAL": "RLAP", "CORONAL": "RLSI", "SAGITTAL": "APSI"}[
        {AXIAL: "AXIAL", CORONAL: "CORONAL", SAGITTAL: "SAGITTAL"}[plane]
    ] == plane.left + plane.right + plane.top + plane.bottom


def test_voxels_of_any_shape_show_a_ball_as_a_ball():
    spacing = np.array([1.0, 2.0, 4.0])
    shape = (128, 64, 32)
    distance = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    ball = (distance[0][:, None, None] ** 2 + distance[1][:, None] ** 2 + distance[2] ** 2 < 40**2).astype(np.float32)
    slices = compose_slices(ball, np.diag([*spacing, 1.0]))

    assert 3 == len(slices)
    for cut in slices:
        rows, columns = np.nonzero(Panel(cut, 128).anatomy()[..., 0] > 128)
        assert 80 == pytest.approx(np.ptp(rows), abs=5)
        assert 80 == pytest.approx(np.ptp(columns), abs=5)


def test_the_outline_follows_the_structure_and_leaves_the_anatomy_visible():
    view = make_view()
    cut = compose_slices(view.image, view.affine, region=view.region, outlined=view.outlined)[0]
    panel = Panel(cut, 288).anatomy().astype(int)
    plain = Panel(replace(cut, outlined=np.zeros_like(cut.outlined)), 288).anatomy().astype(int)
    touched = np.abs(panel - plain).max(-1) > 0
    line = (np.abs(panel - OUTLINE) < 60).all(-1)

    assert line.sum() > 300
    assert 0.06 > touched.mean()
    assert (plain[~touched] == panel[~touched]).all()


def test_heat_lies_where_the_variance_is():
    view = make_view()
    cut = compose_slices(view.image, view.affine, region=view.region, warmth=view.heat["motion"])[0]
    panel = Panel(cut, 288).heat().astype(int)
    cold = Panel(replace(cut, warmth=np.zeros_like(cut.warmth)), 288).heat().astype(int)
    change = np.abs(panel - cold).sum(-1)

    assert change[:, 150:].sum() > 1.3 * change[:, :138].sum()  # hot on the patient's left: the picture's right
    assert 0 == change[:20].sum() + change[-20:].sum()
    assert (cold[..., 0] == cold[..., 2]).all()


def test_what_is_shown_is_the_causes_heat_else_of_the_measure_nearest_its_limit():
    judgement, view = make_judgement(), make_view()
    without = replace(judgement, verdict=replace(judgement.verdict, cause=None))

    def shown(limit):
        told = (measure("blur", 1.0, limit=limit), measure("wrap", 9.0))
        return dominant(replace(without, assessment=Assessment(primary="blur", measures=told)), view).name

    assert "blur" == dominant(make_judgement(State.REVIEW), view).name
    assert "motion" == dominant(without, view).name
    assert ("blur", "wrap") == (shown(2.0), shown(math.inf))
    assert dominant(replace(without, assessment=None), view) is None
    assert dominant(without, make_view(heat={})) is None


def test_a_bundle_without_causes_shows_its_measures_and_one_without_structures_its_images():
    judgement, view = make_judgement(State.ACCEPT), make_view(heat={})
    bare = replace(judgement.manifest, causes={}, structures={})
    drawn = {render_summary(replace(judgement, manifest=facts), view).tobytes() for facts in (judgement.manifest, bare)}

    assert 2 == len(drawn)


def heat_pixels(judgement, variance):
    """How many pixels of the slices are red to yellow, as the upper half of the scale is."""
    view = make_view()
    view.heat["motion"][view.region] = variance
    red, _, blue = np.moveaxis(render_summary(judgement, view)[600:890, 30:930].astype(int), -1, 0)
    return int((red - blue > 30).sum())


@pytest.mark.parametrize("limit", [None, math.inf, 0.2])
def test_little_variance_looks_calm_with_and_without_a_limit(limit):
    found = Assessment(primary="motion", measures=(measure("motion", 0.1, limit=limit),))
    judgement = replace(make_judgement(State.ACCEPT), assessment=found)

    assert 0 == heat_pixels(judgement, 0.1)
    assert heat_pixels(judgement, 2.0) > 10_000


@pytest.mark.parametrize(
    ("value", "limit", "expected"),
    [
        (3.0, 2.0, 1.5),
        (3.0, None, None),
        (3.0, math.inf, None),
        (3.0, 0.0, None),
        (3.0, -2.0, None),
        (math.nan, 2.0, None),
        (math.inf, 2.0, math.inf),
    ],
)
def test_a_bar_is_drawn_where_there_is_a_limit_to_compare_with(value, limit, expected):
    assert expected == ratio(measure("noise", value, limit=limit))
    assert ratio(None) is None


def test_a_series_without_findings_shows_its_middle_slices():
    image, affine = beacon((0.5, 0.5, 0.5))
    judgement = make_judgement(State.NOT_ASSESSED)
    with_slices = render_summary(judgement, image=still(image, affine))

    assert with_slices.tobytes() != render_summary(judgement).tobytes()


ODD = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 5e-324, 1e300, -1e300, 0.5])
MEASURES = st.dictionaries(st.sampled_from([*manifest().signals]), st.tuples(ODD, st.one_of(st.none(), ODD)))


@settings(max_examples=15, deadline=None)
@given(
    found=MEASURES,
    volumes=st.dictionaries(st.text(max_size=40), ODD, max_size=9),
    action=st.text(max_size=300),
    fill=st.sampled_from([np.nan, np.inf, 0.0, 3e38]),
)
def test_nothing_stops_the_picture(found, volumes, action, fill):
    judgement = make_judgement()
    verdict = replace(judgement.verdict, action=action)
    measures = (measure(name, value, limit=limit) for name, (value, limit) in found.items())
    structures = tuple(Structure(name=f"the {name}", volume_ml=volume) for name, volume in volumes.items())
    view = make_view()
    view.image[:40] = fill
    view.heat["motion"][:40] = fill

    picture = render_summary(
        replace(judgement, verdict=verdict, assessment=make_assessment(*measures, structures=structures)), view
    )

    assert (HEIGHT, WIDTH, 3) == picture.shape


def placed(name):
    return [measure(name, value, limit=0.3, at=(n,)) for n, value in enumerate([0.1, 0.9, 0.2])]


def test_a_bar_is_the_volume_nearest_to_its_limit_and_says_which():
    whole = make_assessment()
    others = tuple(one for one in whole.measures if one.name != "motion")
    causes = bars_of(replace(whole, measures=(*others, *placed("motion"))), manifest(), str)
    alone = bars_of(replace(whole, measures=(*others, *placed("snr"))), replace(manifest(), causes={}), str)

    assert 0.9 == causes["Motion, volume 2"].value
    assert 0.9 == alone["snr, volume 2"].value
    assert len(alone) <= 7


@pytest.mark.parametrize("word", ["Motion", "Mistriggering", "Artefact of a very long name indeed"])
def test_a_measures_name_and_its_value_never_meet(word, monkeypatch):
    written = []
    monkeypatch.setattr(charts, "write", lambda _, place, text, style: written.append((place, text, style)))
    whole, known = make_assessment(), manifest()
    unlimited = [replace(measure("motion", 0.95), cause="motion", at=(6,), limit=None)]
    causes = {"motion": replace(known.causes["motion"], word=word)}
    frame = charts.Frame(0, 0, 280, 300)
    charts.draw_bars(
        ImageDraw.Draw(Image.new("RGB", (300, 300))),
        frame,
        replace(whole, primary="motion", measures=tuple(unlimited)),
        replace(known, causes=causes),
        str,
    )
    (_, name, style), (_, value, _) = written[1:3]

    assert width_of(name, style.size) + width_of(value, style.size) < frame.width
    assert value.startswith("0.95")
    assert name.startswith(word[:6])


@pytest.mark.parametrize("found", [False, True])
def test_a_failed_segmentation_still_gives_a_picture(found):
    everywhere = np.full((80, 96, 80), found)
    view = make_view(region=everywhere, outlined=everywhere)

    assert (HEIGHT, WIDTH, 3) == render_summary(make_judgement(), view).shape


def test_a_flat_or_tiny_volume_still_gives_a_picture():
    for voxels in (np.zeros((1, 1, 1), np.float32), np.ones((300, 2, 2), np.float32)):
        picture = render_summary(make_judgement(State.NOT_ASSESSED), image=still(voxels, np.eye(4)))
        assert (HEIGHT, WIDTH, 3) == picture.shape


def test_the_object_holds_the_picture_pixel_for_pixel():
    picture = render_summary(make_judgement(), make_view())
    report = build(picture=picture)
    dataset = read(report)

    assert (dataset.pixel_array == picture).all()
    assert SecondaryCaptureImageStorage == report.sop_class_uid == dataset.SOPClassUID
    assert (ReportKind.SUMMARY, 90142, "OT") == (report.kind, dataset.SeriesNumber, dataset.Modality)
    assert ["DERIVED", "SECONDARY", "QC SUMMARY"] == dataset.ImageType
    assert ("SYN", "NO", "YES") == (
        dataset.ConversionType,
        dataset.BurnedInAnnotation,
        dataset.RecognizableVisualFeatures,
    )
    assert "NO" == read(build(recognizable=False)).RecognizableVisualFeatures


def test_report_objects_never_share_a_series():
    """SR documents do not reside in a series of images (PS3.3, C.17.1)."""
    header = make_header()
    document = build_sr(gather_evidence(make_series(3), header), make_judgement())

    assert document.series_instance_uid != build(header=header).series_instance_uid


def test_same_uid_same_bytes():
    judgement, header = make_judgement(), make_header(PatientName="Somebody^Else")
    darker = render_summary(judgement) // 2

    assert build() == build()
    assert build().sop_instance_uid != build(picture=darker).sop_instance_uid
    assert build().sop_instance_uid != build(header=header).sop_instance_uid
    assert (
        build().sop_instance_uid
        == build(make_judgement(finished_at=1.0), picture=render_summary(judgement)).sop_instance_uid
    )


@pytest.mark.parametrize(
    ("source", "state", "expected"),
    [
        ("BRAIN", State.RESCAN, "BRAIN"),
        (None, State.RESCAN, "HEAD"),
        (None, State.NOT_ASSESSED, None),
    ],
)
def test_the_body_part_is_the_sources_or_what_was_assessed(source, state, expected):
    dataset = read(build(make_judgement(state), header=make_header(BodyPartExamined=source)))

    assert expected == dataset.get("BodyPartExamined")
    assert (expected is None) == ("Laterality" in dataset)


def test_nothing_of_the_patient_is_logged(caplog, recwarn):
    with caplog.at_level(logging.DEBUG):
        build(header=make_header(PatientName="Planted and not separated"))

    assert [] == list(recwarn)
    assert "lanted" not in caplog.text
    assert "4711" not in caplog.text


GERMAN = read_translation(Language.GERMAN, (shipped_bundles() | optional_bundles()).values())


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("partial", [False, True])
def test_a_german_picture_says_in_german_what_is_judged_and_english_is_what_is_said_without(state, partial):
    judgement, view = make_judgement(state, partial=partial), make_view()
    english = render_summary(judgement, view)
    german = render_summary(said_in(GERMAN, judgement), view, translation=GERMAN)

    assert english.tobytes() == render_summary(judgement, view, translation=Translation()).tobytes()
    assert (english[:200] != german[:200]).any()
    assert (english[216:246] != german[216:246]).any()  # the caption of the slices
    assert (english[900:] != german[900:]).any()  # the footer


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("translation", [Translation(), GERMAN], ids=["en", "de"])
def test_what_qualifies_a_verdict_lies_beside_its_word_and_never_on_it(state, translation):
    bare = render_summary(make_judgement(state), translation=translation)[:110]
    marked = render_summary(make_judgement(state, partial=True, revision=12), translation=translation)[:110]
    changed = (bare != marked).any(-1)

    assert changed.sum() > 500
    assert (bare[changed] == BANDS[state].ground).all()


@pytest.mark.parametrize(
    ("text", "legibly"),
    [
        ("Unschärfe, größer", "Unschärfe, größer"),
        ("Ελλάδα, Жук", "Ελλάδα, Жук"),
        ("two\nlines\tand\x00 more", "two lines and more"),
        ("\u982d head", "head"),
        ("ﬁeld", "ﬁeld"),
        ("\U0001d401rain", "Brain"),
        ("", ""),
        ("x" * 90, "x" * 64),
    ],
)
def test_what_the_font_lacks_is_written_in_ascii_or_left_out(text, legibly):
    assert legibly == legible(text)


@given(st.text(max_size=40))
def test_no_text_is_drawn_with_the_mark_of_a_missing_letter(text):
    missing = bytes(ImageFont.truetype(BytesIO(_face("Regular")), 20).getmask("\uffff"))
    font = ImageFont.truetype(BytesIO(_face("Regular")), 20)

    assert not any(bytes(font.getmask(c)) == missing for c in legible(text))
