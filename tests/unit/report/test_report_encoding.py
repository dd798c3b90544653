"""What a report's elements are written as: the very bytes that pydicom writes."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import Tag
from pydicom.uid import UID

from daemon.dicom.report.encoding import encoded


def by_pydicom(element):
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_data_element(buffer, element, "iso8859")
    return buffer.getvalue()


def item(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        *[("CodeMeaning", "LO", text) for text in ("", "even", "odd", "Größe", "a\\b", None)],
        *[("SOPInstanceUID", "UI", uid) for uid in (UID("1.2.3"), UID("1.2.34"), "")],
        *[("TextValue", "UT", text) for text in ("odd", "x" * 70_000)],
        ("ImageComments", "LT", "x" * 10_001),
        ("ImageType", "CS", ["DERIVED", "SECONDARY"]),
        ("ContentDate", "DA", "20261130"),
        ("NumericValue", "DS", "0.25"),
        ("FloatingPointValue", "FD", 0.1),
        ("Rows", "US", 960),
        ("PixelSpacing", "DS", [0.5, 0.25]),
        ("PatientName", "PN", "A^B"),
        ("PixelData", "OB", np.arange(6, dtype=np.uint8).tobytes()),
    ],
)
def test_one_value(tag, vr, value):
    element = DataElement(Tag(tag), vr, value)

    assert by_pydicom(element) == encoded(element)


def test_sequences_with_all_that_is_in_them():
    """Items in the order of their tags, however they were filled; empty ones and empty sequences, too."""
    code = item(CodeMeaning="Größe", CodingSchemeDesignator="99SCANSIDE", CodeValue="QV00")
    deep = item(ConceptNameCodeSequence=[code], ContentSequence=[item(ValueType="TEXT", TextValue="odd"), Dataset()])
    whole = item(ReferencedSOPSequence=[], ContentSequence=[deep, item(NumericValue="1.5", FloatingPointValue=1.5)])

    assert 2 == len(list(whole))
    for element in whole:
        assert by_pydicom(element) == encoded(element)


def test_what_was_never_decoded_stays_as_it_is():
    raw = RawDataElement(Tag("PatientName"), "PN", 4, b"\xc4^\xd6 ", 0, is_implicit_VR=False, is_little_endian=True)

    assert by_pydicom(raw) == encoded(raw)
    assert encoded(raw).endswith(raw.value)
