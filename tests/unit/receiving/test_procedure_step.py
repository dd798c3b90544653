"""Reports of procedure steps as values: in every encoding, and whatever they hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import encode

from daemon.core.steps import StepArrival, StepState
from daemon.dicom.protocol.mpps import begun, ended
from daemon.dicom.protocol.procedure_step import read_report, stated_status

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
MR = "1.2.840.10008.5.1.4.1.1.4"


def encoded(dataset, syntax=ExplicitVRLittleEndian):
    return encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian)


def read(content, syntax=ExplicitVRLittleEndian):
    arrival = StepArrival(
        step_uid="1.2",
        transfer_syntax_uid=syntax,
        calling_ae="MR1",
        received_at=5.0,
        segment="s",
        offset=0,
        length=len(content),
    )
    return read_report(arrival, content)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_a_scanner_reports_is_read_in_every_encoding(syntax):
    images = [("1.2.3", MR, "1.2.3.1"), ("1.2.3", MR, "1.2.3.2"), ("1.2.4", MR, "1.2.4.1")]
    first = encoded(begun("1.2", "MR1", "20260101120000"), syntax)
    last = encoded(ended(StepState.DISCONTINUED, images, "20260101121000"), syntax)

    assert ("IN PROGRESS", "DISCONTINUED") == (stated_status(first, syntax), stated_status(last, syntax))
    assert (StepState.IN_PROGRESS, {}) == (read(first, syntax).state, read(first, syntax).images)
    assert StepState.DISCONTINUED is read(last, syntax).state
    assert {"1.2.3": {"1.2.3.1", "1.2.3.2"}, "1.2.4": {"1.2.4.1"}} == read(last, syntax).images


def test_objects_that_are_no_images_count_too():
    changes = ended(StepState.COMPLETED, [("1.2.3", MR, "1.2.3.1")], "20260101121000")
    (series,) = changes.PerformedSeriesSequence
    series.ReferencedNonImageCompositeSOPInstanceSequence = [Dataset()]
    series.ReferencedNonImageCompositeSOPInstanceSequence[0].ReferencedSOPInstanceUID = "1.2.3.9"

    assert {"1.2.3": {"1.2.3.1", "1.2.3.9"}} == read(encoded(changes)).images


def test_what_is_not_said_is_not_known():
    silent, empty = Dataset(), Dataset()
    silent.Modality, empty.PerformedProcedureStepStatus = "MR", ""

    assert (None, "") == (stated_status(encoded(silent), SYNTAXES[0]), stated_status(encoded(empty), SYNTAXES[0]))
    assert (None, None) == (read(encoded(silent)).state, read(encoded(silent)).images)


def test_a_flood_of_series_is_cut_off():
    changes = ended(StepState.COMPLETED, [(f"1.2.{n}", MR, "1.2.3.1") for n in range(1500)], "20260101121000")

    assert 1000 == len(read(encoded(changes)).images)


@given(st.binary(max_size=400), st.sampled_from(SYNTAXES))
def test_no_bytes_make_reading_fail(content, syntax):
    stated_status(content, syntax)
    read(content, syntax)


@given(st.data())
def test_a_damaged_report_is_read_as_far_as_it_goes(data):
    images = [(f"1.2.{n % 2}", MR, f"1.2.3.{n}") for n in range(4)]
    content = bytearray(encoded(ended(StepState.COMPLETED, images, "20260101121000")))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    report = read(bytes(content[: data.draw(st.integers(0, len(content)))]))

    assert report.state in {None, *StepState}
