"""One series step by step: why it stands where it stands, its numbers beside their references, and a case of it.

A case is for support: numbers, versions and times counted from the first image; nothing that a person wrote or a
header said, no name, no UID, no date.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

from daemon.core.measures import Assessment, Measure
from daemon.core.values import Verdict


class Happening(StrEnum):
    """What happened to a series; the page has words for each."""

    FIRST_IMAGE = "first_image"
    LAST_IMAGE = "last_image_came"
    CLOSED = "closed"
    BEGUN = "begun"
    JUDGED = "judged"
    DELIVERED = "delivered"
    PARKED = "parked"
    OWED = "owed"
    ALERTED = "alerted"
    ANSWERED = "answered_with"
    CLEARED = "files_cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, UTC seconds. ``detail``: which signal, verdict, destination ...

    ``safe``: the detail is a word of ours, which no person and no scanner wrote.
    """

    at: float
    what: Happening
    revision: int
    detail: str = ""
    safe: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One revision. ``bundle``: digest of the one that judged; ``software``: of the scanner, as its header says."""

    revision: int
    images: int
    partial: bool
    closed_by: str
    stage: str
    verdict: Verdict | None
    assessment: Assessment | None
    bundle: str
    software: str
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A series: its revisions, the newest first, and what happened, in order."""

    card_id: str
    scanner: str
    protocol: str
    exam: str
    steps: tuple[Step, ...]
    events: tuple[Event, ...]


def numbers_of(assessment: Assessment | None) -> list[dict[str, Any]]:
    """Each measure beside its reference, as plain values; what is no number is null."""
    return [_number(one) for one in assessment.all_measures] if assessment else []


def case_of(history: History, software: str) -> dict[str, Any]:
    """What support gets; ``software``: the version of Scanside."""
    began = min((event.at for event in history.events), default=0.0)
    return {
        "case": history.card_id,
        "exam": history.exam,
        "scanside": software,
        "timeline": [
            {
                "seconds": round(event.at - began, 3),
                "what": event.what.value,
                "revision": event.revision,
                "detail": event.detail if event.safe else "",
            }
            for event in history.events
        ],
        "revisions": [_step(step) for step in history.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    verdict, found = step.verdict, step.assessment
    return {
        "revision": step.revision,
        "images": step.images,
        "partial": step.partial,
        "closed_by": step.closed_by,
        "stage": step.stage,
        "seconds": step.seconds,
        "bundle": step.bundle,
        "state": verdict.state.value if verdict else None,
        "cause": verdict.cause if verdict else None,
        "not_assessed": verdict.not_assessed.name if verdict and verdict.not_assessed else None,
        "rating": verdict.rating if verdict else None,
        "primary": found.primary if found else None,
        "numbers": numbers_of(found),
        "presence": dict(found.presence) if found else {},
        "structures": [asdict(one) for one in found.structures] if found else [],
    }


def _number(one: Measure) -> dict[str, Any]:
    return {
        "name": one.name,
        "place": one.place,
        "value": _finite(one.value),
        "unit": one.unit,
        "evidence": one.evidence.value,
        "limit": _finite(one.limit),
        "p_value": _finite(one.p_value),
        "level": _finite(one.level),
        "usual": [_finite(end) for end in one.usual] if one.usual else None,
        "median": _finite(one.median),
        "score": _finite(one.score),
        "abnormal": one.abnormal,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
