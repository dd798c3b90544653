"""What the live page shows of one series."""

from dataclasses import dataclass
from enum import StrEnum

from daemon.core.values import Stage, State, Verdict


class Choice(StrEnum):
    """What a person may answer to a verdict."""

    REPEATED = "repeated"
    ACCEPTED = "accepted"
    NOT_POSSIBLE = "not_possible"
    WRONG = "wrong"


def is_rejection(choice: str, state: str) -> bool:
    """Whether an answer to the verdict ``state`` says that the images are not good: no reference for others.

    Repeated and not to be repeated are; a wrong call is where the verdict had accepted them.
    """
    return choice in {Choice.REPEATED, Choice.NOT_POSSIBLE} or (choice == Choice.WRONG and state == State.ACCEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person answered to the verdict ``state`` of a series; ``by``: the user's name."""

    choice: Choice
    state: State
    reason: str
    by: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """The later series of the same protocol and exam, and what it was judged."""

    card_id: str
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One series as the live page shows it; ``card_id`` is an opaque token, never a UID.

    ``scanner`` is the configured alias of the calling AE, ``description`` the protocol's name, ``number`` the series
    number. ``seconds`` counts from the last image to the verdict. ``superseded`` marks a verdict that a later image has
    overtaken, ``cleared`` one whose picture is no longer kept. ``expected``: how many images the header announced.
    ``exam``: the id of the exam that it is shown in. ``calls``: somebody is to do something about it now.
    """

    card_id: str
    scanner: str
    description: str
    stage: Stage
    images: int
    received_at: float
    verdict: Verdict | None = None
    seconds: float | None = None
    partial: bool = False
    superseded: bool = False
    revision: int = 1
    cleared: bool = False
    expected: int | None = None
    number: int | None = None
    answer: Answer | None = None
    repeat: Repeat | None = None
    exam: str = ""
    calls: bool = False
