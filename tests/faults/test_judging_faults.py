"""Whatever fails between a complete series and its published answer, it is answered, and so are those behind it."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from builders.peers.receiver import encoded
from dbos import DBOS
from prometheus_client import CollectorRegistry

from daemon.config import Settings
from daemon.core.errors import NotAssessable, Reason
from daemon.core.judging.routing import Route
from daemon.core.sending.delivery import Recipient
from daemon.core.values import Algorithm, Arrival, ClosedBy, Series, Stage, State
from daemon.dicom.content import InMemory
from daemon.dicom.reading.headers import read_instance
from daemon.dicom.simulate import series_from_image
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_database
from daemon.edge.database.patience import is_gone
from daemon.edge.database.results import Results
from daemon.edge.database.studies.examinations import Examinations
from daemon.edge.files.reports import Reports
from daemon.edge.supervisor import Loop, Supervisor
from daemon.edge.telemetry.metrics import make_metrics
from daemon.line.appraisal import Appraiser, Judge
from daemon.line.judgement import SeriesJudge
from daemon.line.workflow import Line, Parts
from models.bundle import read_manifest
from models.subject import still

MANIFEST = read_manifest(Settings().bundle_folders["brain-t1"])
ALGORITHM = Algorithm(bundle="b", bundle_version="1", bundle_digest="d", software_version="1", config_digest="c")
GOOD, BAD = [f"good {number}" for number in range(2)], "bad"


class Site:
    """A line over a database of its own, whose examiner finds no head."""

    def __init__(self, folder, registry):
        self.engine = open_database(f"sqlite:///{folder}/scanside.sqlite")
        self.index, self.results = Index(self.engine, b"key"), Results(self.engine)
        self.reports = Reports(folder / "reports")
        self.contents = {}
        self.uids = {}
        metrics = make_metrics(registry)
        supervisor = Supervisor(threading.Event(), lambda loop: metrics.faults.labels(loop).inc(), is_gone)
        judge = Judge(
            examiner=SimpleNamespace(examine=self.examine, bundle=SimpleNamespace(manifest=MANIFEST)),
            algorithm=ALGORITHM,
            choose_standard=lambda *_: None,
        )
        self.judge = SeriesJudge(
            Appraiser(lambda _: judge, ALGORITHM, [Route(name="all", bundle="b")]),
            lambda a: InMemory(self.contents[a.sop_instance_uid]),
            "s",
        )
        DBOS.destroy(destroy_registry=True)
        self.line = Line(
            Parts(
                index=self.index,
                results=self.results,
                examinations=Examinations(self.engine),
                reports=self.reports,
                judge=lambda: self.judge,
                recipients={"pacs": Recipient(verdicts=tuple(State))},
                alerted={},
                metrics=metrics,
                supervisor=supervisor,
                scanners={},
            )
        )

    def examine(self, *_, **__):
        raise NotAssessable(Reason.NOT_FOUND)

    def receive(self, name):
        """A complete series by its name."""
        voxels = np.random.default_rng(1).gamma(2, 100, (16, 16, 6)).astype(np.float32)
        datasets = list(series_from_image(still(voxels, np.diag([3.0, 3.0, 5.0, 1.0])), seed=name))
        instances = []
        for number, dataset in enumerate(datasets):
            uid = str(dataset.SOPInstanceUID)
            self.contents[uid] = encoded(dataset)
            arrival = Arrival(
                sop_instance_uid=uid,
                sop_class_uid=str(dataset.SOPClassUID),
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                calling_ae="MR1",
                called_ae="SCANSIDE",
                association="a",
                received_at=float(number),
                segment="1",
                offset=number,
                length=1,
            )
            instances.append(read_instance(arrival, self.contents[uid]))
        self.index.record(instances, [], "1:1")
        self.uids[name] = instances[0].series_instance_uid
        series = Series(
            series_instance_uid=self.uids[name],
            study_instance_uid=instances[0].study_instance_uid,
            revision=1,
            instances=tuple(instances),
            closed_by=ClosedBy.RELEASE,
            closed_at=20.0,
            partial=False,
        )
        self.index.close_series(series)

    def answer(self, name):
        """What is recorded of a series after the step, as its engine calls it."""
        self.line._judge(self.uids[name], 1)  # noqa: SLF001 - see above
        return self.results.record(self.uids[name], 1)


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def site(tmp_path, registry):
    made = Site(tmp_path, registry)
    yield made
    made.engine.dispose()


#: Where a fault is injected, and whether a report can still be made.
PLACES = {
    "daemon.line.appraisal.select_stacks": True,
    "daemon.line.judgement.parse": False,
    "daemon.line.judgement.gather_evidence": False,
    "daemon.line.judgement.build_summary": False,
    "daemon.line.judgement.build_sr": False,
    "daemon.line.judgement.render_summary": False,
    "daemon.line.workflow.drafted": False,
}
CASES = [*((place, ZeroDivisionError) for place in PLACES), *((next(iter(PLACES)), e) for e in (OSError, MemoryError))]


@pytest.mark.parametrize(("place", "error"), CASES)
def test_a_fault_anywhere_is_an_answer_and_the_next_series_are_judged(site, registry, monkeypatch, place, error):
    def failing(*_, **__):
        raise error("Doe^Jane")

    for series in (BAD, *GOOD):
        site.receive(series)
    with monkeypatch.context() as injected:
        injected.setattr(place, failing)
        record = site.answer(BAD)

    assert (State.NOT_ASSESSED, Reason.FAILED) == (record.verdict.state, record.verdict.not_assessed)
    assert ({"SR", "SC"} if PLACES[place] else set()) == {*record.objects}
    assert (Stage.DELIVERING if PLACES[place] else Stage.DONE) is record.stage
    assert 1 <= registry.get_sample_value("scanside_faults_total", {"loop": Loop.JUDGING})
    assert [Reason.NOT_FOUND] * len(GOOD) == [site.answer(series).verdict.not_assessed for series in GOOD]
    assert record == site.answer(BAD)


def test_an_instance_that_the_index_lost_is_an_answer_too(site):
    for series in (BAD, *GOOD):
        site.receive(series)
    with site.engine.begin() as connection:
        row = "series_instance_uid = '" + site.uids[BAD] + "'"
        connection.exec_driver_sql(f"UPDATE instances SET body = '{{' WHERE {row}")
    record = site.answer(BAD)

    assert (Reason.FAILED, {}, Stage.DONE) == (record.verdict.not_assessed, record.objects, record.stage)
    assert Reason.NOT_FOUND is site.answer(GOOD[0]).verdict.not_assessed


@pytest.mark.parametrize("content", [b"", b"no DICOM", None], ids=["empty", "foreign", "gone"])
def test_a_damaged_earlier_report_costs_no_verdict(site, content):
    site.receive(BAD)
    sr = site.reports.path(site.answer(BAD).objects["SR"])
    sr.unlink()
    if content is not None:
        sr.write_bytes(content)
    site.index.close_series(replace(site.index.series(site.uids[BAD], 1), revision=2))
    site.line._judge(site.uids[BAD], 2)  # noqa: SLF001 - the step, as its engine calls it
    record = site.results.record(site.uids[BAD], 2)

    assert (Reason.NOT_FOUND, {"SR", "SC"}) == (record.verdict.not_assessed, {*record.objects})
