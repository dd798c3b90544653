"""What an archive is told: what was judged and nothing else, unless it asks; and every revision of what it was told.

``SCANSIDE_LOCALIZERS`` sets how many localizers a scanner sends beside one head (a short run by default).
"""

import json
import os
from copy import deepcopy

import numpy as np
from archive import running_archive
from builders.running.daemon import golden_datasets, running_daemon, wait_until, write_files, write_golden
from pydicom.uid import generate_uid

from daemon.core.sending.delivery import JUDGED
from daemon.dicom.reading.volumes import read_volumes
from models.physics.artefacts import Artefact
from models.physics.kspace import corrupt
from models.physics.severity import draw

LOCALIZERS = int(os.environ.get("SCANSIDE_LOCALIZERS", "6"))
PATIENCE_S = 120 + LOCALIZERS


def localizer(number):
    """Three slices of the golden head, as a scanner's scout."""
    datasets = deepcopy(golden_datasets()[60:63])
    series = generate_uid(entropy_srcs=["localizer", str(number)])
    for dataset in datasets:
        dataset.SeriesInstanceUID, dataset.SeriesDescription = series, "localizer"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(
            entropy_srcs=[series, str(dataset.InstanceNumber)]
        )
    return datasets


def noisy_head(folder):
    (volume,) = read_volumes(list(golden_datasets()))
    artefact = draw(Artefact.NOISE, 1.0, np.random.default_rng(0))
    return write_golden(folder, corrupt(volume.still, (artefact,), (1.5, 1.5, 1.5)), "noisy")


def test_of_many_localizers_and_one_rescan_the_archive_gets_the_rescan(tmp_path, record_testsuite_property):
    (tmp_path / "archive").mkdir()
    for number in range(LOCALIZERS):
        write_files(tmp_path / "pushed" / f"{number:03d}", localizer(number))
    rescan = noisy_head(tmp_path / "pushed" / "head")
    with (
        running_archive(tmp_path / "archive") as archive,
        running_daemon(tmp_path, archive, verdicts=JUDGED) as daemon,
    ):
        for folder in sorted((tmp_path / "pushed").iterdir()):
            assert 0 == daemon.push(folder).returncode
        wait_until(lambda: ["DONE"] * (LOCALIZERS + 1) == [one["state"] for one in daemon.known()], PATIENCE_S)
        answers = {one["series"]: one for one in daemon.known()}
        stored = archive.order()
        exams = json.loads(daemon.get("cards"))["exams"]
        size = sum(path.stat().st_size for path in (tmp_path / "archive" / "storage").rglob("*") if path.is_file())

    (sr,) = [one["sr"] for one in answers.values() if one["sr"]]
    assert answers[rescan]["sr"] == sr
    assert "RESCAN" == answers[rescan]["verdict"]
    assert {"NOT_ASSESSED"} == {one["verdict"] for uid, one in answers.items() if uid != rescan}
    assert 2 == len(stored)
    assert [LOCALIZERS] == [quiet["series"] for exam in exams for quiet in exam["quiet"]]  # one quiet line for all
    record_testsuite_property("archive", f"{LOCALIZERS} localizers and a rescan: {len(stored)} objects, {size} bytes")


def test_a_revision_of_what_the_archive_was_told_is_told_whatever_its_verdict(tmp_path):
    (tmp_path / "archive").mkdir()
    files, (again, late) = golden_datasets(), deepcopy(golden_datasets()[:2])
    write_files(tmp_path / "head", files)
    for number, dataset in enumerate((again, late)):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(
            entropy_srcs=[f"late {number}"]
        )
        dataset.Rows, dataset.Columns = 0, 0  # an image that nobody can read
    write_files(tmp_path / "late", (again, late))
    series = str(files[0].SeriesInstanceUID)
    with (
        running_archive(tmp_path / "archive") as archive,
        running_daemon(tmp_path, archive, verdicts=JUDGED) as daemon,
    ):
        assert 0 == daemon.push(tmp_path / "head").returncode
        daemon.done(series)
        assert 0 == daemon.push(tmp_path / "late").returncode
        revised = daemon.done(series, revision=2)

        assert "NOT_ASSESSED" == revised["verdict"]
        assert 4 == archive.counts()[3]
