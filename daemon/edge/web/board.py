"""What the live page shows: the exams, their stored results, and the series that are still coming in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from daemon.core.people.card import Answer, Card
from daemon.core.people.exams import Exam, ExamView, arrange
from daemon.core.people.usual_list import ListCheck, check_list
from daemon.core.ports import Board
from daemon.core.values import Incoming, Stage
from daemon.edge.database.answers import Answers
from daemon.edge.database.patience import unless_gone
from daemon.edge.database.results import Record, Results
from daemon.edge.database.studies.exams import Entry, Exams
from daemon.edge.files.reports import Reports
from daemon.edge.supervisor import Loop, Supervisor

_T = TypeVar("_T")


class SupervisedBoard:
    """Another board, of which a fault costs one answer: the page shows what it showed last."""

    def __init__(self, board: Board, supervisor: Supervisor) -> None:
        self._board = board
        self._supervisor = supervisor
        self._shown: Sequence[ExamView] = ()
        self._views: dict[str, ExamView | None] = {}

    def version(self) -> int:
        """Grows with every change of anything shown."""
        return self._board.version()

    def current(self) -> Sequence[ExamView]:
        """The exam that each scanner is at."""
        self._shown = self._supervisor.item(Loop.PAGE, self._board.current, lambda _: self._shown)
        return self._shown

    def scanner(self, name: str) -> ExamView | None:
        """The exam that one scanner is at; None where it is unknown."""
        return self._last(f"scanner {name}", lambda: self._board.scanner(name))

    def exam(self, exam_id: str) -> ExamView | None:
        """One exam, over or not; None where it is unknown."""
        return self._last(f"exam {exam_id}", lambda: self._board.exam(exam_id))

    def earlier(self, scanner: str, limit: int) -> Sequence[ExamView]:
        """The newest exams of a scanner that are over, newest first."""
        return self._supervisor.item(Loop.PAGE, lambda: self._board.earlier(scanner, limit), lambda _: ())

    def picture(self, card_id: str) -> bytes | None:
        """The summary picture of a card as PNG; None while there is none, or none can be read."""
        return self._supervisor.item(Loop.PAGE, lambda: self._board.picture(card_id), lambda _: None)

    def _last(self, key: str, look: Callable[[], ExamView | None]) -> ExamView | None:
        view = self._supervisor.item(Loop.PAGE, look, lambda _: self._views.get(key))
        if view is not None:
            self._views = {**self._views, key: view} if len(self._views) < _REMEMBERED else {key: view}
        return view


_REMEMBERED = 64
#: Exams whose view is kept: of a dozen scanners those of a day.
_VIEWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where all that the page shows is kept."""

    exams: Exams
    results: Results
    answers: Answers
    reports: Reports


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """All that the view of an exam follows from: its series as ``Exams.changes`` tells them, and those still open."""

    exam: Exam
    changes: tuple[int, int] | None
    opened: tuple[tuple[Incoming, Entry], ...]

    @classmethod
    def of(
        cls, exam: Exam, changes: tuple[int, int] | None, incoming: Sequence[Incoming], entries: Mapping[str, Entry]
    ) -> "_Known":
        """What is known of one exam."""
        pairs = [(one, entry) for one in incoming if (entry := entries.get(one.series_instance_uid))]
        opened = tuple((one, entry) for one, entry in pairs if entry.exam_id == exam.exam_id)
        return cls(exam=exam, changes=changes, opened=opened)


class ExamBoard:
    """The page's board over the database.

    ``incoming`` gives a number that grows as images arrive, and the series that are still open; ``card_id`` the token
    of a series.
    """

    def __init__(
        self, kept: Kept, incoming: Callable[[], tuple[int, Sequence[Incoming]]], card_id: Callable[[str], str]
    ) -> None:
        self._exams = kept.exams
        self._results = kept.results
        self._answers = kept.answers
        self._reports = kept.reports
        self._incoming = incoming
        self._card_id = card_id
        self._version = 0
        self._current: Sequence[ExamView] = ()
        self._earlier: Mapping[str, Sequence[Sequence[str]]] = {}
        self._views: Mapping[str, tuple[_Known, ExamView]] = {}

    def version(self) -> int:
        """Grows with every change of anything shown; stands still while the database does not answer."""
        with unless_gone():
            self._version = self._results.version()
        return self._version + self._incoming()[0]

    def current(self) -> Sequence[ExamView]:
        """The exam that each scanner is at; while the database does not answer, what was given last."""
        self._current = _unless_gone(lambda: self._viewed(self._exams.current()), self._current)
        return self._current

    def scanner(self, name: str) -> ExamView | None:
        """The exam that one scanner is at; None where it is unknown."""
        last = [view for view in self._current if view.exam.scanner == name]
        of_scanner = _unless_gone(
            lambda: self._viewed([exam for exam in self._exams.current() if exam.scanner == name]), last
        )
        return next(iter(of_scanner), None)

    def exam(self, exam_id: str) -> ExamView | None:
        """One exam, over or not; None where it is unknown, or the database does not answer."""
        exam = _unless_gone(lambda: self._exams.exam(exam_id), None)
        return _unless_gone(lambda: self._viewed([exam])[0], None) if exam else None

    def earlier(self, scanner: str, limit: int) -> Sequence[ExamView]:
        """The newest exams of a scanner that are over, newest first."""
        none: list[Exam] = []
        exams = _unless_gone(lambda: self._exams.of_scanner(scanner, limit + 1), none)
        over = [exam for exam in exams if exam.over_at is not None][:limit]
        return _unless_gone(lambda: self._viewed(over), [])

    def picture(self, card_id: str) -> bytes | None:
        """The summary picture of a card as PNG; None while there is none."""
        record = None
        with unless_gone():
            record = self._results.newest(card_id)
        if record is None or record.verdict is None:
            return None
        path = self._reports.picture(card_id, record.revision)
        return path.read_bytes() if path.exists() else None

    def _viewed(self, exams: Sequence[Exam]) -> list[ExamView]:
        """The exams with their cards; those of which nothing has changed since are not read again."""
        incoming = self._incoming()[1]
        entries = self._exams.entries(one.series_instance_uid for one in incoming)
        changes = self._exams.changes([exam.exam_id for exam in exams])
        return [self._view(_Known.of(exam, changes.get(exam.exam_id), incoming, entries)) for exam in exams]

    def _view(self, known: "_Known") -> ExamView:
        exam_id = known.exam.exam_id
        last, view = self._views.get(exam_id, (None, None))
        if view is None or last != known:
            view = self._read(known)
            self._views = {**(self._views if len(self._views) < _VIEWS else {}), exam_id: (known, view)}
        return view

    def _read(self, known: "_Known") -> ExamView:
        exam = known.exam
        records = self._results.of_exam(exam.exam_id)
        entries = self._exams.entries(record.series_instance_uid for record in records)
        answers = self._answers.of(record.card_id for record in records)
        opened = [_open_card(one, entry, exam, self._card_id(one.series_instance_uid)) for one, entry in known.opened]
        closed = [_card(record, entries, exam, answers) for record in records]
        return replace(arrange(exam, _newest([*opened, *closed])), listed=self._listed(exam))

    def _listed(self, exam: Exam) -> ListCheck:
        """The exam beside its usual list; those before it are read once, for they are over."""
        if exam.exam_id not in self._earlier:
            kept = self._earlier if len(self._earlier) < _REMEMBERED else {}
            self._earlier = {**kept, exam.exam_id: self._exams.earlier_lists(exam)}
        return check_list(self._exams.protocols(exam.exam_id), self._earlier[exam.exam_id])


def _unless_gone(look: Callable[[], _T], otherwise: _T) -> _T:
    """What a look at the database gives; ``otherwise`` where it does not answer."""
    found = [otherwise]
    with unless_gone():
        found = [look()]
    return found[0]


def _newest(cards: Iterable[Card]) -> list[Card]:
    """The newest revision of each card; one without a verdict yet keeps the last one, as overtaken."""
    alike: dict[str, list[Card]] = {}
    for card in sorted(cards, key=lambda card: -card.revision):
        alike.setdefault(card.card_id, []).append(card)
    return [_overtaking(ones) for ones in alike.values()]


def _overtaking(revisions: Sequence[Card]) -> Card:
    newest = revisions[0]
    verdict = next((one.verdict for one in revisions if one.verdict), None)
    return newest if newest.verdict or not verdict else replace(newest, verdict=verdict, superseded=True)


def _open_card(series: Incoming, entry: Entry, exam: Exam, card_id: str) -> Card:
    return Card(
        card_id=card_id,
        scanner=exam.scanner,
        description=entry.protocol,
        stage=Stage.RECEIVING,
        images=series.images,
        received_at=series.last_received_at,
        revision=series.revision,
        expected=series.expected,
        number=entry.number,
    )


def _card(record: Record, entries: Mapping[str, Entry], exam: Exam, answers: Mapping[str, Answer]) -> Card:
    entry = entries.get(record.series_instance_uid)
    return Card(
        card_id=record.card_id,
        scanner=exam.scanner,
        description=record.description or (entry.protocol if entry else ""),
        stage=record.stage,
        images=record.images,
        received_at=record.last_received_at,
        verdict=record.verdict,
        seconds=record.seconds.get("verdict"),
        partial=record.partial,
        revision=record.revision,
        cleared=record.cleared,
        number=entry.number if entry else None,
        answer=answers.get(record.card_id),
    )
