"""What the page shows in shadow mode: that series come, and nothing of what they were judged."""

from collections.abc import Sequence
from dataclasses import replace

from daemon.core.people.card import Card
from daemon.core.people.exams import ExamView
from daemon.core.ports import Board


class ShadowBoard:
    """Another board without verdicts, answers and pictures."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def version(self) -> int:
        """Grows with every change of anything shown."""
        return self._board.version()

    def current(self) -> Sequence[ExamView]:
        """The exam that each scanner is at."""
        return [_veiled(view) for view in self._board.current()]

    def scanner(self, name: str) -> ExamView | None:
        """The exam that one scanner is at; None where it is unknown."""
        view = self._board.scanner(name)
        return view and _veiled(view)

    def exam(self, exam_id: str) -> ExamView | None:
        """One exam, over or not; None where it is unknown."""
        view = self._board.exam(exam_id)
        return view and _veiled(view)

    def earlier(self, scanner: str, limit: int) -> Sequence[ExamView]:
        """The newest exams of a scanner that are over, newest first."""
        return [_veiled(view) for view in self._board.earlier(scanner, limit)]

    def picture(self, card_id: str) -> bytes | None:  # noqa: ARG002 - the protocol's
        """None: it would show what was found."""
        return None


def _veiled(view: ExamView) -> ExamView:
    cards = sorted(map(_unjudged, view.cards), key=lambda card: (-card.received_at, card.card_id))
    return replace(view, cards=tuple(cards), quiet=())


def _unjudged(card: Card) -> Card:
    return replace(card, verdict=None, seconds=None, answer=None, repeat=None, superseded=False, calls=False)
