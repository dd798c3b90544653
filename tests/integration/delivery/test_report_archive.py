"""A real archive takes every report, and takes it once (specs/dicom.md 6)."""

from io import BytesIO

import pytest
from archive import running_archive
from builders.judging.report import make_header, make_judgement, make_series, make_view
from pydicom import dcmread

from daemon.core.values import ReportReference, State
from daemon.dicom.report.evidence import gather_evidence
from daemon.dicom.report.sr import SRClass, build_sr
from daemon.dicom.report.summary import build_summary, render_summary


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with running_archive(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


def reports():
    """One of each kind, every state, complete and partial, and a revision with its predecessor."""
    header = make_header()
    evidence = gather_evidence(make_series(24), header)
    for state in State:
        for partial in (False, True):
            judgement = make_judgement(state, partial=partial)
            prediction = None if state is State.NOT_ASSESSED else make_view()
            yield build_summary(evidence, judgement, render_summary(judgement, prediction))
            yield from (build_sr(evidence, judgement, sop_class) for sop_class in SRClass)
    first = build_sr(evidence, make_judgement())
    reference = ReportReference(
        sop_class_uid=first.sop_class_uid,
        sop_instance_uid=first.sop_instance_uid,
        series_instance_uid=first.series_instance_uid,
    )
    yield build_sr(gather_evidence(make_series(25), header), make_judgement(revision=2, predecessor=reference))


def test_everything_is_stored_once_and_comes_back_as_it_was(archive, tmp_path):
    made = list(reports())
    paths = [tmp_path / f"{number}.dcm" for number in range(len(made))]
    for path, report in zip(paths, made, strict=True):
        path.write_bytes(report.payload)

    archive.store(*paths)
    counted = archive.counts()
    archive.store(*paths)

    assert (1, 1, len(made)) == (counted[0], counted[1], counted[3])
    assert counted == archive.counts()
    for report in made:
        stored, sent = dcmread(BytesIO(archive.instance(report.sop_instance_uid))), dcmread(BytesIO(report.payload))
        assert sent == stored
