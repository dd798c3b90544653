"""Siemens' private header, against nibabel's reader of it."""

import struct

import pytest
from builders.images.series import csa_header
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.dicom.reading.csa import csa_values

names = st.text(st.characters(min_codepoint=65, max_codepoint=90), min_size=1, max_size=12)
values = st.lists(st.floats(-1e6, 1e6).map(lambda value: f"{value:.8f}"), min_size=1, max_size=4)


@pytest.mark.filterwarnings("ignore:The DICOM readers are highly experimental:UserWarning")
@given(st.dictionaries(names, values, min_size=1, max_size=5))
@settings(deadline=None)
def test_every_entry_reads_as_nibabel_reads_it(entries):
    from nibabel.nicom import csareader  # noqa: PLC0415 - importing it warns

    header = csa_header(**entries)
    tags = csareader.read(header)["tags"]

    assert entries.keys() == tags.keys()
    for name in entries:
        assert tags[name]["items"] == [float(value) for value in csa_values(header, name)]


def test_an_absent_entry_has_no_values():
    assert csa_values(csa_header(Other=["1"]), "SliceNormalVector") == ()


@given(st.integers(0, 300))
@settings(deadline=None)
def test_a_header_that_ends_early_is_an_error_or_ends_behind_the_entry(length):
    header = csa_header(SliceNormalVector=["0.1", "0.2", "0.3"], Last=["1"])
    try:
        found = csa_values(header[:length], "SliceNormalVector")
    except ValueError:
        return
    assert ("0.1", "0.2", "0.3")[: len(found)] == found or length < len(header)


@pytest.mark.parametrize("header", [b"", b"SV10", b"\1\0\0\0" * 30, b"SV10" + struct.pack("<4xII", 2**32 - 1, 77)])
def test_what_is_no_such_header_is_an_error(header):
    with pytest.raises(ValueError, match="CSA header"):
        csa_values(header, "SliceNormalVector")
