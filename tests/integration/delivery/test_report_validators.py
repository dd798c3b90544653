"""Independent judges find nothing wrong with any report, and read from it what was written (specs/dicom.md 6)."""

import json
import math
from collections import defaultdict
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import validators
from builders.judging.report import make_header, make_judgement, make_series, make_view, said_in
from builders.judging.values import manifest, measure
from highdicom.sr import srread
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.config import strict_reading
from pydicom.dataelem import RawDataElement
from pydicom.uid import JPEGLSLossless, RLELossless

from daemon.config import shipped_bundles
from daemon.core.measures import Assessment
from daemon.core.people.words import Language, state_word
from daemon.core.values import ReportReference, State
from daemon.dicom.report.evidence import gather_evidence
from daemon.dicom.report.recoding import PLAIN, recoded, syntaxes_for
from daemon.dicom.report.sr import SRClass, build_sr
from daemon.dicom.report.summary import build_summary, render_summary
from daemon.dicom.text import plain
from daemon.edge.files.bundle_words import read_translation
from models.findings import Structure

GERMAN = read_translation(Language.GERMAN, shipped_bundles().values())
PREDECESSOR = ReportReference(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34", sop_instance_uid="2.25.11", series_instance_uid="2.25.12"
)
CIRCUMSTANCES = {
    "complete": {},
    "partial": {"partial": True},
    "revised": {"revision": 2, "predecessor": PREDECESSOR},
}


def evidence_of(count=24, **attributes):
    header = make_header(**attributes)
    return gather_evidence(make_series(count, header=header), header)


@pytest.fixture
def keep(tmp_path):
    """Writes a report object to disk."""

    def _keep(report):
        path = tmp_path / f"{report.kind}.dcm"
        path.write_bytes(report.payload)
        return path

    return _keep


@pytest.mark.parametrize("sop_class", SRClass)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("circumstances", CIRCUMSTANCES)
def test_every_sr_is_clean(state, circumstances, sop_class, keep):
    judgement = make_judgement(state, **CIRCUMSTANCES[circumstances])
    path = keep(build_sr(evidence_of(), judgement, sop_class))

    assert [] == validators.unexpected_dciodvfy(path)
    assert [] == validators.dcsrdump(path)
    assert state_word(state) in validators.dsrdump(path)
    assert str(sop_class) in validators.dsr2html(path, path.with_suffix(".html"), "+U8")


@pytest.mark.parametrize("sop_class", SRClass)
def test_a_german_sr_is_clean_and_says_that_it_is_german(sop_class, keep):
    path = keep(build_sr(evidence_of(), said_in(GERMAN, make_judgement(partial=True)), sop_class, GERMAN))

    assert [] == validators.unexpected_dciodvfy(path)
    assert [] == validators.dcsrdump(path)
    assert '(de,RFC5646,"German")' in validators.dsrdump(path)
    assert "Serie unvollstaendig." in validators.dsrdump(path)


@pytest.mark.parametrize("count", [1, 192, 960])
def test_an_sr_of_any_length_is_clean(count, keep):
    path = keep(build_sr(evidence_of(count), make_judgement()))

    assert [] == validators.unexpected_dciodvfy(path)
    assert [] == validators.dcsrdump(path)
    assert count == validators.dsrdump(path).count("=(MR image,)")


def test_the_trees_follow_their_templates(tmp_path):
    """And the checker is awake: a target region outside its context group, which an earlier draft had, is found."""
    drafts = (
        (State.RESCAN, "complete", SRClass.COMPREHENSIVE_3D, None),
        (State.ACCEPT, "revised", SRClass.ENHANCED, GERMAN),
        (State.NOT_ASSESSED, "partial", SRClass.COMPREHENSIVE_3D, None),
    )
    judged = ((make_judgement(state, **CIRCUMSTANCES[name]), *how) for state, name, *how in drafts)
    payloads = [build_sr(evidence_of(3), *one).payload for one in judged]
    head, brain = b"69536005", b"12738006"
    paths = [tmp_path / f"{number}.dcm" for number in range(4)]
    for path, payload in zip(paths, [*payloads, payloads[0].replace(head, brain, 1)], strict=True):
        path.write_bytes(payload)

    *clean, spoilt = validators.pixelmed(paths)

    assert [[]] * 3 == clean
    assert any("Target Region" in line for line in spoilt)


@pytest.mark.parametrize("sop_class", SRClass)
def test_dcmqi_reads_the_measurements(sop_class, keep, tmp_path):
    path = validators.tid1500reader(keep(build_sr(evidence_of(), make_judgement(), sop_class)), tmp_path)
    groups = json.loads(path.read_text())["Measurements"]
    found = {group["TrackingIdentifier"]: group["measurementItems"][0]["value"] for group in groups}

    assert "0.21" == found["scanside/uncertainty-motion"]
    assert "702.123" == found["scanside/volume-grey matter"]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("sop_class", SRClass)
def test_highdicom_reads_it_back_strictly(state, sop_class):
    judgement = make_judgement(state)
    report = build_sr(evidence_of(), judgement, sop_class)
    with strict_reading():
        groups = srread(BytesIO(report.payload)).content.get_image_measurement_groups()

    assert "scanside/series-quality" == groups[0].tracking_identifier
    assert (1 if judgement.assessment is None else 13) == len(groups)


# --- any assessment ---

NUMBER = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 5e-324, 1.7976931348623157e308, 1e-7, 123456789.0]))
ENTRIES = manifest().signals
UNITS = st.sampled_from(["1", "ratio", "ml", "dB", "in words"])
MEASURES = st.dictionaries(
    st.sampled_from([name for name in ENTRIES if name != "uncertainty"]),
    st.tuples(NUMBER, UNITS, st.one_of(st.none(), NUMBER)),
)
STRUCTURES = st.dictionaries(st.sampled_from([*manifest().structures]), NUMBER)


@st.composite
def assessments(draw):
    """Any measures and structures of the brain bundle, of any value."""
    found = {"uncertainty": (draw(NUMBER), "1", draw(st.one_of(st.none(), NUMBER))), **draw(MEASURES)}
    return Assessment(
        primary="uncertainty",
        measures=tuple(measure(name, value, unit=unit, limit=limit) for name, (value, unit, limit) in found.items()),
        structures=tuple(Structure(name=name, volume_ml=volume) for name, volume in draw(STRUCTURES).items()),
        presence=draw(st.dictionaries(st.sampled_from([*manifest().causes]), NUMBER)),
        reference=draw(st.text(max_size=20)),
    )


def expected_numbers(assessment):
    """Group name -> the finite numbers that belong in it, to six significant digits, in ascending order."""
    numbers = defaultdict(list, {"series-quality": [20.0, assessment.rank.value]})
    for one in assessment.measures:
        if one.name != assessment.primary:
            numbers[ENTRIES[one.name].group] += [one.value]
    for cause, presence in assessment.presence.items():
        blamed = any(one.cause == cause for one in assessment.measures)
        numbers[f"uncertainty-{cause}" if blamed else f"cause-{cause}"] += [presence]
    for structure in assessment.structures:
        numbers[f"volume-{plain(structure.name)}"] += [structure.volume_ml]
    rounded = {group: sorted(float(f"{n:.6g}") for n in found if math.isfinite(n)) for group, found in numbers.items()}
    return {plain(f"scanside/{group}"): found for group, found in rounded.items() if found}


# no shrinking: each example goes through a real validator
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(assessment=assessments(), sop_class=st.sampled_from(SRClass))
def test_any_assessment_gives_a_valid_report_with_its_numbers(assessment, sop_class, keep):
    report = build_sr(evidence_of(2), replace(make_judgement(), assessment=assessment), sop_class)
    numbers = defaultdict(list)
    for group in srread(BytesIO(report.payload)).content.get_image_measurement_groups():
        numbers[group.tracking_identifier] += [measurement.value for measurement in group.get_measurements()]

    assert [] == validators.unexpected_dciodvfy(keep(report))
    assert expected_numbers(assessment) == {group: sorted(found) for group, found in numbers.items()}


# --- headers ---

NAMES = {
    "missing": (None, "Smith^John"),
    "ISO_IR 100": ("ISO_IR 100", "Müller^Jürgen"),
    "ISO_IR 126": ("ISO_IR 126", "Διονυσιος^Σ"),
    "ISO_IR 144": ("ISO_IR 144", "Люксембург^Я"),
    "ISO_IR 192": ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
    "GB18030": ("GB18030", "Wang^XiaoDong=王^小东"),
    "ISO 2022 IR 87": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "ISO 2022 IR 13 and 87": (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    "ISO 2022 IR 149": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    "ISO 2022 IR 100 and 144": (["ISO 2022 IR 100", "ISO 2022 IR 144"], "Müller^Люкс"),
}


def encoded(dataset, keyword):
    element = dataset.get_item(keyword)
    assert isinstance(element, RawDataElement)
    return element.value


@pytest.mark.parametrize("case", NAMES)
def test_names_survive_in_every_character_set(case, keep):
    """Encoded names are identical; DCMTK, which lists them, reads every object."""
    character_set, name = NAMES[case]
    attributes = {"SpecificCharacterSet": character_set, "PatientName": name, "StudyDescription": name.split("=")[-1]}
    header, judgement = make_header(**attributes), make_judgement()
    evidence = evidence_of(3, **attributes)

    for report in (build_sr(evidence, judgement), build_summary(evidence, judgement, render_summary(judgement))):
        path = keep(report)
        written = dcmread(path)
        for keyword in ("PatientName", "StudyDescription"):
            assert encoded(header, keyword) == encoded(written, keyword)
        assert name == str(written.PatientName)
        assert header.get("SpecificCharacterSet") == written.get("SpecificCharacterSet")
        assert [] == validators.unexpected_dciodvfy(path)
        validators.run("/usr/bin/dcmdump", path)
    validators.dsrdump(keep(build_sr(evidence, judgement)))


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientID": None},
        {"PatientID": ""},
        dict.fromkeys(
            ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber", "StudyTime")
        ),
        {"BodyPartExamined": None, "FrameOfReferenceUID": None, "Manufacturer": None},
        {"TimezoneOffsetFromUTC": "-0330"},
        {"SeriesNumber": None},
    ],
)
def test_reports_of_poor_headers_are_clean(attributes, keep):
    evidence, judgement = evidence_of(3, **attributes), make_judgement()

    for report in (build_sr(evidence, judgement), build_summary(evidence, judgement, render_summary(judgement))):
        assert [] == validators.without_dicomdir(validators.unexpected_dciodvfy(keep(report)))


# --- the picture ---


@pytest.mark.parametrize("circumstances", CIRCUMSTANCES)
@pytest.mark.parametrize("state", State)
def test_every_picture_is_clean_and_dcmtk_sees_the_same_pixels(state, circumstances, keep):
    judgement = make_judgement(state, **CIRCUMSTANCES[circumstances])
    picture = render_summary(judgement, make_view() if judgement.assessment else None)
    path = keep(build_summary(evidence_of(), judgement, picture))

    assert [] == validators.unexpected_dciodvfy(path)
    assert (picture == dcmtk_pixels(path, "/usr/bin/dcml2pnm")).all()


def dcmtk_pixels(path, tool):
    """The picture as DCMTK decodes it: JPEG-LS by a tool of its own."""
    seen = path.with_suffix(".ppm")
    validators.run(tool, "+op", path, seen)
    with Image.open(seen) as opened:
        return np.asarray(opened)


@pytest.mark.parametrize(
    ("syntax", "tool"),
    [(RLELossless, "/usr/bin/dcm2pnm"), (PLAIN, "/usr/bin/dcm2pnm"), (JPEGLSLossless, "/usr/bin/dcml2pnm")],
    ids=["RLE", "plain", "JPEG-LS"],
)
def test_in_every_transfer_syntax_a_picture_is_the_same_object_and_clean(syntax, tool, keep):
    judgement = make_judgement(State.RESCAN)
    picture = render_summary(judgement, make_view())
    report = build_summary(evidence_of(), judgement, picture)
    payload = recoded(report.payload, syntax)
    path = keep(replace(report, payload=payload))
    stored, sent = dcmread(BytesIO(report.payload)), dcmread(path)
    apart = {"PixelData", "PlanarConfiguration"}

    assert encoded(stored, "PatientName") == encoded(sent, "PatientName")
    assert syntax == sent.file_meta.TransferSyntaxUID
    assert recoded(report.payload, syntax) == payload
    assert [] == validators.unexpected_dciodvfy(path)
    assert (picture == dcmtk_pixels(path, tool)).all()
    assert [one for one in stored if one.keyword not in apart] == [one for one in sent if one.keyword not in apart]


def test_a_picture_is_stored_small_and_a_document_as_it_is():
    judgement = make_judgement(State.RESCAN)
    picture = render_summary(judgement, make_view())
    report, document = build_summary(evidence_of(), judgement, picture), build_sr(evidence_of(), judgement)

    assert len(report.payload) < len(recoded(report.payload, RLELossless)) < picture.nbytes / 2
    assert (PLAIN,) == syntaxes_for(document.payload)
    assert document.payload == recoded(document.payload, PLAIN)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, "series 7"),
        ({"ProtocolName": "t1_mprage"}, "series 7 t1_mprage"),
        ({"ProtocolName": None, "SeriesDescription": "T1 sag", "SeriesNumber": None}, "series T1 sag"),
        ({"ProtocolName": "头部".encode("gb18030"), "SpecificCharacterSet": "GB18030"}, "series 7"),
        ({"ProtocolName": "é" * 64}, f"series 7 {'e' * 64}"),
    ],
)
def test_a_picture_says_which_series_it_judges_in_words_and_by_reference(attributes, words, keep):
    judgement = make_judgement(State.RESCAN)
    header = make_header(**attributes)
    evidence = gather_evidence(make_series(24, header=header), header)
    path = keep(build_summary(evidence, judgement, render_summary(judgement)))
    written = dcmread(path)
    (series,) = written.ReferencedSeriesSequence
    sources = [source.sop_instance_uid for source in evidence.sources]

    assert f"Scanside verdict: RESCAN, {words}"[:64] == written.SeriesDescription
    assert written.ImageComments.startswith(f"Scanside on {words}: RESCAN (")
    assert evidence.series_instance_uid == series.SeriesInstanceUID
    assert sources == [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence]
    assert sources == [item.ReferencedSOPInstanceUID for item in written.SourceImageSequence]
    assert [] == validators.unexpected_dciodvfy(path)
