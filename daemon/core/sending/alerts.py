"""The life of an alert about a rescan: owed until it is delivered, or at its end without having arrived."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HOUR_S: Final = 3600.0


class AlertOutcome(StrEnum):
    """What became of an alert; FAILED is one attempt's, and leaves it owed; ESCALATED was delivered to a second target.

    NEEDLESS: an escalation that nobody needs any more. SUMMARISED: told together with others, over the cap of an hour.
    """

    DELIVERED = "delivered"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    ACKNOWLEDGED = "acknowledged"
    EXPIRED = "expired"
    GIVEN_UP = "given_up"
    ESCALATED = "escalated"
    NEEDLESS = "needless"
    SUMMARISED = "summarised"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedAlert:
    """What one target is owed about one series and revision, and what is known of it by now.

    ``withdrawal``: it takes an earlier alert back. ``attempts`` that failed; ``trouble``: the last thing that went
    wrong. ``last_received_at``: when the last image came, epoch seconds. ``superseded``: a later revision was judged.
    ``patient_left``: another study has come from the scanner since, or its exam is over. ``answered``: a person has
    answered the verdict on the page. ``repeated``: a later series of the same protocol and exam was judged. ``told``:
    the target took an earlier alert about the series, and none that took it back. ``held``: it waits for the cap of an
    hour, and was not tried yet.
    """

    series_instance_uid: str
    revision: int
    target: str
    withdrawal: bool
    owed_at: float
    attempts: int
    trouble: str
    last_received_at: float
    superseded: bool
    patient_left: bool
    told: bool
    answered: bool = False
    repeated: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one target took within the last hour: when each single alert, oldest first, and when the last summary."""

    singly: Sequence[float]
    together: float | None


class Way(StrEnum):
    """How an alert goes out under the cap of an hour."""

    SINGLY = "singly"
    TOGETHER = "together"
    LATER = "later"


def end_unsent(alert: OwedAlert, now: float, expire_s: float, *, escalates: bool = False) -> AlertOutcome | None:
    """How an alert ends without another attempt; None while it is worth one.

    Each is tried once even where the next study is there already: several scanners may send under one AE title. One
    that ``escalates`` is for a patient who still lies there, and whose rescan nobody has dealt with.
    """
    if alert.superseded or (alert.withdrawal and not alert.told):
        return AlertOutcome.WITHDRAWN
    if alert.withdrawal:
        return _worn_out(alert, now, expire_s)
    if escalates and (alert.answered or alert.repeated or (alert.patient_left and not alert.attempts)):
        return AlertOutcome.NEEDLESS
    if alert.answered:
        return AlertOutcome.ACKNOWLEDGED
    return _worn_out(alert, now, expire_s)


def way(alert: OwedAlert, told: Told, per_hour_max: int) -> Way:
    """How an alert goes to a target that took ``told`` already: at most so many singly, and one summary, an hour.

    One that was held until its patient had left is told in a summary alone.
    """
    late = alert.held and alert.patient_left
    if alert.withdrawal or (len(told.singly) < per_hour_max and not late):
        return Way.SINGLY
    return Way.TOGETHER if told.together is None else Way.LATER


def free_at(told: Told, per_hour_max: int) -> float:
    """When the next alert may go out, singly or together; epoch seconds."""
    ends = [told.singly[-per_hour_max]] if len(told.singly) >= per_hour_max else []
    return min([*ends, *([] if told.together is None else [told.together])], default=0.0) + HOUR_S


def _worn_out(alert: OwedAlert, now: float, expire_s: float) -> AlertOutcome | None:
    if alert.held:
        return None
    late = now - alert.last_received_at > expire_s or (alert.attempts and alert.patient_left)
    return AlertOutcome.EXPIRED if late else None
