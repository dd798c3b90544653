"""What becomes of stored results on the page's board, on a real SQLite file."""

from dataclasses import replace

import pytest
from builders.values import instance

from daemon.core.errors import Reason
from daemon.core.values import ClosedBy, Series
from daemon.core.verdict import decline
from daemon.edge.database.index import Index
from daemon.edge.database.results import Published, Results
from daemon.edge.files.reports import Reports
from daemon.edge.web.board import ResultsBoard


class Site:
    """An index, its results and their board."""

    def __init__(self, engine, folder):
        self.index, self.results = Index(engine, b"key"), Results(engine)
        self.board = ResultsBoard(self.results, Reports(folder), {}, lambda: (0, ()), self.index.card_id)
        self._closed = 0

    def answer(self, uid, verdict, study="1.2", description="dynamic", images=2):
        """Close a series of a study, and answer it."""
        self._closed += 1
        first = 100 * self._closed
        new = [replace(instance(first + n), series_instance_uid=uid, study_instance_uid=study) for n in range(images)]
        self.index.record(new, [], f"1:{self._closed}")
        self.index.close_series(
            Series(
                series_instance_uid=uid,
                study_instance_uid=study,
                revision=1,
                instances=tuple(new),
                closed_by=ClosedBy.RELEASE,
                closed_at=100.0 + self._closed,
                partial=False,
            )
        )
        published = Published(
            verdict=verdict,
            assessment=None,
            description=description,
            seconds={"verdict": 1.0},
            objects={},
            bundle="b",
            at=200.0,
        )
        self.results.publish(uid, 1, published, (), lambda: None)


@pytest.fixture
def site(engine, tmp_path):
    return Site(engine, tmp_path)


SMALL, OTHER = decline(Reason.TOO_FEW, "1 slice"), decline(Reason.UNROUTED, "a localizer")
ACCEPTED = replace(SMALL, state="ACCEPT", not_assessed=None, reasons=())


def test_a_study_of_tiny_series_is_one_card(site):
    for n in range(60):
        site.answer(f"1.2.3.{n}", SMALL)
    (card,) = site.board.cards(40)

    assert (60, 120, site.index.card_id("1.2.3.59")) == (card.series, card.images, card.card_id)
    assert SMALL == card.verdict


def test_what_was_judged_is_never_folded_nor_pushed_out(site):
    site.answer("1.2.9", ACCEPTED)
    for n in range(60):
        site.answer(f"1.2.3.{n}", SMALL)
    site.answer("1.2.10", ACCEPTED)

    assert [1, 60, 1] == [card.series for card in site.board.cards(40)]


@pytest.mark.parametrize(
    "different", [{"study": "1.5"}, {"description": "t2"}, {"verdict": OTHER}], ids=["study", "protocol", "reason"]
)
def test_series_of_another_study_protocol_or_reason_have_a_card_of_their_own(site, different):
    site.answer("1.2.3.1", SMALL)
    site.answer("1.2.3.2", **{"verdict": SMALL} | different)

    assert [1, 1] == [card.series for card in site.board.cards(40)]
