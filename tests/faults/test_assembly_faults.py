"""One bad arrival costs its series, never the line: damage before and after it was read, headers, rows, restarts."""

import os
import shutil
from dataclasses import replace

import pytest
from builders.images.series import Lattice, classic
from builders.peers.receiver import encoded
from builders.running.assembly import READERS, assembled
from builders.running.damage import arrivals, flip, refuse
from builders.running.spool import association_end, receipt, spool_settings

from daemon.core.errors import NotAssessable, Reason
from daemon.core.judging.routing import Route
from daemon.core.reception import geometry
from daemon.core.reception.completion import Completion, Patience
from daemon.core.values import Algorithm, ClosedBy
from daemon.dicom.reading.headers import read_instance
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_database
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.spool.segments import StepReceipt
from daemon.edge.spool.writer import SpoolWriter
from daemon.line.appraisal import Appraiser
from daemon.line.judgement import SeriesJudge

LATE = 1e12
GOOD = [f"1.2.3.{number}" for number in range(1, 11)]
BAD = "1.2.3.99"
ALGORITHM = Algorithm(bundle="b", bundle_version="1", bundle_digest="d", software_version="1", config_digest="c")


class Site:
    """A spool and an index, and an assembly that is made anew at each look, as after a restart."""

    def __init__(self, folder):
        self.spool = folder / "spool"
        self.writer = SpoolWriter(spool_settings(self.spool))
        self.engine = open_database(f"sqlite:///{folder}/scanside.sqlite")
        self.readers = READERS
        self.stored = 0

    def put(self, payload, association, **facts):
        draft = self.writer.draft()
        draft.add(payload)
        self.writer.append(facts.get("entry") or receipt(association=association, **facts), draft)
        draft.close()

    def send(self, series, lattice=None):
        """The images of a series on an association of its own, released."""
        for k, image in enumerate(classic(lattice, SeriesInstanceUID=series)):
            self.put(encoded(image), series, sop_instance_uid=f"{series}.{k}")
        self.writer.append(association_end(association=series))

    def look(self):
        """Every series that is closed in one run of the daemon, by its UID."""
        assembly = assembled(self.spool, Index(self.engine, b"key"), Completion(Patience()), self.readers)
        assembly.restore(0.0)
        found, read = {}, True
        while read:
            read, closed = assembly.turn(LATE)
            found |= {series.series_instance_uid: series for series in closed}
        assert (False, ()) == assembly.turn(LATE)
        return found

    def judge(self, series):
        """Why a series has no verdict: for lack of a bundle, where nothing else is wrong with it."""

        def no_bundle(_name):
            raise NotAssessable(Reason.UNROUTED)

        routes, read = [Route(name="all", bundle="b")], SpoolReader(self.spool).dataset
        return SeriesJudge(Appraiser(no_bundle, ALGORITHM, routes), read, "s").judge(series, None).verdict.not_assessed


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.writer.close()
    made.engine.dispose()


def send_all(site):
    site.send(BAD)
    for series in GOOD:
        site.send(series)


def of(site, series):
    return [arrival for arrival in arrivals(site.spool) if arrival.association == series]


@pytest.mark.parametrize("place", [-1, 200, 0], ids=["pixel", "header", "first"])
def test_a_bit_that_flips_before_an_image_is_read_costs_its_series_alone(site, place):
    send_all(site)
    flip(site.spool, of(site, BAD)[1], place)
    found = site.look()
    hurt = [series for series in found.values() if any(image.damaged for image in series.instances)]

    assert {*GOOD} == {uid for uid in GOOD if len(found[uid].instances) == len(of(site, uid))}
    assert 1 == len(hurt)
    assert len(of(site, BAD)) == sum(len(s.instances) for uid, s in found.items() if uid not in GOOD)
    assert Reason.LOST is site.judge(hurt[0])
    assert {} == site.look()


def test_a_bit_that_flips_after_an_image_was_read_costs_its_series_alone(site):
    send_all(site)
    found = site.look()
    flip(site.spool, of(site, BAD)[1], -1)

    assert Reason.LOST is site.judge(found[BAD])
    assert Reason.UNROUTED is site.judge(found[GOOD[0]])
    assert {*GOOD, BAD} == {*found}


def test_a_damaged_image_that_is_sent_again_takes_its_place(site):
    send_all(site)
    flip(site.spool, of(site, BAD)[1], -1)
    first = site.look()[BAD]
    site.send(BAD)
    again = site.look()

    assert [BAD] == [*again]
    assert (1, 2) == (first.revision, again[BAD].revision)
    assert len(first.instances) == len(again[BAD].instances)
    assert not any(image.damaged for image in again[BAD].instances)
    assert Reason.UNROUTED is site.judge(again[BAD])
    site.send(BAD)
    assert {} == site.look()


def test_an_image_whose_header_cannot_be_read_is_answered_and_holds_up_no_other(site):
    def read(arrival, dataset):
        if arrival.association == BAD:
            raise RecursionError
        return read_instance(arrival, dataset)

    site.readers = (read, READERS[1])
    send_all(site)
    found = site.look()
    (unread,) = found.keys() - {*GOOD}

    assert {*GOOD} < {*found}
    assert len(of(site, BAD)) == len(found[unread].instances)
    assert Reason.UNREADABLE is site.judge(found[unread])
    assert {} == site.look()


def test_a_report_of_a_step_that_cannot_be_read_holds_up_nothing(site):
    def read_report(_arrival, _encoded):
        raise KeyError

    site.readers = (read_instance, read_report)
    step = StepReceipt(step_uid="1.9", transfer_syntax_uid="1.2.840.10008.1.2", calling_ae="SCANNER", received_at=1.0)
    site.put(b"anything", "a", entry=step)
    send_all(site)

    assert {*GOOD, BAD} == {*site.look()}


def test_positions_that_no_rule_can_work_with_close_as_they_are(site):
    far = ["1e308", "1e308", "1e308"]
    for image in classic(SeriesInstanceUID=BAD, ImagePositionPatient=far, ImageOrientationPatient=["1"] * 6):
        site.put(encoded(image), BAD, sop_instance_uid=str(image.SOPInstanceUID))
    send_all(site)
    found = site.look()

    assert {*GOOD, BAD} == {*found}
    assert Reason.GEOMETRY is site.judge(found[BAD])


def test_a_series_that_a_rule_fails_at_is_closed_as_it_is(site, monkeypatch):
    def cover(instances):
        if any(image.series_instance_uid == BAD for image in instances):
            raise ZeroDivisionError
        return real(instances)

    real = geometry.cover
    monkeypatch.setattr("daemon.core.reception.open_series.cover", cover)
    send_all(site)
    found = site.look()

    assert {*GOOD, BAD} == {*found}
    assert (ClosedBy.QUIET, True) == (found[BAD].closed_by, found[BAD].partial)
    assert {} == site.look()


@pytest.mark.parametrize("table", ["series", "instances"])
def test_a_row_that_the_database_refuses_costs_its_series_alone(site, table):
    refuse(site.engine, table, BAD)
    send_all(site)

    assert {*GOOD} == {*site.look()}
    assert {} == site.look()


def test_a_damaged_head_of_a_record_costs_that_record(site):
    send_all(site)
    lost = of(site, BAD)[1]
    flip(site.spool, replace(lost, offset=lost.offset - 100), 0)
    found = site.look()

    assert {*GOOD, BAD} == {*found}
    assert {str(number) for number in (0, 2)} <= {i.arrival.sop_instance_uid[-1] for i in found[BAD].instances}
    assert "1" not in {i.arrival.sop_instance_uid[-1] for i in found[BAD].instances}


def test_a_damaged_head_of_a_segment_costs_nothing(site):
    send_all(site)
    first = of(site, BAD)[0]
    flip(site.spool, replace(first, offset=0), 3)

    assert {*GOOD, BAD} == {*site.look()}


def test_a_sector_that_the_disk_does_not_give_costs_what_lies_in_it(site, monkeypatch):
    """Whole images are larger than a sector here; no disk could be made to fail on demand."""
    big = Lattice(columns=64, rows=64, slices=3)
    site.send(BAD, lattice=big)
    for series in GOOD:
        site.send(series)
    lost = of(site, BAD)[1]
    real = os.pread

    def pread(descriptor, length, offset):
        if offset < lost.offset + 10 and lost.offset - 10 < offset + length:
            raise OSError(5, "Input/output error")
        return real(descriptor, length, offset)

    with monkeypatch.context() as failing:
        failing.setattr("os.pread", pread)
        found = site.look()

    assert {*GOOD, BAD} == {*found}
    assert 2 == len(found[BAD].instances)


def test_a_spool_that_began_anew_is_read_from_its_start(site, monkeypatch):
    monkeypatch.setattr("daemon.line.arrivals._SHORT_S", -1.0)
    site.send(BAD)
    site.look()
    site.writer.close()
    shutil.rmtree(site.spool)
    site.writer = SpoolWriter(spool_settings(site.spool))
    site.send(GOOD[0])

    assert [GOOD[0]] == [*site.look()]
    assert {} == site.look()
