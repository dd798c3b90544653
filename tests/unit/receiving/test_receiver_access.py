"""Who may talk to the receiver, and what it offers."""

from ipaddress import ip_network

import pytest
from pydicom import uid

from daemon.dicom.protocol.contexts import (
    ENHANCED_MR,
    PROCEDURE_STEP,
    STORAGE_SOP_CLASSES,
    TRANSFER_SYNTAXES,
    VERIFICATION,
)
from daemon.edge.receiving.listener import is_allowed
from daemon.edge.receiving.negotiation import supported_contexts

_NETWORKS = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "fd00::1%eth0"])
def test_an_address_of_a_listed_network_is_allowed(address):
    assert is_allowed(address, _NETWORKS)


@pytest.mark.parametrize("address", ["10.2.0.1", "::ffff:10.2.0.1", "2001:db8::1", "127.0.0.1"])
def test_an_address_outside_is_not(address):
    assert not is_allowed(address, _NETWORKS)


def test_an_empty_list_allows_all():
    assert is_allowed("192.0.2.1", ())


def test_uncompressed_syntaxes_come_first_and_lossy_ones_last():
    uncompressed = [syntax.is_compressed for syntax in TRANSFER_SYNTAXES]
    lossy = [
        syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.JPEG2000, uid.HTJ2K)
        for syntax in TRANSFER_SYNTAXES
    ]

    assert uid.ExplicitVRLittleEndian == TRANSFER_SYNTAXES[0]
    assert sorted(uncompressed) == uncompressed
    assert sorted(lossy) == lossy


def test_every_offered_sop_class_is_known_to_the_standard():
    unknown = [sop_class for sop_class in STORAGE_SOP_CLASSES if sop_class.is_private or not sop_class.keyword]

    assert ["1.2.840.10008.5.1.4.1.1.66.7"] == unknown  # newer than pydicom's dictionary
    assert len(set(STORAGE_SOP_CLASSES)) == len(STORAGE_SOP_CLASSES)


def test_a_scanner_may_be_kept_to_classic_images():
    offered = {context.abstract_syntax for context in supported_contexts(enhanced=False)}

    assert {VERIFICATION, PROCEDURE_STEP, *STORAGE_SOP_CLASSES} - set(ENHANCED_MR) == offered
