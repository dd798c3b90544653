"""What the page shows, whom it asks, and where it keeps what people answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from daemon.core.ports import AnswerBook, Board
from daemon.core.words import Language
from daemon.edge.web.access import Gate

#: Sentences for people; empty where there is nothing to say.
Ready = Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything behind the page; asked from several threads, and often.

    ``gate``: who comes in; ``ready``: what keeps the daemon from judging series; ``notices``: what somebody should know
    besides; ``language``: of the page's own words; ``shadow``: verdicts are not shown.
    """

    board: Board
    answers: AnswerBook
    gate: Gate
    ready: Ready
    notices: Ready = tuple
    language: Language = Language.ENGLISH
    shadow: bool = False
