"""What the live page shows: the stored results, and the series that are still coming in."""

from collections.abc import Callable, Mapping, Sequence

from daemon.core.card import Card
from daemon.core.ports import Board
from daemon.core.values import Incoming, Stage
from daemon.edge.database.patience import unless_gone
from daemon.edge.database.results import Record, Results
from daemon.edge.files.reports import Reports
from daemon.edge.supervisor import Loop, Supervisor

#: Of so many records a card is made of the newest: some scanners send a series a slice, or a time point.
_LOOKED_AT = 5


class SupervisedBoard:
    """Another board, of which a fault costs one answer: the page shows the cards that it showed last."""

    def __init__(self, board: Board, supervisor: Supervisor) -> None:
        self._board = board
        self._supervisor = supervisor
        self._shown: Sequence[Card] = ()

    def version(self) -> int:
        """Grows with every change of any card."""
        return self._board.version()

    def cards(self, limit: int) -> Sequence[Card]:
        """The newest ``limit`` cards, newest first."""
        self._shown = self._supervisor.item(Loop.PAGE, lambda: self._board.cards(limit), lambda _: self._shown)
        return self._shown

    def picture(self, card_id: str) -> bytes | None:
        """The summary picture of a card as PNG; None while there is none, or none can be read."""
        return self._supervisor.item(Loop.PAGE, lambda: self._board.picture(card_id), lambda _: None)


class ResultsBoard:
    """The page's board over the database.

    ``incoming`` gives a number that grows as images arrive, and the series that are still open; ``card_id`` the token
    of a series.
    """

    def __init__(
        self,
        results: Results,
        reports: Reports,
        scanners: Mapping[str, str],
        incoming: Callable[[], tuple[int, Sequence[Incoming]]],
        card_id: Callable[[str], str],
    ) -> None:
        self._results = results
        self._reports = reports
        self._scanners = scanners
        self._incoming = incoming
        self._card_id = card_id
        self._version = 0
        self._cards: Sequence[Card] = ()

    def version(self) -> int:
        """Grows with every change of any card; stands still while the database does not answer."""
        with unless_gone():
            self._version = self._results.version()
        return self._version + self._incoming()[0]

    def cards(self, limit: int) -> Sequence[Card]:
        """The newest ``limit`` cards, newest first; a series that came in again shows its newest revision only.

        While the database does not answer, those that it gave last.
        """
        with unless_gone():
            records = [record for record in self._results.records(_LOOKED_AT * limit) if not record.superseded]
            self._cards = [self._card(alike[0], alike) for alike in _together(records)]
        newest = self._cards
        incoming = [self._open_card(series) for series in self._incoming()[1]]
        reopened = {card.card_id for card in incoming}
        return [*incoming, *(card for card in newest if card.card_id not in reopened)][:limit]

    def picture(self, card_id: str) -> bytes | None:
        """The summary picture of a card as PNG; None while there is none."""
        record = None
        with unless_gone():
            record = self._results.newest(card_id)
        if record is None or record.verdict is None:
            return None
        path = self._reports.picture(card_id, record.revision)
        return path.read_bytes() if path.exists() else None

    def _open_card(self, series: Incoming) -> Card:
        return Card(
            card_id=self._card_id(series.series_instance_uid),
            scanner=self._scanners.get(series.calling_ae, series.calling_ae),
            description="",
            stage=Stage.RECEIVING,
            images=series.images,
            received_at=series.last_received_at,
            revision=series.revision,
        )

    def _card(self, record: Record, alike: Sequence[Record]) -> Card:
        return Card(
            card_id=record.card_id,
            scanner=self._scanners.get(record.calling_ae, record.calling_ae),
            description=record.description,
            stage=record.stage,
            images=sum(one.images for one in alike),
            series=len(alike),
            received_at=record.last_received_at,
            verdict=record.verdict,
            seconds=record.seconds.get("verdict"),
            partial=record.partial,
            superseded=record.superseded,
            revision=record.revision,
            cleared=record.cleared,
        )


def _together(records: Sequence[Record]) -> list[list[Record]]:
    """The records of each card: one for those of a study and protocol that are not judged for the same reason."""
    alike: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        why = record.verdict.not_assessed if record.verdict else None
        shared = (record.study_instance_uid, record.calling_ae, record.description, why or "")
        alike.setdefault(shared if why and record.study_instance_uid else (record.card_id,), []).append(record)
    return list(alike.values())
