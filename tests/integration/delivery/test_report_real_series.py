"""Reports on real scanners' headers: a header-poor one, a Philips and a Siemens, of 384, 170 and 176 images."""

import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
import validators
from archive import running_archive
from builders.judging.report import make_judgement, make_series, make_view
from highdicom.sr import srread
from pydicom import dcmread

from daemon.core.values import State
from daemon.dicom.report.evidence import gather_evidence
from daemon.dicom.report.sr import SRClass, build_sr
from daemon.dicom.report.summary import build_summary, render_summary

DATA = Path(os.environ.get("SCANSIDE_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
HEADS = {"head-t1-datalad-defaced": 384, "head-t1-philips-elition": 170, "head-t1-siemens-trio": 176}


@pytest.fixture(scope="module", params=HEADS)
def source(request):
    """The headers of one series."""
    packed = DATA / "dicom" / request.param / "series.tar.xz"
    if not packed.exists():
        pytest.skip(f"no {packed}: set SCANSIDE_DATA to the folder of the shared data")
    with tarfile.open(packed) as archive:
        members = [member for member in archive if member.name.endswith(".dcm")]
        headers = [dcmread(BytesIO(archive.extractfile(member).read()), stop_before_pixels=True) for member in members]
    assert HEADS[request.param] == len(headers)
    return headers


@pytest.fixture(scope="module")
def made(source):
    uids = [str(header.SOPInstanceUID) for header in source]
    evidence = gather_evidence(make_series(header=source[0], uids=uids), source[0])
    judgement = make_judgement(State.REVIEW)
    unjudged = make_judgement(State.NOT_ASSESSED, partial=True)
    return [
        *(build_sr(evidence, judgement, sop_class) for sop_class in SRClass),
        build_sr(evidence, unjudged),
        build_summary(evidence, judgement, render_summary(judgement, make_view())),
    ]


def test_reports_are_clean(made, tmp_path):
    for report in made:
        path = tmp_path / f"{report.sop_instance_uid}.dcm"
        path.write_bytes(report.payload)
        complaints = [line for line in validators.unexpected_dciodvfy(path) if "Retired Person Name form" not in line]
        assert [] == complaints  # the names of the sources are their own
        if report.kind == "SR":
            assert [] == validators.dcsrdump(path)
            validators.dsrdump(path)


def test_the_patient_and_study_are_the_sources(source, made):
    header = source[0]
    for report in made:
        written = dcmread(BytesIO(report.payload))
        for keyword in ("StudyInstanceUID", "PatientName", "PatientID", "StudyID", "AccessionNumber", "StudyDate"):
            assert header.get(keyword, "") == (written.get(keyword) or ""), keyword
        assert header.SeriesInstanceUID != written.SeriesInstanceUID


def test_every_image_is_referenced_and_every_group_read_back(source, made):
    document = srread(BytesIO(made[0].payload))

    assert {str(header.SOPInstanceUID) for header in source} == {str(uid) for *_, uid, _ in document.get_evidence()}
    assert 13 == len(document.content.get_image_measurement_groups())


def test_a_real_archive_keeps_them_beside_their_series(made, tmp_path):
    paths = []
    for report in made:
        paths.append(tmp_path / f"{report.sop_instance_uid}.dcm")
        paths[-1].write_bytes(report.payload)
    with running_archive(tmp_path) as archive:
        archive.store(*paths)
        archive.store(*paths)

        # the unjudged SR shares the series of the judged ones: same source images, same judge
        assert (1, 1, 2, len(made)) == archive.counts()
