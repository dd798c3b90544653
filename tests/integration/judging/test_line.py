"""The durable line's judging step, without its engine: what a worker's death leaves, the next takes up, some times."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from builders.peers.receiver import encoded
from builders.running.database import gone_at
from builders.running.spool import spool_settings
from dbos import DBOS
from prometheus_client import CollectorRegistry
from pydicom import dcmread
from sqlalchemy import Engine

from daemon.config import Settings
from daemon.core.errors import NotAssessable, Reason
from daemon.core.judging.routing import Route
from daemon.core.reception.retention import Retention
from daemon.core.sending.delivery import Recipient
from daemon.core.values import Algorithm, Arrival, ClosedBy, Series, Stage, State
from daemon.dicom.content import InMemory
from daemon.dicom.reading.headers import read_instance
from daemon.dicom.simulate import series_from_image
from daemon.edge.database.index import Index
from daemon.edge.database.inventory import Inventory
from daemon.edge.database.migrations import open_database
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.patience import is_gone
from daemon.edge.database.results import Results
from daemon.edge.database.studies.examinations import Examinations
from daemon.edge.files.reports import Reports
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.spool.writer import SpoolWriter
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry.metrics import make_metrics
from daemon.line.appraisal import Appraiser, Judge
from daemon.line.judgement import SeriesJudge
from daemon.line.workflow import Line, Parts
from daemon.retention import Pruner
from models.bundle import read_manifest
from models.subject import still

MANIFEST = read_manifest(Settings().bundle_folders["brain-t1"])
ALGORITHM = Algorithm(bundle="b", bundle_version="1", bundle_digest="d", software_version="1", config_digest="c")
EVERYTHING = Route(name="everything", bundle="b")


class Died(BaseException):
    """What no `except Exception` stops, as a kill would not be."""


def received(index: Index) -> tuple[Series, dict[str, bytes]]:
    """A closed phantom series, and the encoded data sets of its instances."""
    voxels = np.random.default_rng(1).gamma(2, 100, (32, 32, 12)).astype(np.float32)
    datasets = list(series_from_image(still(voxels, np.diag([3.0, 3.0, 5.0, 1.0])), seed="line"))
    contents = {str(dataset.SOPInstanceUID): encoded(dataset) for dataset in datasets}
    instances = [
        read_instance(
            Arrival(
                sop_instance_uid=uid,
                sop_class_uid=str(datasets[0].SOPClassUID),
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                calling_ae="MR1",
                called_ae="SCANSIDE",
                association="a",
                received_at=float(number),
                segment="1",
                offset=number,
                length=1,
            ),
            content,
        )
        for number, (uid, content) in enumerate(contents.items())
    ]
    index.record(instances, [], "1:1")
    series = Series(
        series_instance_uid=instances[0].series_instance_uid,
        study_instance_uid=instances[0].study_instance_uid,
        revision=1,
        instances=tuple(instances),
        closed_by=ClosedBy.RELEASE,
        closed_at=20.0,
        partial=False,
    )
    index.close_series(series)
    return series, contents


def made(
    engine: Engine, results: Results, examine: Callable[..., None], contents: dict[str, bytes], folder: Path
) -> Line:
    """A line over one database; DBOS knows one a process, so that it has to forget the last."""
    DBOS.destroy(destroy_registry=True)
    judge = Judge(
        examiner=SimpleNamespace(examine=examine, bundle=SimpleNamespace(manifest=MANIFEST)),
        algorithm=ALGORITHM,
        choose_standard=lambda *_: None,
    )
    series_judge = SeriesJudge(
        Appraiser(lambda _: judge, ALGORITHM, [EVERYTHING]), lambda a: InMemory(contents[a.sop_instance_uid]), "here"
    )
    return Line(
        Parts(
            index=Index(engine, b"key"),
            results=results,
            examinations=Examinations(engine),
            reports=Reports(folder / "reports"),
            judge=lambda: series_judge,
            recipients={"pacs": Recipient(verdicts=tuple(State))},
            alerted={"alert-1": 0.0},
            metrics=make_metrics(CollectorRegistry()),
            supervisor=Supervisor(threading.Event(), passes=is_gone),
            scanners={},
        )
    )


def test_a_series_that_no_worker_survives_is_answered_unseen(engine, tmp_path):
    index, results, looks = Index(engine, b"key"), Results(engine), []
    series, contents = received(index)

    def examine(*_: object, **__: object) -> None:
        looks.append(results.record(series.series_instance_uid, 1).stage)
        assert line.judging is not None
        raise Died

    line = made(engine, results, examine, contents, tmp_path)
    for _ in range(3):
        with pytest.raises(Died):
            line._judge(series.series_instance_uid, 1)  # noqa: SLF001 - the step, as its engine calls it
    line._judge(series.series_instance_uid, 1)  # noqa: SLF001 - the same
    record = results.record(series.series_instance_uid, 1)

    assert [Stage.ASSESSING] * 3 == looks
    assert (State.NOT_ASSESSED, Reason.FAILED) == (record.verdict.state, record.verdict.not_assessed)
    assert (Stage.DELIVERING, 12) == (record.stage, record.images)
    assert {"SC", "SR"} == set(record.objects)
    assert line.judging is None
    line._judge(series.series_instance_uid, 1)  # noqa: SLF001 - done is done
    assert record == results.record(series.series_instance_uid, 1)


def test_a_revision_supersedes_a_report_whose_file_has_left_the_disk(engine, tmp_path):
    index, results, reports = Index(engine, b"key"), Results(engine), Reports(tmp_path / "reports")
    series, contents = received(index)

    def examine(*_: object, **__: object) -> None:
        raise NotAssessable(Reason.NOT_FOUND)

    line = made(engine, results, examine, contents, tmp_path)
    line._judge(series.series_instance_uid, 1)  # noqa: SLF001 - the step, as its engine calls it
    while delivery := Outbox(engine).claim("pacs", "w", 1e9):
        Outbox(engine).delivered(delivery, 1e9)
    earlier = reports.reference(results.record(series.series_instance_uid, 1).objects["SR"])
    SpoolWriter(spool_settings(tmp_path / "spool")).close()
    Pruner(SpoolReader(tmp_path / "spool"), reports, Inventory(engine), Retention()).prune(1e12)
    left = list((tmp_path / "reports").iterdir())
    index.close_series(replace(series, revision=2))
    line._judge(series.series_instance_uid, 2)  # noqa: SLF001 - the same
    sr = dcmread(reports.path(results.record(series.series_instance_uid, 2).objects["SR"]))
    (study,) = sr.PredecessorDocumentsSequence
    (document,) = study.ReferencedSeriesSequence

    assert [] == left
    assert earlier.series_instance_uid == document.SeriesInstanceUID
    assert earlier.sop_instance_uid == document.ReferencedSOPSequence[0].ReferencedSOPInstanceUID


def test_a_database_that_goes_away_at_any_statement_costs_no_verdict(tmp_path, monkeypatch):
    monkeypatch.setattr("daemon.edge.database.patience._FIRST_S", 0.001)
    for statement in count():
        engine, looks = open_database(f"sqlite:///{tmp_path}/{statement}.sqlite"), []
        index, results = Index(engine, b"key"), Results(engine)
        series, contents = received(index)

        def examine(*_: object, looks: list[int] = looks, **__: object) -> None:
            looks.append(1)
            raise NotAssessable(Reason.NOT_FOUND)

        line = made(engine, results, examine, contents, tmp_path)
        with gone_at(engine, statement) as broken:
            line._judge(series.series_instance_uid, 1)  # noqa: SLF001 - the step, as its engine calls it
        record = results.record(series.series_instance_uid, 1)
        engine.dispose()

        assert (Reason.NOT_FOUND, Stage.DELIVERING) == (record.verdict.not_assessed, record.stage)
        assert [1] == looks
        if not broken:
            break
    assert statement > 10


HANGING = """
import threading, time
from types import SimpleNamespace
from daemon.edge.supervisor import Supervisor
from daemon.worker import watched
from models.subject import still

line = SimpleNamespace(judging=SimpleNamespace(cpu_s={cpu_s}, wall_s={wall_s}))
threading.Thread(target=time.sleep, args=(600,)).start()  # keeps the interpreter from ending by itself
with watched(line, 60.0, Supervisor(threading.Event())):
    time.sleep(3)
print("still there", flush=True)
"""


@pytest.mark.parametrize(
    ("cpu_s", "wall_s", "status"),
    [(61.0, 61.0, os.EX_SOFTWARE), (0.0, 601.0, os.EX_SOFTWARE), (50.0, 590.0, None)],
    ids=["it works for ever", "it waits for ever", "the host is busy"],
)
def test_a_process_that_hangs_in_one_series_ends(cpu_s, wall_s, status):
    command = [sys.executable, "-c", HANGING.format(cpu_s=cpu_s, wall_s=wall_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        try:
            assert status == (None if said == "still there\n" else process.wait(60))
        finally:
            process.kill()
