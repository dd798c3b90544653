"""Whose a series is, as its first image says, whatever state that is in."""

from io import BytesIO

import pytest
from builders.judging.values import arrival
from pydicom import Dataset, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from daemon.core.people.exams import PatientHint
from daemon.core.steps import StepArrival
from daemon.dicom.whose import whose_series, whose_step


def encoded(**values: object) -> bytes:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    stream = BytesIO()
    dcmwrite(stream, dataset, implicit_vr=False, little_endian=True)
    return stream.getvalue()


def read(hint: PatientHint = PatientHint.NONE, **values: object):
    return whose_series(arrival(), encoded(**values), hint)


FULL = {
    "PatientName": "Muster^Anna Maria=X",
    "PatientID": "4711",
    "StudyInstanceUID": "1.2.3",
    "ProtocolName": "t1_mprage",
    "SeriesNumber": 7,
    "AcquisitionDate": "20260301",
    "AcquisitionTime": "101500.25",
}


def test_the_header_says_whose_it_is():
    found = read(**FULL)

    assert ("1.2.3", "t1_mprage", 7, "20260301101500") == (
        found.study_instance_uid,
        found.protocol,
        found.number,
        found.acquired,
    )
    assert "4711" in found.patient


@pytest.mark.parametrize(
    ("kind", "hint"),
    [(PatientHint.NONE, ""), (PatientHint.INITIALS, "A. M."), (PatientHint.NAME, "Muster, Anna Maria")],
)
def test_only_what_is_configured_is_taken_of_the_name(kind, hint):
    assert hint == read(kind, **FULL).hint


@pytest.mark.parametrize("name", ["", "^", "^^^", "=", "Muster", "^Anna", "M\\N"])
@pytest.mark.parametrize("kind", list(PatientHint))
def test_any_name_gives_some_hint(name, kind):
    assert len(read(kind, PatientName=name).hint) <= 64


def test_patients_are_told_apart_by_all_that_says_who_they_are():
    same_id = [read(**FULL | {"PatientName": name}).patient for name in ("A", "B")]

    assert 2 == len(set(same_id))
    assert "" == read(StudyInstanceUID="1.2").patient


@pytest.mark.filterwarnings("ignore:Invalid value")  # pydicom's, as the test writes it
@pytest.mark.parametrize(
    "moment",
    [
        {"AcquisitionDateTime": "20260301101500.5+0100"},
        {"AcquisitionDate": "2026.03.01", "AcquisitionTime": "10:15:00"},
        {"SeriesDate": "20260301", "SeriesTime": "101500"},
        {"AcquisitionDate": "20260301", "StudyDate": "20260301", "StudyTime": "101500"},
    ],
)
def test_the_time_of_acquisition_is_found_where_it_stands(moment):
    assert "20260301101500" == read(**moment).acquired


def test_a_header_that_says_nothing_or_is_no_header_is_silence():
    assert [("", "", "")] * 2 == [
        (found.patient, found.protocol, found.acquired)
        for found in (whose_series(arrival(), b""), whose_series(arrival(), b"\xff" * 300))
    ]


def step(**values: object):
    arrived = StepArrival(
        step_uid="1.9", transfer_syntax_uid=ExplicitVRLittleEndian, calling_ae="MR1", received_at=0.0, segment="",
        offset=0, length=0,
    )  # fmt: skip
    return whose_step(arrived, encoded(**values), PatientHint.INITIALS)


def test_a_step_that_begins_names_the_study_and_one_that_names_none_is_nobodys():
    scheduled = Dataset()
    scheduled.StudyInstanceUID = "1.2.3"
    found = step(
        ScheduledStepAttributesSequence=[scheduled],
        PatientName="Muster^Anna",
        PerformedProcedureStepStartDate="20260301",
        PerformedProcedureStepStartTime="1015",
    )

    assert ("1.2.3", "A. M.", "") == (found.study_instance_uid, found.hint, found.acquired)
    assert step(PerformedProcedureStepStatus="COMPLETED") is None
