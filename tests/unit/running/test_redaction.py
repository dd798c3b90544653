"""A record says only what is listed, in simple values, with tokens for UIDs."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import DeliveryFailed, NotAssessable, Reason
from daemon.core.tokens import token
from daemon.core.values import State
from daemon.edge.telemetry.redaction import FIELDS, Redaction, describe

KEY = b"a key that no other site has"
redact = Redaction(KEY)
components = st.integers(min_value=0, max_value=10**12).map(str)
uids = st.lists(components, min_size=4, max_size=9).map(lambda parts: ".".join(["1", *parts]))


def test_a_token_is_twelve_hexadecimal_digits_that_depend_on_the_key() -> None:
    assert re.fullmatch("[0-9a-f]{12}", token("1.2.3", KEY))
    assert token("1.2.3", KEY) == token("1.2.3", KEY)
    assert token("1.2.3", KEY) != token("1.2.3", KEY + b"!")
    assert token("1.2.3", KEY) != token("1.2.4", KEY)


@given(
    uid=uids,
    before=st.sampled_from(["", "series ", "(", "'", "/spool/", "uid="]),
    after=st.sampled_from(["", ")", "/", ".", " x"]),
)
def test_no_uid_survives_in_any_text(uid: str, before: str, after: str) -> None:
    record = redact(None, "info", {"event": f"{before}{uid}{after}", "detail": f"{before}{uid}{after}"})

    assert uid not in json.dumps(record)


@given(
    st.dictionaries(st.text(), st.none() | st.text() | st.floats() | st.binary() | st.lists(st.text()) | st.integers())
)
def test_every_record_is_json_and_holds_listed_fields_only(fields: dict[str, object]) -> None:
    record = redact(None, "info", dict(fields))

    assert record == json.loads(json.dumps(record, allow_nan=False))
    assert set(record) <= FIELDS | {"scrubbed"}
    assert len(set(fields) - FIELDS - {"exc_info"}) == record.get("scrubbed", 0)


def test_a_field_that_holds_a_uid_is_a_token_whatever_it_looks_like() -> None:
    record = redact(None, "info", {"series": "1.2.3", "workflow": "DOE^JOHN"})

    assert {"series": token("1.2.3", KEY), "workflow": token("DOE^JOHN", KEY)} == record


def test_a_token_stays_as_it_is() -> None:
    assert {"series": "0123456789ab"} == redact(None, "info", {"series": "0123456789ab"})


@pytest.mark.parametrize("text", ["192.168.10.17", "1.2.840.10008.5.1.4.1.1.4", "1.26.0", "10.5 s"])
def test_addresses_versions_and_registered_uids_stay_readable(text: str) -> None:
    assert {"peer": text} == redact(None, "info", {"peer": text})


def test_enumerations_are_written_as_their_value() -> None:
    assert {"verdict": "RESCAN"} == redact(None, "info", {"verdict": State.RESCAN})


def test_what_is_not_simple_is_written_as_its_type() -> None:
    assert {"outcome": "<list>"} == redact(None, "info", {"outcome": ["DOE^JOHN"]})


def test_a_code_of_several_numbers_stays_readable() -> None:
    assert {"code": [1, 1, 7]} == redact(None, "info", {"code": (1, 1, 7)})
    assert {"code": "<tuple>"} == redact(None, "info", {"code": (1, "DOE^JOHN")})


def test_time_level_and_event_come_first() -> None:
    record = redact(None, "info", {"images": 1, "event": "e", "level": "info", "timestamp": "t"})

    assert ["timestamp", "level", "event", "images"] == list(record)


def test_our_own_errors_keep_their_text() -> None:
    assert "slices are missing: 3" == describe(NotAssessable(Reason.INCOMPLETE, "3"))["detail"]


def test_our_own_error_that_quotes_a_foreign_one_loses_its_text() -> None:
    error = DeliveryFailed("the peer said: DOE^JOHN is unknown")
    error.__cause__ = ValueError("DOE^JOHN is unknown")

    assert "detail" not in describe(error)


def test_errors_of_the_system_are_named_by_their_number() -> None:
    error = OSError(28, "No space left on device", "/spool/DOE^JOHN")

    assert {"error": "OSError", "errno": "ENOSPC"} == describe(error)


def test_a_ring_of_causes_ends() -> None:
    first, second = ValueError("a"), TypeError("b")
    first.__cause__, second.__cause__ = second, first

    assert {"error": "ValueError", "caused_by": "TypeError"} == describe(first)
