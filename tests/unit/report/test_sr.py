"""The SR says what the judgement says: structure, flags, identifiers, determinism."""

import logging
import math
import re
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest
from builders.judging.report import (
    ALGORITHM,
    FINISHED_AT,
    SERIES_UID,
    STUDY_UID,
    make_assessment,
    make_header,
    make_judgement,
    make_series,
    said_in,
)
from builders.judging.values import measure
from highdicom.sr import srread
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    Comprehensive3DSRStorage,
    EnhancedSRStorage,
    MRSpectroscopyStorage,
    RawDataStorage,
)

from daemon.config import shipped_bundles
from daemon.core.measures import Measure
from daemon.core.people.translation import Translation
from daemon.core.people.words import Language, state_word, words_of
from daemon.core.values import ClosedBy, ReportKind, ReportReference, State
from daemon.dicom.report.codes import NOT_ASSESSED, OTHER_MEASURE, VERDICT, VERDICTS
from daemon.dicom.report.evidence import gather_evidence
from daemon.dicom.report.sr import SRClass, build_sr, comment
from daemon.dicom.text import plain
from daemon.dicom.uids import CODING_SCHEME_UID
from daemon.edge.files.bundle_words import read_translation
from models.findings import Evidence, Structure
from models.manifest import Code, SignalEntry
from models.physics.artefacts import Artefact


def build(judgement=None, *, header=None, series=None, sop_class=SRClass.COMPREHENSIVE_3D):
    header = make_header() if header is None else header
    evidence = gather_evidence(series or make_series(3, header=header), header)
    return build_sr(evidence, judgement or make_judgement(), sop_class)


def read(report):
    return dcmread(BytesIO(report.payload))


def content(report):
    return srread(BytesIO(report.payload)).content


def groups(report):
    """Measurement groups by tracking identifier, without the prefix."""
    found = content(report).get_image_measurement_groups()
    return {group.tracking_identifier.removeprefix("scanside/"): group for group in found}


def evaluations(group):
    return {(e.name.value, e.value.value) for e in group.get_qualitative_evaluations()}


def items(dataset, path=()):
    """Every content item with the items above it."""
    for item in dataset.get("ContentSequence", []):
        yield (*path, item)
        yield from items(item, (*path, item))


def all_text(report):
    return " ".join(
        str(path[-1].TextValue)
        for path in items(read(report))
        if path[-1].ValueType == "TEXT" and "TextValue" in path[-1]
    )


@pytest.mark.parametrize("state", State)
def test_each_state_is_coded(state):
    group = groups(build(make_judgement(state)))["series-quality"]

    assert (VERDICT.value, VERDICTS[state].value) in evaluations(group)


def test_a_series_not_assessed_gets_its_reason_and_no_number():
    report = build(make_judgement(State.NOT_ASSESSED))

    assert ["series-quality"] == list(groups(report))
    assert [] == groups(report)["series-quality"].get_measurements()
    assert {(VERDICT.value, NOT_ASSESSED.value)} == {
        pair for pair in evaluations(groups(report)["series-quality"]) if pair[0] != "111000"
    }
    assert "slices are missing" in all_text(report)
    assert "69536005" not in report.payload.decode("latin-1")  # nobody found a head in it


def test_every_number_is_in_its_group_with_its_limit():
    found = groups(build())

    assert {
        "series-quality",
        *(f"uncertainty-{artefact}" for artefact in Artefact),
        "uncertainty-task",
        "uncertainty-segmentation",
        "classical",
        "distribution",
        "volume-CSF",
        "volume-grey matter",
        "volume-white matter",
    } == set(found)
    variance, presence = found["uncertainty-motion"].get_measurements()
    assert (0.21, 0.9) == (variance.value, presence.value)
    properties = {item.name.value: item for item in variance[0].ContentSequence}
    assert codes.cid222.AbnormallyHigh == properties["121402"].value
    assert 0.07 == properties["371933006"].value
    assert [702.123] == [m.value for m in found["volume-grey matter"].get_measurements()]
    assert [codes.UCUM.CubicCentimeter] == [m.unit for m in found["volume-grey matter"].get_measurements()]


def test_a_volume_has_its_error_bars_and_none_is_negative():
    """TID 310: ranges of upper and lower measurement uncertainty; a point below its interval has no lower one."""

    def bars(tissue):
        volume = groups(build())[f"volume-{tissue}"].get_measurements()[0]
        items = [item for item in volume[0].ContentSequence if hasattr(item, "MeasuredValueSequence")]
        assert {codes.UCUM.CubicCentimeter} == {item.unit for item in items}
        named = {item.name.value: item.value for item in items}
        return named["371886008"], named["371885007"]

    assert pytest.approx((760 - 702.123, 702.123 - 650), abs=0.01) == bars("grey matter")
    assert (32.0, 0.0) == bars("white matter")


def test_a_number_within_its_limit_is_normal():
    variance = groups(build())["uncertainty-noise"].get_measurements()[0]
    normality = next(i for i in variance[0].ContentSequence if i.name.value == "121402")

    assert codes.cid222.Normal == normality.value


def test_findings_are_the_artefacts_above_their_limit_and_the_cause():
    found = evaluations(groups(build(make_judgement(State.REVIEW)))["series-quality"])

    assert {"UF04", "RID11423"} == {value for name, value in found if name == "111052"}


def test_numbers_that_dicom_cannot_hold_are_left_out_and_named():
    assessment = make_assessment(
        measure("uncertainty", math.nan, limit=math.nan),
        measure("snr", -math.inf),
        measure("cnr", 1.0, limit=math.inf),
        structures=(
            Structure(name="CSF", volume_ml=math.inf),
            Structure(name="grey matter", volume_ml=700.0),
        ),
    )
    report = build(replace(make_judgement(), assessment=assessment))

    assert "volume-CSF" not in groups(report)
    assert [1.0] == [m.value for m in groups(report)["classical"].get_measurements()]
    assert [20] == [m.value for m in groups(report)["series-quality"].get_measurements()]
    for name in ("uncertainty", "limit of uncertainty", "snr", "volume of CSF"):
        assert name in all_text(report)
    assert "limit of cnr" not in all_text(report)  # an infinite limit is no limit: nothing is missing


def test_a_measure_without_code_is_reported_under_its_name():
    judgement = make_judgement()
    entry = SignalEntry(evidence=Evidence.IMAGE, unit="dB")
    facts = replace(judgement.manifest, signals=judgement.manifest.signals | {"ghost level": entry})
    odd = Measure(name="ghost level", value=3.0, unit="dB", evidence=Evidence.IMAGE, limit=2.0)
    group = groups(build(replace(judgement, manifest=facts, assessment=make_assessment(odd))))["measure-ghost level"]

    assert [(OTHER_MEASURE.value, 3.0, "dB")] == [
        (m.name.value, m.value, m.unit.value) for m in group.get_measurements()
    ]


def with_places(*, count, name="motion"):
    places = tuple(measure(name, float(n), limit=float(count - 1), at=(n,)) for n in range(count))
    whole = make_assessment()
    return replace(
        make_judgement(), assessment=replace(whole, measures=(*(m for m in whole.measures if m.name != name), *places))
    )


@pytest.mark.parametrize(("name", "group"), [("motion", "uncertainty-motion"), ("snr", "classical")])
def test_numbers_of_single_volumes_are_in_a_group_each_that_names_the_volume(name, group):
    report = build(with_places(count=3, name=name))
    found = {told: one.get_measurements() for told, one in groups(report).items() if told.startswith(f"{group}, ")}

    assert [f"{group}, volume {n}" for n in (1, 2, 3)] == list(found)
    assert [[0.0], [1.0], [2.0]] == [[one.value for one in measurements] for measurements in found.values()]
    assert "left out" not in all_text(report)


def test_of_many_volumes_those_nearest_to_their_limit_are_told_and_the_others_counted():
    report = build(with_places(count=500))
    told = [name for name in groups(report) if name.startswith("uncertainty-motion, ")]

    assert [f"uncertainty-motion, volume {n}" for n in range(469, 501)] == told
    assert "468 numbers of single places left out." in all_text(report)


def test_findings_are_in_the_organ_of_the_bundle_or_in_the_structure_they_speak_of():
    judgement = make_judgement()
    heart = Code(value="80891009", scheme="SCT", meaning="Heart")
    entry = SignalEntry(evidence=Evidence.SEGMENTATION, structure="CSF", group="odd")
    facts = replace(
        judgement.manifest,
        organ=replace(judgement.manifest.organ, region=heart, site=heart),
        signals=judgement.manifest.signals | {"odd": entry},
    )
    odd = Measure(name="odd", value=3.0, evidence=Evidence.SEGMENTATION, structure="CSF")
    report = build(replace(judgement, manifest=facts, assessment=make_assessment(odd)))
    sites = {name: group.finding_sites[0].value.value for name, group in groups(report).items() if group.finding_sites}

    assert "65216001" == sites.pop("odd")
    assert {"80891009"} == {*sites.values()}
    assert "12738006" not in report.payload.decode("latin-1")
    assert "69536005" not in report.payload.decode("latin-1")


def test_a_rating_outside_its_scale_is_left_out_and_named():
    judgement = make_judgement()
    report = build(replace(judgement, verdict=replace(judgement.verdict, rating=101)))

    assert ["UM06"] == [m.name.value for m in groups(report)["series-quality"].get_measurements()]
    assert "left out: rating" in all_text(report)


def test_every_number_names_its_model_and_its_limits_their_authority():
    for group in groups(build()).values():
        names = {item.name.value for item in group[0].ContentSequence}
        assert {"111001", "111002", "111003", "111000"} < names
    assert ALGORITHM.config_digest in all_text(build())
    assert ALGORITHM.bundle_digest in all_text(build())


def test_limits_name_the_reference_they_come_from():
    sentence = "scanner MR1, protocol T1 Schädel~1: 240 series"
    report = build(replace(make_judgement(), assessment=make_assessment(reference=sentence)))
    long = build(replace(make_judgement(), assessment=make_assessment(reference=9999 * "x")))
    names = [i for p in items(read(report)) if (i := p[-1]).ConceptNameCodeSequence[0].CodeValue == "121408"]

    assert names
    assert {f"scanside thresholds {ALGORITHM.config_digest}"[:40]} == {n.TextValue[:40] for n in names}
    assert all(n.TextValue.endswith("; scanner MR1, protocol T1 Schaedel-1: 240 series") for n in names)
    assert max(len(p[-1].get("TextValue", "")) for p in items(read(long))) < 1000


def test_viewers_find_what_they_need():
    """OHIF: a name on each item, a child under each number of a group, tracking items first (specs/dicom.md 8)."""
    for path in items(read(build())):
        item = path[-1]
        assert item.ConceptNameCodeSequence[0].CodeMeaning
        if item.ValueType == "NUM" and path[-2].ConceptNameCodeSequence[0].CodeValue == "125007":
            assert len(item.ContentSequence)
        if item.ConceptNameCodeSequence[0].CodeValue == "125007":
            assert ["112039", "112040"] == [i.ConceptNameCodeSequence[0].CodeValue for i in item.ContentSequence[:2]]


def test_the_library_lists_every_source_image_in_order():
    series = make_series(24)
    report = read(build(series=series))
    images = [p[-1] for p in items(report) if p[-1].ValueType == "IMAGE"]
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
    expected = [instance.arrival.sop_instance_uid for instance in series.instances]

    assert expected == [i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in images]
    assert (STUDY_UID, SERIES_UID) == (
        evidence.StudyInstanceUID,
        evidence.ReferencedSeriesSequence[0].SeriesInstanceUID,
    )
    assert expected == [i.ReferencedSOPInstanceUID for i in evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence]


@pytest.mark.parametrize("sop_class", [MRSpectroscopyStorage, RawDataStorage, "1.3.46.670589.11.0.0.12.4"])
def test_what_is_no_image_is_evidence_but_not_in_the_library(sop_class):
    header = make_header(SOPClassUID=sop_class, Rows=None, Columns=None)
    report = read(build(make_judgement(State.NOT_ASSESSED), header=header))

    assert not [p for p in items(report) if p[-1].ValueType == "IMAGE"]
    references = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert {sop_class} == {reference.ReferencedSOPClassUID for reference in references}


@pytest.mark.parametrize(("partial", "flags"), [(False, ("COMPLETE", "FINAL")), (True, ("PARTIAL", "PRELIMINARY"))])
def test_flags_follow_the_series_and_nothing_is_ever_verified(partial, flags):
    report = read(build(make_judgement(partial=partial)))

    assert flags == (report.CompletionFlag, report.PreliminaryFlag)
    assert "UNVERIFIED" == report.VerificationFlag


def test_a_revision_refers_to_what_it_supersedes():
    first = build()
    reference = ReportReference(
        sop_class_uid=first.sop_class_uid,
        sop_instance_uid=first.sop_instance_uid,
        series_instance_uid=first.series_instance_uid,
    )
    second = build(make_judgement(revision=2, predecessor=reference), series=make_series(4))
    item = read(second).PredecessorDocumentsSequence[0]
    series = item.ReferencedSeriesSequence[0]

    assert STUDY_UID == item.StudyInstanceUID
    assert first.series_instance_uid == series.SeriesInstanceUID
    assert first.sop_instance_uid == series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert first.sop_class_uid == series.ReferencedSOPSequence[0].ReferencedSOPClassUID
    assert {first.series_instance_uid, first.sop_instance_uid} & {
        second.series_instance_uid,
        second.sop_instance_uid,
    } == set()
    assert "PredecessorDocumentsSequence" not in read(first)


def test_identical_arguments_give_identical_bytes():
    """Not the clock, not the order of mappings, not the order of arrival decides a byte or a UID."""
    judgement = make_judgement()
    assessment = judgement.assessment
    shuffled = replace(
        assessment,
        measures=assessment.measures[::-1],
        structures=assessment.structures[::-1],
        presence=dict(reversed(list(assessment.presence.items()))),
    )

    assert build(judgement) == build(replace(judgement, assessment=shuffled))


def test_the_order_of_arrival_changes_no_series():
    uids = [f"{SERIES_UID}.{number}" for number in range(5)]

    assert (
        build(series=make_series(uids=uids)).series_instance_uid
        == build(series=make_series(uids=uids[::-1])).series_instance_uid
    )


def test_only_the_time_may_change_without_another_uid():
    """Same UID, same bytes: whatever else changes gives another instance (specs/dicom.md 5)."""
    judgement = make_judgement()
    base = build(judgement)
    later = build(make_judgement(finished_at=FINISHED_AT + 60))
    others = [
        build(make_judgement(State.REVIEW)),
        build(make_judgement(partial=True)),
        build(make_judgement(revision=2)),
        build(make_judgement(station="other")),
        build(judgement, header=make_header(PatientName="Somebody^Else")),
        build(judgement, header=make_header(AccessionNumber="4712")),
        build(judgement, series=make_series(4)),
        build(replace(judgement, algorithm=replace(ALGORITHM, config_digest="ef" * 32))),
        build(replace(judgement, algorithm=replace(ALGORITHM, bundle_digest="ef" * 32))),
        build(judgement, sop_class=SRClass.ENHANCED),
    ]

    assert base.sop_instance_uid == later.sop_instance_uid
    assert base.payload != later.payload
    assert len(others) + 1 == len({report.sop_instance_uid for report in (base, *others)})


def test_both_classes_carry_the_same_tree():
    comprehensive, enhanced = build(), build(sop_class=SRClass.ENHANCED)

    assert Comprehensive3DSRStorage == comprehensive.sop_class_uid
    assert EnhancedSRStorage == enhanced.sop_class_uid
    assert read(comprehensive).ContentSequence == read(enhanced).ContentSequence


def test_the_object_is_ours_in_the_patients_study_and_the_scanner_contributed():
    report, dataset = build(), read(build())

    assert ReportKind.SR == report.kind
    assert report.sop_instance_uid == dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID
    assert report.sop_class_uid == dataset.SOPClassUID
    assert report.series_instance_uid == dataset.SeriesInstanceUID
    assert ("Scanside", "Scanside") == (dataset.Manufacturer, dataset.ManufacturerModelName)
    assert (STUDY_UID, 90140, "SR") == (dataset.StudyInstanceUID, dataset.SeriesNumber, dataset.Modality)
    assert "InstitutionName" not in dataset
    scanner = dataset.ContributingEquipmentSequence[0]
    assert "109101" == scanner.PurposeOfReferenceCodeSequence[0].CodeValue
    assert ("Maker of scanners", ["A", "B"]) == (scanner.Manufacturer, scanner.SoftwareVersions)


@pytest.mark.parametrize(
    ("zone", "offset", "expected"),
    [
        (None, 0, ("20260921", "141320.250000")),
        (None, 120, ("20260921", "161320.250000")),
        ("+0200", 0, ("20260921", "161320.250000")),
        ("-1200", 60, ("20260921", "021320.250000")),
    ],
)
def test_times_are_the_scanners_local_time(zone, offset, expected):
    """TimezoneOffsetFromUTC governs every time of an object: copied with conversion or absent (PS3.3, C.12.1.1.8)."""
    dataset = read(build(make_judgement(utc_offset_minutes=offset), header=make_header(TimezoneOffsetFromUTC=zone)))

    assert zone == dataset.get("TimezoneOffsetFromUTC")
    for prefix in ("Content", "Series", "InstanceCreation"):
        assert expected == (dataset[f"{prefix}Date"].value, dataset[f"{prefix}Time"].value)


def test_nothing_is_stamped_with_the_time_of_day():
    today = f"{datetime.now(UTC):%Y%m%d}".encode()

    assert today not in build().payload


def test_a_procedure_of_the_source_is_the_procedure_reported():
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "MRSCH", "99SITE", "MRT Schädel"
    dataset = read(build(header=make_header(ProcedureCodeSequence=[code])))
    reported = next(p[-1] for p in items(dataset) if p[-1].ConceptNameCodeSequence[0].CodeValue == "121058")

    assert ("MRSCH", "MRT Schädel") == (
        reported.ConceptCodeSequence[0].CodeValue,
        reported.ConceptCodeSequence[0].CodeMeaning,
    )


def test_coding_schemes_beyond_the_standards_are_declared():
    """(0008,0110), PS3.3, C.12.1.1.15: a reader of the private codes finds out whose they are."""
    ours, radlex = read(build()).CodingSchemeIdentificationSequence

    assert ("99SCANSIDE", CODING_SCHEME_UID, "1") == (
        ours.CodingSchemeDesignator,
        ours.CodingSchemeUID,
        ours.CodingSchemeVersion,
    )
    assert ("RADLEX", "HL7") == (radlex.CodingSchemeDesignator, radlex.CodingSchemeRegistry)


def test_the_comment_is_one_ascii_line():
    judgement = make_judgement(State.REVIEW, partial=True, revision=3)
    words = replace(judgement.verdict, action="Prüfen\nSie die Bilder.", reasons=("é\x00è", "x" * 5000))
    text = comment(replace(judgement, verdict=words), Translation())

    assert text.isascii()
    assert text.isprintable()
    assert 1024 >= len(text)
    assert text.startswith("REVIEW (Blur): Pruefen Sie die Bilder. e e.")


def test_the_comment_tells_what_a_person_needs():
    text = comment(make_judgement(State.NOT_ASSESSED, partial=True, revision=2), Translation())

    assert "NOT ASSESSED: Not judged: slices are missing. Decide by eye. Series incomplete." == text[:79]
    assert " Revision 2, closed by its geometry." == text[79:]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("closed_by", ClosedBy)
def test_the_report_of_a_german_site_says_in_german_what_is_judged_and_nothing_else_changes(state, closed_by):
    """PS3.16, TID 1204: the document says the language of its text; its codes and numbers are the same."""
    judgement = make_judgement(state, partial=True, revision=2)
    judgement = replace(judgement, context=replace(judgement.context, closed_by=closed_by))
    evidence = gather_evidence(make_series(3), make_header())
    english = build_sr(evidence, judgement)
    german = build_sr(evidence, said_in(GERMAN, judgement), translation=GERMAN)
    word, how = plain(state_word(state, Language.GERMAN)), plain(words_of(Language.GERMAN)[closed_by])
    ending = f"Serie unvollstaendig. Fassung 2, abgeschlossen durch: {how}."

    assert re.search(rf" {word}( \([^)]+\))?: .* {ending}$", all_text(german))
    assert english.sop_instance_uid != german.sop_instance_uid
    assert ["en", "de"] == [language_of(report) for report in (english, german)]
    assert beside_words(english) == beside_words(german)


GERMAN = read_translation(Language.GERMAN, shipped_bundles().values())


def language_of(report):
    (language,) = (item for item in codes_and_numbers(report) if "121049" == item.ConceptNameCodeSequence[0].CodeValue)
    return language.ConceptCodeSequence[0].CodeValue


def beside_words(report):
    """Every code and number of a report, but for its language."""
    return [item for item in codes_and_numbers(report) if "121049" != item.ConceptNameCodeSequence[0].CodeValue]


def codes_and_numbers(report):
    return [path[-1] for path in items(read(report)) if path[-1].ValueType in {"CODE", "NUM"}]


PLANTED = ("Planted", "PLANTED", "19610417", "064Y", STUDY_UID, "1.2.03.4", "1.02.3")


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PatientName": "Planted and not separated"},
        {"PatientSex": "PLANTED", "PatientBirthDate": "19610417PLANTED", "PatientID": "PLANTED" * 40},
        {"StudyInstanceUID": "1.2.03.4", "FrameOfReferenceUID": "1.02.3"},
        {"SpecificCharacterSet": "PLANTED SET"},
    ],
)
def test_nothing_of_the_patient_is_logged_or_warned_of(attributes, caplog, recwarn):
    """Libraries quote what they do not like: they must never be shown it (specs/dicom.md 9)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those who write and read the header: not our part
        header = make_header(**attributes)
        series = make_series(3, header=header)
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        build(header=header, series=series)

    assert [] == list(recwarn)
    assert [] == [record for record in caplog.records if any(text in record.getMessage() for text in PLANTED)]
