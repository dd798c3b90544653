"""Protocol data units, against pynetdicom's reading of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_RJ, A_RELEASE_RP, P_DATA_TF
from pynetdicom.pdu_items import PresentationDataValueItem

from daemon.core.errors import ProtocolError
from daemon.dicom.protocol.pdu import (
    CALLED_AE_UNKNOWN,
    CALLING_AE_UNKNOWN,
    HEAD,
    LOCAL_LIMIT_EXCEEDED,
    RELEASE_RESPONSE,
    AbortReason,
    encode_abort,
    encode_command,
    encode_rejection,
    fragments,
)


def data_pdu(values) -> bytes:
    """A P-DATA-TF as pynetdicom encodes it, from (context, control, content) triples."""
    pdu = P_DATA_TF()
    for context_id, control, content in values:
        item = PresentationDataValueItem()
        item.presentation_context_id = context_id
        item.presentation_data_value = bytes([control]) + content
        pdu.presentation_data_value_items.append(item)
    return pdu.encode()


_VALUES = st.tuples(st.integers(0, 127).map(lambda half: 2 * half + 1), st.integers(0, 3), st.binary(max_size=300))


@given(st.lists(_VALUES, max_size=5))
def test_fragments_are_what_pynetdicom_put_in(values):
    found = [(part.context_id, part.is_command + 2 * part.is_last, bytes(part.content)) for part in _fragments(values)]

    assert values == found


def _fragments(values):
    return list(fragments(data_pdu(values)[HEAD.size :]))


@given(st.binary(max_size=200))
def test_no_bytes_make_fragments_fail_otherwise_than_by_name(body):
    try:
        found = list(fragments(body))
    except ProtocolError:
        return

    assert len(body) == sum(6 + len(part.content) for part in found)


@pytest.mark.parametrize("body", [b"\0", b"\0\0\0\x01\x01", b"\0\0\0\x01\x01\x03", b"\xff\xff\xff\xff\x01\x03abc"])
def test_lengths_that_do_not_add_up_break_the_protocol(body):
    with pytest.raises(ProtocolError) as caught:
        list(fragments(body))

    assert AbortReason.INVALID_PARAMETER == caught.value.abort_reason


@given(st.integers(0, 127).map(lambda half: 2 * half + 1), st.binary(min_size=1, max_size=300))
def test_a_command_is_sent_as_one_last_command_fragment(context_id, command_set):
    assert data_pdu([(context_id, 3, command_set)]) == encode_command(context_id, command_set)


@pytest.mark.parametrize("rejection", [CALLED_AE_UNKNOWN, CALLING_AE_UNKNOWN, LOCAL_LIMIT_EXCEEDED])
def test_a_rejection_says_what_it_should(rejection):
    pdu = A_ASSOCIATE_RJ()
    pdu.decode(encode_rejection(rejection))

    assert rejection == (pdu.result, pdu.source, pdu.reason_diagnostic)


def test_low_disk_is_the_rejection_that_scanners_know():
    assert (2, 3, 2) == LOCAL_LIMIT_EXCEEDED


@pytest.mark.parametrize("reason", AbortReason)
def test_an_abort_comes_from_the_provider_with_its_reason(reason):
    pdu = A_ABORT_RQ()
    pdu.decode(encode_abort(reason))

    assert (2, reason) == (pdu.source, pdu.reason_diagnostic)


def test_the_release_response_is_the_standards():
    assert A_RELEASE_RP().encode() == RELEASE_RESPONSE
