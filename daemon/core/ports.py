"""The seams: where two shipped implementations exist, the inner floors know only these."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from daemon.core.people.card import Answer
from daemon.core.people.exams import ExamView
from daemon.core.steps import StepArrival, StepReport
from daemon.core.values import Arrival, Instance, ReportObject, State


class Content(Protocol):
    """The bytes of one encoded object, wherever they lie; nobody needs all of them in memory at once."""

    @property
    def length(self) -> int:
        """In bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, fewer only at the end.

        Raises:
            SpoolError: they can no longer be read.
        """

    def pieces(self) -> Iterator[bytes]:
        """All of it, piece by piece.

        Raises:
            SpoolError: they can no longer be read, or, at their end, are not those that were received.
        """

    def check(self) -> None:
        """See to it, once, that the bytes are those that were received; reads all of them, piece by piece.

        Raises:
            SpoolError: they are not, or can no longer be read.
        """


class ReadInstance(Protocol):
    """Reads the header of an arrival; never raises for what it says."""

    def __call__(self, arrival: Arrival, dataset: Content) -> Instance:
        """The instance, from the encoded data set.

        Raises:
            SpoolError: the data set can no longer be read, or is not what was received.
        """


class ReadReport(Protocol):
    """Reads the report of a procedure step; never raises for content."""

    def __call__(self, arrival: StepArrival, encoded: bytes) -> StepReport:
        """What it says, from the encoded data set."""


class Destination(Protocol):
    """Takes report objects; delivering the same object twice leaves one."""

    @property
    def name(self) -> str:
        """How the configuration calls it."""

    def deliver(self, report_object: ReportObject) -> str:
        """Deliver one object; what the destination remarked about it, empty where nothing.

        Raises:
            DeliveryRefused: permanently refused.
            DeliveryFailed: worth another attempt.
            DestinationUnreachable: worth another attempt, and nothing else will go through before.
        """


class ExamBook(Protocol):
    """Is told what a scanner sends, and keeps which exam it is at."""

    def receive(self, instance: Instance) -> None:
        """An image came; only a series' first says something new."""

    def step(self, arrival: StepArrival) -> None:
        """A procedure step was reported."""


class AnswerBook(Protocol):
    """Keeps what people answer to verdicts."""

    def judged(self, card_id: str, revision: int) -> State | None:
        """The verdict of a revision of a card; None where there is none."""

    def give(self, card_id: str, revision: int, answer: Answer) -> None:
        """Keep an answer; it takes the place of an earlier one."""

    def take_back(self, card_id: str, revision: int, answer: Answer) -> None:
        """Keep that the answer no longer holds."""


class Board(Protocol):
    """What the live page shows."""

    def version(self) -> int:
        """Grows with every change of anything shown."""

    def current(self) -> Sequence[ExamView]:
        """The exam that each scanner is at."""

    def scanner(self, name: str) -> ExamView | None:
        """The exam that one scanner is at; None where it is unknown."""

    def exam(self, exam_id: str) -> ExamView | None:
        """One exam, over or not; None where it is unknown."""

    def earlier(self, scanner: str, limit: int) -> Sequence[ExamView]:
        """The newest exams of a scanner that are over, newest first."""

    def picture(self, card_id: str) -> bytes | None:
        """The summary picture of a card as PNG; None while there is none."""
