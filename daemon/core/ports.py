"""The seams: where two shipped implementations exist, the inner floors know only these."""

from collections.abc import Sequence
from typing import Protocol

from daemon.core.steps import StepArrival, StepReport
from daemon.core.values import Arrival, Card, Instance, ReportObject


class ReadInstance(Protocol):
    """Reads the header of an arrival; never raises for content."""

    def __call__(self, arrival: Arrival, dataset: bytes) -> Instance:
        """The instance, from the encoded data set."""


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


class Board(Protocol):
    """What the live page shows."""

    def version(self) -> int:
        """Grows with every change of any card."""

    def cards(self, limit: int) -> Sequence[Card]:
        """The newest ``limit`` cards, newest first."""

    def picture(self, card_id: str) -> bytes | None:
        """The summary picture of a card as PNG; None while there is none."""
