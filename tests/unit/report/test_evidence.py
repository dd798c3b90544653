"""Whatever a header holds, a report can be made of it, and what is right goes in untouched."""

from datetime import datetime

import pytest
from builders.judging.report import make_header, make_series
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from daemon.dicom.report.evidence import gather_evidence

#: Type 2 in the Patient and General Study modules (PS3.3, C.7.1.1, C.7.2.1).
REQUIRED = {
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
}


def gather(header):
    return gather_evidence(make_series(2), header)


def identity(header):
    return {element.tag: element.value for element in gather(header).identity}


def raw_header(values):
    """A header as a file reader leaves it, with these bytes as values."""
    header = Dataset()
    for keyword, value in values.items():
        tag = Tag(keyword)
        header[tag] = RawDataElement(tag, None, len(value), value, 0, is_implicit_VR=True, is_little_endian=True)
    return header


def test_required_attributes_are_there_even_if_the_header_is_empty():
    copied = identity(Dataset())

    assert {Tag(keyword) for keyword in REQUIRED} == set(copied)
    assert {b""} == set(copied.values())


def test_correct_values_are_copied_byte_for_byte():
    header = make_header()
    copied = identity(header)

    for keyword in (*REQUIRED, "PatientAge", "StudyDescription", "SpecificCharacterSet"):
        element = make_header().get_item(keyword)
        expected = element.value if isinstance(element, RawDataElement) else str(element.value).encode()
        assert expected.rstrip() == copied[Tag(keyword)].rstrip(), keyword


@pytest.mark.parametrize(
    ("character_set", "name"),
    [("ISO_IR 100", "Müller^Jürgen"), (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう")],
)
def test_a_value_that_was_decoded_on_the_way_is_copied_too(character_set, name):
    header = make_header(PatientName=name, StudyDescription=name[-5:], SpecificCharacterSet=character_set)
    untouched = identity(header)
    assert (name, name[-5:]) == (str(header.PatientName), header.StudyDescription)
    assert 256 == header.Rows

    assert untouched == identity(header)
    assert (256, 240) == gather(header).matrix


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("PatientSex", b"X", b""),
        ("PatientSex", b"f ", b""),
        ("PatientSex", b"O ", b"O "),
        ("PatientBirthDate", b"19611301", b""),
        ("PatientBirthDate", b"1961.04.17", b"19610417"),
        ("PatientBirthDate", b"unknown ", b""),
        ("PatientBirthDate", b"00000000", b""),
        ("StudyDate", b"20260230", b""),
        ("StudyTime", b"25", b""),
        ("StudyTime", b"14:11:00", b"141100"),
        ("StudyTime", b"1411", b"1411"),
        ("StudyTime", b"141100.1234567 ", b""),
        ("PatientID", b"  4711 \0", b"  4711"),
    ],
)
def test_required_values_that_would_be_invalid_are_left_empty(keyword, value, expected):
    copied = identity(raw_header({keyword: value}))[Tag(keyword)]

    assert expected.rstrip() == copied.rstrip(b" ")
    assert 0 == len(copied) % 2


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientAge", b"42"),
        ("PatientAge", b"42Y "),
        ("TimezoneOffsetFromUTC", b"CET "),
        ("SpecificCharacterSet", b"\xff\xfe"),
    ],
)
def test_optional_values_that_would_be_invalid_are_left_out(keyword, value):
    assert Tag(keyword) not in identity(raw_header({keyword: value}))


def test_a_time_zone_of_the_source_is_understood():
    assert 60 == gather(raw_header({"TimezoneOffsetFromUTC": b"+0100 "})).utc_offset_minutes
    assert -210 == gather(raw_header({"TimezoneOffsetFromUTC": b"-0330 "})).utc_offset_minutes
    assert gather(Dataset()).utc_offset_minutes is None


def test_a_scanner_without_manufacturer_is_not_named():
    assert () == gather(make_header(Manufacturer=None)).scanner
    assert {"Manufacturer", "StationName"} < {e.keyword for e in map(_described, gather(make_header()).scanner)}


def _described(element):
    described = Dataset()
    described[element.tag] = element
    return described[element.tag]


def test_a_series_without_study_gets_one_that_stays_the_same():
    series = make_series(2, study_instance_uid="")

    first, second = (gather_evidence(series, Dataset()) for _ in range(2))

    assert first.study_instance_uid.startswith("2.25.")
    assert first == second


def test_procedure_codes_are_taken_over_where_they_are_complete():
    complete, empty = Dataset(), Dataset()
    complete.CodeValue, complete.CodingSchemeDesignator, complete.CodeMeaning = "MRSCH", "99SITE", "MRT Schädel"
    empty.CodeValue, empty.CodingSchemeDesignator, empty.CodeMeaning = "", "99SITE", "nothing"
    procedures = gather(make_header(ProcedureCodeSequence=[complete, empty])).procedures

    assert [("MRSCH", "99SITE", "MRT Schädel")] == [(p.value, p.scheme, p.meaning) for p in procedures]


def test_what_is_no_text_is_not_taken_for_text():
    header = make_header()
    for keyword, representation in (("PatientID", "US"), ("StudyID", "OB")):
        tag = Tag(keyword)
        header[tag] = RawDataElement(tag, representation, 2, b"42", 0, is_implicit_VR=False, is_little_endian=True)
    copied = identity(header)

    assert {b""} == {copied[Tag("PatientID")], copied[Tag("StudyID")]}


def test_a_damaged_procedure_sequence_is_no_procedure():
    assert () == gather(raw_header({"ProcedureCodeSequence": b"\xfe\xff\x00\xe0\xff\x00\x00\x00"})).procedures


@given(
    st.fixed_dictionaries(
        {},
        optional={
            keyword: st.binary(max_size=24)
            for keyword in (
                *REQUIRED,
                "PatientAge",
                "SpecificCharacterSet",
                "TimezoneOffsetFromUTC",
                "SeriesNumber",
                "Rows",
                "Columns",
                "FrameOfReferenceUID",
                "BodyPartExamined",
                "Manufacturer",
                "ProcedureCodeSequence",
            )
        },
    )
)
def test_no_header_is_an_error(values):
    evidence = gather(raw_header(values))
    copied = {element.tag: element.value for element in evidence.identity}

    assert copied[Tag("PatientSex")] in {b"", b"M ", b"F ", b"O "}
    for keyword in ("PatientBirthDate", "StudyDate"):
        date = copied[Tag(keyword)].decode().strip()
        assert not date or datetime.strptime(date, "%Y%m%d")  # noqa: DTZ007 - a calendar date has no zone
    assert {0} == {len(value) % 2 for value in copied.values()}
