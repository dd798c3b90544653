"""FLAIR and T1 of one study by storescu and Orthanc: in either order, repeated, spoilt, re-opened, killed between."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from archive import running_archive
from builders.images.flair import flair_datasets, golden_flair
from builders.images.paired import golden_t1, write_paired
from builders.running.daemon import running_daemon, wait_until, write_files
from pydicom import dcmread
from pydicom.uid import generate_uid
from validators import unexpected_dciodvfy, without_dicomdir

from daemon.config import optional_bundles
from daemon.dicom.simulate import series_from_image

pytestmark = pytest.mark.skipif("brain-wmh" not in optional_bundles(), reason="no bundle of lesions ships yet")

#: How far the header of the T1 is off.
OFF = np.array([[1, 0, 0, 12.0], [0, 1, 0, -20.0], [0, 0, 1, 8.0], [0, 0, 0, 1.0]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A daemon whose only bundle takes a FLAIR and its T1."""
    folder = tmp_path_factory.mktemp("study")
    bundle = write_paired(folder / "brain-wmh")
    (folder / "archive").mkdir()
    with ExitStack() as stack:
        archive = stack.enter_context(running_archive(folder / "archive"))
        extra = f'shipped = false\nbundles = {{ brain-wmh = "{bundle}" }}\n[completion]\nquiet_s = 2.0'
        yield stack.enter_context(running_daemon(folder, archive, extra)), archive, folder


class Study:
    """The series of one patient, each written as files: ``uids`` by their names."""

    def __init__(self, site, name):
        self.daemon, self.archive, folder = site
        self.folder, study = folder / name, generate_uid()
        t1 = golden_t1(OFF)
        thick = replace(t1, voxels=t1.voxels[..., ::2], affine=t1.affine @ np.diag([1, 1, 2, 1.0]))
        cut = replace(thick, voxels=thick.voxels[..., :22])
        series = {
            "flair": list(flair_datasets(f"{name} flair", golden_flair())),
            "t1": list(series_from_image(thick, f"{name} t1", description="t1")),
            "again": list(series_from_image(thick, f"{name} again", description="t1")),
            "cut": list(series_from_image(cut, f"{name} cut", description="t1")),
        }
        for part, datasets in series.items():
            for dataset in datasets:
                dataset.StudyInstanceUID = study
            write_files(self.folder / part, datasets)
        self.uids = {part: str(datasets[0].SeriesInstanceUID) for part, datasets in series.items()}

    def push(self, part):
        assert 0 == self.daemon.push(self.folder / part).returncode

    def done(self, part, revision=1):
        return self.daemon.done(self.uids[part], revision)

    def cited(self, record):
        """The parts whose series a valid report cites."""
        assert [] == without_dicomdir(unexpected_dciodvfy(record["sr"]))
        evidence = dcmread(record["sr"]).CurrentRequestedProcedureEvidenceSequence
        uids = {str(one.SeriesInstanceUID) for item in evidence for one in item.ReferencedSeriesSequence}
        return {part for part, uid in self.uids.items() if uid in uids}

    def records(self):
        """Every revision of the FLAIR, in their order."""
        of_flair = (one for one in self.daemon.known() if one["series"] == self.uids["flair"])
        return sorted(of_flair, key=lambda one: one["revision"])

    def newest(self):
        return self.records()[-1]

    def check_chain(self):
        """Every revision supersedes the one before it, the last is in the archive, and nothing is there twice."""
        records = self.records()
        reports = [dcmread(one["sr"]) for one in records]
        before = [
            [
                str(instance.ReferencedSOPInstanceUID)
                for item in report.get("PredecessorDocumentsSequence", ())
                for one in item.ReferencedSeriesSequence
                for instance in one.ReferencedSOPSequence
            ]
            for report in reports
        ]
        uids = [str(report.SOPInstanceUID) for report in reports]

        assert list(range(1, len(records) + 1)) == [one["revision"] for one in records]
        assert [[], *([uid] for uid in uids[:-1])] == before
        wait_until(lambda: uids[-1] in self.archive.order())
        assert all(self.archive.order().count(uid) <= 1 for uid in uids)
        return len(records)


def test_a_flair_alone_is_answered_at_once_and_a_t1_makes_its_next_revision(site):
    study = Study(site, "flair-t1")
    study.push("flair")
    alone = study.done("flair")
    study.push("t1")
    paired = study.done("flair", 2)

    assert alone["verdict"] in {"ACCEPT", "REVIEW"}
    assert "judged without native T1: there is none in the study yet" in alone["reasons"]
    assert {"flair"} == study.cited(alone)
    assert "judged with native T1" in paired["reasons"]
    assert {"flair", "t1"} == study.cited(paired)
    assert 2 == study.check_chain()
    assert "NOT_ASSESSED" == study.done("t1")["verdict"]
    study.push("again")  # a repetition
    repeated = study.done("flair", 3)

    assert {"flair", "again"} == study.cited(repeated)
    assert 3 == study.check_chain()


def test_a_t1_that_came_first_is_there_at_once_and_a_flair_opened_again_keeps_it(site):
    study = Study(site, "t1-flair")
    study.push("t1")
    study.done("t1")
    last = max((study.folder / "flair").iterdir())
    (study.folder / "late").mkdir()
    last.rename(study.folder / "late" / last.name)
    study.push("flair")
    first = study.done("flair")
    study.push("late")
    study.push("again")  # it closes while the FLAIR is open again
    study.done("again")

    def is_settled():
        """Answered with the late image, beside the T1 that came last."""
        newest = study.newest()
        joined = [one["series"] for one in newest["joined"]]
        whole = newest["images"] == first["images"] + 1
        return newest["state"] == "DONE" and whole and joined == [study.uids["again"]]

    wait_until(is_settled)

    assert {"flair", "t1"} == study.cited(first)
    assert {"flair", "again"} == study.cited(study.newest())
    assert study.check_chain() <= 3


def test_a_t1_that_cannot_be_laid_on_it_is_said_and_a_good_one_takes_its_place(site):
    study = Study(site, "cut-good")
    study.push("cut")
    study.done("cut")
    study.push("flair")
    without = study.done("flair")
    study.push("t1")
    paired = study.done("flair", 2)

    assert any(reason.startswith("native T1 not used: ") for reason in without["reasons"])
    assert {"flair"} == study.cited(without)
    assert {"flair", "t1"} == study.cited(paired)
    assert 2 == study.check_chain()


def test_a_kill_between_both_loses_nothing_and_makes_nothing_twice(site):
    study = Study(site, "killed")
    study.push("flair")
    study.done("flair")
    study.push("t1")
    study.daemon.kill()
    study.daemon.start()
    paired = study.done("flair", 2)

    assert {"flair", "t1"} == study.cited(paired)
    assert 2 == study.check_chain()
