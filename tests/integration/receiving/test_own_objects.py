"""An archive that forwards our reports back: kept, acknowledged, counted, and never reported on."""

from io import BytesIO

import pytest
from builders.judging.report import make_header, make_judgement, make_series
from builders.peers.receiver import Receiver, storescu, write_series
from builders.running.assembly import assembled
from pydicom import dcmread, dcmwrite

from daemon.core.reception.completion import Completion, Patience
from daemon.core.values import State
from daemon.dicom.protocol.procedure_step import read_report
from daemon.dicom.reading.headers import read_instance
from daemon.dicom.report.evidence import gather_evidence
from daemon.dicom.report.sr import SRClass, build_sr
from daemon.dicom.report.summary import build_summary, render_summary
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_database

LATE = 1e12
READERS = (read_instance, read_report)


@pytest.fixture
def reports():
    """Every object that a report may be, as files' bytes."""
    evidence, judgement = gather_evidence(make_series(), make_header()), make_judgement(State.NOT_ASSESSED)
    summary = build_summary(evidence, judgement, render_summary(judgement))
    return [summary.payload, *(build_sr(evidence, judgement, kind).payload for kind in SRClass)]


@pytest.fixture
def begin(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/scanside.sqlite")

    def make():
        index = Index(engine, b"key")
        made = assembled(tmp_path / "spool", index, Completion(Patience()))
        made.restore(0.0)
        return made

    yield make
    engine.dispose()


def read_all(assembly):
    closed, read = [], True
    while read:
        read, series = assembly.turn(LATE)
        closed += series
    return closed


def write(folder, contents):
    folder.mkdir()
    for n, content in enumerate(contents):
        (folder / f"{n}.dcm").write_bytes(content)


def test_reports_that_come_back_begin_no_series(tmp_path, reports, begin):
    write(tmp_path / "reports", reports)
    with Receiver(tmp_path / "spool") as receiver:
        sent = storescu(receiver.port, "-R", "-xt", "+sd", tmp_path / "reports")
        assert 0 == sent.returncode, sent.stderr
        assert len(reports) == len(receiver.contents())
        assembly = begin()
        closed = read_all(assembly)
        write_series(tmp_path / "series", 3)
        storescu(receiver.port, "+sd", tmp_path / "series")
        (series,) = read_all(assembly)

    assert ([], len(reports)) == (closed, assembly.own_objects)
    assert 3 == len(series.instances)
    assert ([], 0) == (read_all(begin()), begin().own_objects)


def test_another_makers_report_is_answered(tmp_path, reports, begin):
    foreign = dcmread(BytesIO(reports[-1]))
    foreign.ManufacturerModelName = "Another"
    stream = BytesIO()
    dcmwrite(stream, foreign)
    write(tmp_path / "reports", [stream.getvalue()])
    with Receiver(tmp_path / "spool") as receiver:
        assert 0 == storescu(receiver.port, "-R", "-xt", "+sd", tmp_path / "reports").returncode
        assembly = begin()
        (series,) = read_all(assembly)

    assert ("SR", 0) == (series.instances[0].modality, assembly.own_objects)


def test_images_of_the_demos_scanner_are_images(begin, tmp_path):
    write_series(tmp_path / "series", 3)
    for path in (tmp_path / "series").iterdir():
        image = dcmread(path)
        image.Manufacturer = image.ManufacturerModelName = "Scanside"
        image.save_as(path)
    with Receiver(tmp_path / "spool") as receiver:
        storescu(receiver.port, "+sd", tmp_path / "series")
        (series,) = read_all(begin())

    assert 3 == len(series.instances)
