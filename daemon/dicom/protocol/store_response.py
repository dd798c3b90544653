"""The Store Instances Response Module (PS3.18 I.2) as DICOM JSON (PS3.18 F.2): what a server says of one instance."""

import json
from dataclasses import dataclass
from typing import Any

#: Attributes of the module as DICOM JSON names them.
_REFERENCED, _FAILED, _UID = "00081199", "00081198", "00081155"
_FAILURE_REASON, _WARNING_REASON = "00081197", "00081196"
_STATUS_MAX = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOutcome:
    """Of one instance: ``failure``, its reason; ``warning``, that of a stored one, 0 without. Both None: not named."""

    failure: int | None = None
    warning: int | None = None


def read_outcome(body: bytes, sop_instance_uid: str) -> StoreOutcome:
    """What an answer says of one instance; an answer of any other shape names nobody.

    Its nesting and its elements are bounded by its bytes, which are the caller's to bound.
    """
    answer = _parse(body)
    for item in _items(answer, _FAILED):
        if _value(item, _UID) == sop_instance_uid:
            return StoreOutcome(failure=_number(item, _FAILURE_REASON))
    for item in _items(answer, _REFERENCED):
        if _value(item, _UID) == sop_instance_uid:
            return StoreOutcome(warning=_number(item, _WARNING_REASON))
    return StoreOutcome()


def _parse(body: bytes) -> dict[str, Any]:
    """The answer's data set; empty where it is none."""
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):  # no JSON; nested deeper than any data set
        return {}
    found = found[0] if isinstance(found, list) and found else found
    return found if isinstance(found, dict) else {}


def _items(answer: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    return [item for item in _values(answer, tag) if isinstance(item, dict)]


def _value(item: dict[str, Any], tag: str) -> object:
    return next(iter(_values(item, tag)), None)


def _values(item: dict[str, Any], tag: str) -> list[Any]:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def _number(item: dict[str, Any], tag: str) -> int:
    """A status code; 0 where there is none."""
    value = _value(item, tag)
    return value if type(value) is int and 0 <= value <= _STATUS_MAX else 0
