"""The life of an alert about a rescan: owed until it is delivered, or at its end without having arrived."""

from dataclasses import dataclass
from enum import StrEnum


class AlertOutcome(StrEnum):
    """What became of an alert; FAILED is one attempt's, and leaves it owed."""

    DELIVERED = "delivered"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    ACKNOWLEDGED = "acknowledged"
    EXPIRED = "expired"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedAlert:
    """What one target is owed about one series and revision, and what is known of it by now.

    ``withdrawal``: it takes an earlier alert back. ``attempts`` that failed; ``trouble``: the last thing that went
    wrong. ``last_received_at``: when the last image came, epoch seconds. ``superseded``: a later revision was judged.
    ``patient_left``: another study has come from the scanner since, or its exam is over. ``answered``: a person has
    answered the verdict on the page. ``told``: the target took an earlier alert about
    the series, and none that took it back.
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


def end_unsent(alert: OwedAlert, now: float, expire_s: float) -> AlertOutcome | None:
    """How an alert ends without another attempt; None while it is worth one.

    Each is tried once even where the next study is there already: several scanners may send under one AE title.
    """
    if alert.superseded or (alert.withdrawal and not alert.told):
        return AlertOutcome.WITHDRAWN
    if alert.answered and not alert.withdrawal:
        return AlertOutcome.ACKNOWLEDGED
    if now - alert.last_received_at > expire_s or (alert.attempts and alert.patient_left):
        return AlertOutcome.EXPIRED
    return None
