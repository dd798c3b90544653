"""What the page shows, whom it asks, and where it keeps what people answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from daemon.core.people.translation import Translation
from daemon.core.people.words import Language
from daemon.core.ports import AnswerBook, Board
from daemon.edge.database.trends.calls import Calls
from daemon.edge.database.trends.history import Histories
from daemon.edge.database.trends.quality import Quality
from daemon.edge.web.access import Gate
from daemon.edge.web.pages.deeds import Deeds

#: Sentences for people; empty where there is nothing to say.
Ready = Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the pages beside the live one are asked of; ``open_uid``: the UID of an open series behind a card."""

    quality: Quality
    calls: Calls
    histories: Histories
    deeds: Deeds
    open_uid: Callable[[str], str | None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything behind the page; asked from several threads, and often.

    ``gate``: who comes in; ``ready``: what keeps the daemon from judging series; ``notices``: what somebody should know
    besides; ``language``: of the page's own words; ``translation``: of what verdicts say; ``shadow``: verdicts are
    not shown. ``rooms``: behind the pages of scanners and series, None where there are none.
    """

    board: Board
    answers: AnswerBook
    gate: Gate
    ready: Ready
    notices: Ready = tuple
    language: Language = Language.ENGLISH
    translation: Translation = field(default_factory=Translation)
    shadow: bool = False
    rooms: Rooms | None = None
