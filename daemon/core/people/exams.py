"""An exam: one patient on one scanner for one study, from the first image or step until the next patient comes.

It is never over by time alone: only what the scanner sends says that somebody else lies in it. (An examination, in
contrast, is what a bundle makes of images.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from daemon.core.people.card import Card, Repeat
from daemon.core.people.usual_list import ListCheck
from daemon.core.values import State

#: Scanner clocks are set back by an hour once a year: what was acquired so much earlier is sent again, not new.
_OLDER: Final = timedelta(hours=2)
_TIME: Final = "%Y%m%d%H%M%S"


class PatientHint(StrEnum):
    """What the page may say of who the patient is."""

    NONE = "none"
    INITIALS = "initials"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Whose a series or step is, as its header says; empty where it is silent.

    ``patient``: what tells patients apart, never shown nor stored as it is; ``hint``: what may be shown; ``acquired``:
    the scanner's local time, YYYYMMDDHHMMSS.
    """

    study_instance_uid: str
    patient: str = ""
    hint: str = ""
    protocol: str = ""
    number: int | None = None
    acquired: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """One exam; ``exam_id`` an opaque token, ``hint`` empty unless configured, ``over_at`` when the next one began."""

    exam_id: str
    scanner: str
    hint: str
    began_at: float
    over_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Series of an exam that were not judged for one reason."""

    description: str
    why: str
    series: int
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamView:
    """An exam as the page shows it: ``cards`` in the order in which they matter, and what was not judged.

    ``listed``: the exam beside its usual list.
    """

    exam: Exam
    cards: tuple[Card, ...] = ()
    quiet: tuple[Quiet, ...] = ()
    listed: ListCheck = field(default_factory=ListCheck)


def is_sent_again(acquired: str, current: str) -> bool:
    """Whether images of an unknown study are older than the exam under way: a study sent again, no new patient."""
    mine, theirs = _moment(acquired), _moment(current)
    return mine is not None and theirs is not None and mine < theirs - _OLDER


def has_returned(acquired: str, current: str) -> bool:
    """Whether a patient whose exam was over lies in the scanner again: acquired after all of the exam under way."""
    mine, theirs = _moment(acquired), _moment(current)
    return mine is not None and theirs is not None and mine > theirs


def believed(acquired: str, received_at: float) -> str:
    """The time of acquisition, unless it lies so far in the future that no time zone explains it."""
    moment = _moment(acquired)
    latest = datetime.fromtimestamp(received_at, UTC).replace(tzinfo=None) + timedelta(days=1)
    return acquired if moment is not None and moment <= latest else ""


def arrange(exam: Exam, cards: Iterable[Card]) -> ExamView:
    """The exam's view: what calls for somebody first, then the newest; what was not judged aside."""
    found = sorted(cards, key=lambda card: (-card.received_at, card.card_id))
    linked = [replace(card, exam=exam.exam_id, repeat=_repeat(card, found)) for card in found]
    shown = [replace(card, calls=_calls(card, exam)) for card in linked if not _is_quiet(card)]
    ordered = sorted(shown, key=lambda card: not card.calls)
    return ExamView(exam=exam, cards=tuple(ordered), quiet=_quiet([card for card in found if _is_quiet(card)]))


def _calls(card: Card, exam: Exam) -> bool:
    """A rescan calls until it is answered, repeated, withdrawn, or its exam is over."""
    settled = exam.over_at is not None or card.repeat is not None
    return _standing(card) is State.RESCAN and not settled and not _is_answered(card)


def _is_answered(card: Card) -> bool:
    """An answer holds as long as the verdict says what it said then."""
    return card.answer is not None and card.answer.state is _standing(card)


def _repeat(card: Card, cards: Sequence[Card]) -> Repeat | None:
    """The first judged series of the same protocol that came after one that was to be repeated."""
    if _standing(card) not in (State.RESCAN, State.REVIEW) or not card.description:
        return None
    later = [one for one in cards if one.received_at > card.received_at and one.description == card.description]
    judged = [one for one in later if one.card_id != card.card_id and _standing(one) is not None]
    if not judged:
        return None
    first = min(judged, key=lambda one: one.received_at)
    state = _standing(first)
    return Repeat(card_id=first.card_id, state=state) if state else None


def _standing(card: Card) -> State | None:
    """The verdict that holds: none yet, or none any more."""
    return None if card.verdict is None or card.superseded else card.verdict.state


def _is_quiet(card: Card) -> bool:
    return _standing(card) is State.NOT_ASSESSED


def _quiet(cards: Sequence[Card]) -> tuple[Quiet, ...]:
    alike: dict[tuple[str, str], list[Card]] = {}
    for card in cards:
        why = card.verdict.not_assessed.value if card.verdict and card.verdict.not_assessed else ""
        alike.setdefault((card.description, why), []).append(card)
    return tuple(
        Quiet(description=description, why=why, series=len(ones), images=sum(one.images for one in ones))
        for (description, why), ones in alike.items()
    )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text[:14], _TIME)  # noqa: DTZ007 - the scanner's local time, compared with its own
    except ValueError:
        return None
