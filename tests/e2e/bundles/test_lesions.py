"""FLAIR and T1 of a head from storescu to verdicts: each to its bundle, a valid report, lesions with their interval."""

from contextlib import ExitStack

import highdicom
import pytest
from archive import running_archive
from builders.images.flair import flair_datasets, golden_flair, spoilt
from builders.running.daemon import golden_datasets, running_daemon, wait_until, write_files
from pydicom import dcmread
from validators import unexpected_dciodvfy, without_dicomdir

from daemon.config import optional_bundles

pytestmark = pytest.mark.skipif("brain-wmh" not in optional_bundles(), reason="no bundle of lesions ships yet")


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A daemon that was sent a FLAIR in slices of 4 mm, a T1 and a FLAIR drowned in noise."""
    folder = tmp_path_factory.mktemp("lesions")
    sent = {
        "flair": list(flair_datasets()),
        "t1": list(golden_datasets()),
        "noisy": list(flair_datasets("noisy", spoilt(golden_flair(), 0.5))),
    }
    (folder / "archive").mkdir()
    extra = f'bundles = {{ brain-wmh = "{optional_bundles()["brain-wmh"]}" }}'
    with ExitStack() as stack:
        archive = stack.enter_context(running_archive(folder / "archive"))
        daemon = stack.enter_context(running_daemon(folder, archive, extra))
        records = {}
        for name, datasets in sent.items():
            write_files(folder / name, datasets)
            assert 0 == daemon.push(folder / name).returncode
            records[name] = daemon.done(str(datasets[0].SeriesInstanceUID))
        yield daemon, archive, records


@pytest.fixture(scope="module")
def records(line):
    return line[2]


def test_each_series_is_judged_by_the_bundle_of_its_contrast(records):
    assert "brain-wmh" in str(dcmread(records["flair"]["sr"]))
    assert "brain-t1" in str(dcmread(records["t1"]["sr"]))


def test_a_clean_flair_is_answered_and_never_a_rescan(records):
    assert records["flair"]["verdict"] in {"ACCEPT", "REVIEW"}


def test_a_flair_drowned_in_noise_is_not_accepted_and_noise_is_why(records):
    assert records["noisy"]["verdict"] in {"REVIEW", "RESCAN"}
    assert "noise" == records["noisy"]["cause"]
    assert records["flair"]["cause"] is None


def report_of(record, tmp_path):
    """The report's text and its faults."""
    path = tmp_path / "report.dcm"
    dcmread(record["sr"]).save_as(path)
    return str(highdicom.sr.srread(path)), without_dicomdir(unexpected_dciodvfy(path))


def test_the_report_of_a_spoilt_flair_is_valid_and_carries_its_cause_in_codes(records, tmp_path):
    spoilt_one, faults = report_of(records["noisy"], tmp_path)
    clean_one, _ = report_of(records["flair"], tmp_path)
    finding = "Quality Finding"

    assert [] == faults
    assert "Thermal noise" in spoilt_one
    assert "Probability that the artifact is present" in clean_one
    assert finding in spoilt_one
    assert finding not in clean_one


def test_the_report_is_valid_and_tells_lesions_with_their_interval(records, tmp_path):
    told, faults = report_of(records["flair"], tmp_path)

    assert [] == faults
    assert "Lesion" in told
    assert "range of upper measurement uncertainty" in told


def test_the_archive_has_report_and_picture_of_every_series_once(line):
    _, archive, records = line
    judged = [record for record in records.values() if record["verdict"] != "NOT_ASSESSED"]
    wait_until(lambda: archive.counts()[3] >= 2 * len(judged))

    assert archive.counts()[3] <= 2 * len(records)
    for record in judged:
        assert archive.instance(dcmread(record["sr"]).SOPInstanceUID)


def test_the_same_flair_again_is_judged_once(line):
    daemon, _, records = line
    before = len(daemon.known())
    assert 0 == daemon.push(daemon.config.parent / "flair").returncode
    again = daemon.done(records["flair"]["series"])

    assert before == len(daemon.known())
    assert records["flair"]["sr"] == again["sr"]
