"""What leaves of the reports: what is delivered everywhere and old, never what is owed; and what is known of it after.

``SCANSIDE_SERIES`` sets how many series a simulated site judges (a short run by default).
"""

import os

import pytest
from builders.running.outbox import owe, save, sop_uid
from builders.running.spool import spool_settings

from daemon.core.reception.retention import Kind, Retention
from daemon.core.values import Stage
from daemon.edge.database.answers import Answers
from daemon.edge.database.inventory import Inventory
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.pledges import Pledges
from daemon.edge.database.results import Results
from daemon.edge.database.studies.exams import Exams
from daemon.edge.files.reports import Reports
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.spool.writer import SpoolWriter, shortage
from daemon.edge.web.board import ExamBoard, Kept
from daemon.retention import Pruner

SERIES = int(os.environ.get("SCANSIDE_SERIES", "120"))
DAY_S = 86_400.0
PICTURE = b"\x89PNG" + bytes(996)
BOTH = ("SC", "SR")


class Site:
    """A database and the reports beside it; time is what the test says."""

    def __init__(self, engine, folder):
        self.engine, self.folder = engine, folder / "reports"
        self.reports, self.results = Reports(self.folder), Results(engine)
        self.outbox, self.pledges = Outbox(engine), Pledges(engine)
        SpoolWriter(spool_settings(folder / "spool")).close()
        self.spool = SpoolReader(folder / "spool")

    def judge(self, number, at=100.0, to=("pacs",), kinds=BOTH):
        """Series ``number``, answered at ``at``, owes each kind to each destination; its card."""
        uid = owe(self.engine, number, kinds=kinds, to=to, at=at)
        for kind in kinds:
            save(self.reports, number, kind)
        card = self.results.record(uid, 1).card_id
        if kinds:
            self.reports.picture(card, 1).write_bytes(PICTURE)
        return uid

    def deliver(self, to="pacs", at=100.0, **settings):
        while delivery := self.outbox.claim(to, "worker", at):
            self.outbox.delivered(delivery, at, **settings)

    def pruner(self, shortage=lambda: 0, **settings):
        return Pruner(self.spool, self.reports, Inventory(self.engine), Retention(**settings), shortage)

    def prune(self, now, **settings):
        """The reports that go at a time."""
        return [stock for stock in self.pruner(**settings).prune(now) if stock.kind is Kind.REPORT]

    def kept(self):
        return {path.name for path in self.folder.iterdir()}

    def used(self):
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def board(self):
        exams = Exams(self.engine, b"key")
        exams.adopt({})
        kept = Kept(exams=exams, results=self.results, answers=Answers(self.engine), reports=self.reports)
        board = ExamBoard(kept, lambda: (0, ()), str)
        return board, {card.card_id: card for view in board.current() for card in view.cards}


@pytest.fixture
def site(engine, tmp_path):
    return Site(engine, tmp_path)


def test_a_report_leaves_once_it_is_delivered_everywhere_and_old(site):
    site.judge(1, to=("pacs", "share"))
    site.deliver("pacs")
    assert [] == site.prune(60 * DAY_S)
    site.deliver("share", at=50 * DAY_S)

    assert [] == site.prune(80 * DAY_S)
    assert 3 == len(site.kept())
    (gone,) = site.prune(80.1 * DAY_S)
    assert len(PICTURE) < gone.size_bytes
    assert set() == site.kept()
    assert [] == site.prune(90 * DAY_S)


def test_what_is_parked_owed_or_to_be_committed_stays_however_old(site):
    site.judge(1, to=("picky",))
    while delivery := site.outbox.claim("picky", "worker", 100.0):
        site.outbox.park(delivery, "refused")
    site.judge(2, to=("away",))
    site.judge(3, to=("archive",))
    site.deliver("archive", commitment=True)
    site.judge(4, to=("archive",), kinds=("SR",))
    site.deliver("archive", commitment=True)
    assert [] == site.prune(1000 * DAY_S, max_bytes=1)
    asked = site.pledges.claim("archive", "2.25.99", 200.0, 300.0)
    assert [] == site.prune(1000 * DAY_S, max_bytes=1)
    site.pledges.give_up("archive", 1e9)

    assert {sop_uid(3), sop_uid(3, "SC"), sop_uid(4)} == set(asked)
    assert 2 == len(site.prune(1000 * DAY_S))
    assert {f"{sop_uid(number, kind)}.dcm" for number in (1, 2) for kind in BOTH} <= site.kept()
    site.outbox.requeue(400.0, destination="picky")
    site.deliver("picky", at=500.0)
    assert 1 == len(site.prune(1000 * DAY_S))


def test_what_is_known_of_a_series_stays_and_the_page_says_that_its_picture_went(site):
    uid = site.judge(1)
    site.judge(2, kinds=())  # answered, with no report and no picture
    site.deliver()
    before = site.results.version()
    record = site.results.record(uid, 1)
    site.prune(60 * DAY_S)
    after = site.results.record(uid, 1)
    board, cards = site.board()

    assert not record.cleared
    assert after.cleared
    assert (record.verdict, record.objects, Stage.DONE) == (after.verdict, after.objects, after.stage)
    assert before < site.results.version()  # open pages are told
    assert {True, False} == {card.cleared for card in cards.values()}
    assert board.picture(record.card_id) is None


def test_a_report_that_went_can_still_be_superseded(site):
    uid = site.judge(1)
    site.deliver()
    reference = site.reports.reference(sop_uid(1))
    assert site.results.kept_reference(uid, sop_uid(1)) is None
    site.prune(60 * DAY_S)

    assert reference == site.results.kept_reference(uid, sop_uid(1))
    assert sop_uid(1) == site.results.sr_before(uid, 2)


def test_a_damaged_report_goes_as_any_other(site):
    site.judge(1)
    site.judge(2)
    site.deliver()
    (site.folder / f"{sop_uid(1)}.dcm").write_bytes(b"")

    assert 2 == len(site.prune(60 * DAY_S))
    assert set() == site.kept()


def test_one_that_cannot_be_removed_keeps_no_other(site):
    for number in (1, 2, 3):
        site.judge(number)
    site.deliver()
    stuck = site.folder / f"{sop_uid(1)}.dcm"
    stuck.unlink()
    stuck.mkdir()

    assert 2 == len(site.prune(60 * DAY_S))
    assert [stuck.name] == [name for name in site.kept() if name.endswith("2.dcm")]
    assert not site.results.record("1.2.9.1", 1).cleared


@pytest.mark.parametrize("killed_in", ["keep_references", "clear"])
def test_killed_in_the_middle_the_next_turn_ends_it(site, monkeypatch, killed_in):
    uid = site.judge(1)
    site.deliver()
    with monkeypatch.context() as patch:
        patch.setattr(Inventory, killed_in, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            site.prune(60 * DAY_S)
    site.prune(60 * DAY_S)

    assert set() == site.kept()
    assert site.results.kept_reference(uid, sop_uid(1)) is not None


def test_files_of_no_report_leave_when_they_are_old_and_none_that_may_be_of_one_being_published(site):
    for name, age_s in (("old.dcm", 31 * DAY_S), ("young.dcm", DAY_S), ("new.dcm", 10.0)):
        (site.folder / name).write_bytes(b"left")
        os.utime(site.folder / name, (100 * DAY_S - age_s,) * 2)

    assert ["old.dcm"] == [stock.name for stock in site.prune(100 * DAY_S)]
    assert ["young.dcm"] == [stock.name for stock in site.prune(100 * DAY_S, max_bytes=1)]
    assert {"new.dcm"} == site.kept()


def test_spool_and_reports_share_one_limit_and_the_oldest_go_first(site):
    for number in (1, 2, 3):
        site.judge(number, at=100.0 * number)
        site.deliver(at=100.0 * number)
    each = site.used() // 3

    spool = sum(segment.size_bytes for segment in site.spool.segments())
    gone = site.prune(400.0, max_bytes=spool + 2 * each)
    assert ["1.2.9.1"] == [uid for uid in ("1.2.9.1", "1.2.9.2", "1.2.9.3") if site.results.record(uid, 1).cleared]
    assert 1 == len(gone)
    assert 1 == len(site.prune(400.0, shortage=lambda: 1))
    assert site.results.record("1.2.9.2", 1).cleared


def test_the_disk_is_short_of_what_the_receiver_would_refuse_at(tmp_path):
    roomy = spool_settings(tmp_path, free_bytes_min=0, used_fraction_max=1.0)
    writer = SpoolWriter(spool_settings(tmp_path / "spool", free_bytes_min=1 << 60))

    assert 0 == shortage(roomy)
    assert 0 < shortage(spool_settings(tmp_path, free_bytes_min=1 << 60))
    assert 0 < shortage(spool_settings(tmp_path, used_fraction_max=0.0))
    assert 0 < shortage(roomy, margin=1.0)
    assert not writer.has_room()
    writer.close()


def test_however_many_series_come_the_disk_holds_those_of_the_time_that_is_kept(site, record_testsuite_property):
    a_day, peak, each = max(4, SERIES // 60), 0, 0
    for number in range(SERIES):
        now = 100.0 + number * DAY_S / a_day
        site.judge(number, at=now)
        site.deliver(at=now)
        each = each or site.used()
        if number % a_day == 0:
            site.prune(now, keep_reports_days=7.0)
            peak = max(peak, site.used())

    assert peak <= each * (7 * a_day + 2) * 1.05
    assert SERIES == len(site.results.records(SERIES + 1))
    record_testsuite_property("retention", f"{SERIES} series, {a_day} a day: at most {peak} of {SERIES * each} bytes")
