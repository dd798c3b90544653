"""FLAIR and T1 of a head from storescu to verdicts: each to its bundle, a valid report, lesions with their interval."""

import highdicom
import pytest
from builders.daemon import golden_datasets, running_daemon, write_files
from builders.flair import flair_datasets, golden_flair, spoilt
from pydicom import dcmread
from validators import unexpected_dciodvfy, without_dicomdir

from daemon.config import shipped_bundles

pytestmark = pytest.mark.skipif("brain-wmh" not in shipped_bundles(), reason="no bundle of lesions ships yet")


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A daemon that was sent a FLAIR in slices of 4 mm, a T1 and a FLAIR drowned in noise."""
    folder = tmp_path_factory.mktemp("lesions")
    sent = {
        "flair": list(flair_datasets()),
        "t1": list(golden_datasets()),
        "noisy": list(flair_datasets("noisy", spoilt(golden_flair(), 0.5))),
    }
    with running_daemon(folder) as daemon:
        records = {}
        for name, datasets in sent.items():
            write_files(folder / name, datasets)
            assert 0 == daemon.push(folder / name).returncode
            records[name] = daemon.done(str(datasets[0].SeriesInstanceUID))
        yield records


def test_each_series_is_judged_by_the_bundle_of_its_contrast(line):
    assert "brain-wmh" in str(line["flair"])
    assert "brain-t1" in str(line["t1"])


def test_a_clean_flair_is_answered_and_never_a_rescan(line):
    assert line["flair"]["verdict"] in {"ACCEPT", "REVIEW"}


def test_a_flair_drowned_in_noise_is_not_accepted(line):
    assert line["noisy"]["verdict"] in {"REVIEW", "NOT_ASSESSED"}


def test_the_report_is_valid_and_tells_lesions_with_their_interval(line, tmp_path):
    report = dcmread(line["flair"]["sr"])
    path = tmp_path / "report.dcm"
    report.save_as(path)
    document = highdicom.sr.srread(path)
    told = str(document)

    assert [] == without_dicomdir(unexpected_dciodvfy(path))
    assert "Lesion" in told
    assert "range of upper measurement uncertainty" in told
