"""Two series of one study, one of which joins the other: by storescu, in both orders, to one chain of reports."""

import json
import subprocess
from dataclasses import replace

import pytest
from builders.judging.toy import Toy, beating, hook, resting, series, with_still, write_bundle
from builders.running.daemon import SCANSIDE, running_daemon, write_files
from highdicom.sr import srread
from pydicom import dcmread
from pydicom.uid import generate_uid
from validators import unexpected_dciodvfy, without_dicomdir

from daemon.core.values import State
from models.methods.registry import METHODS


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    """A site whose bundle takes a moving heart, and one at rest beside it."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "toy", Toy)
        patch.setenv("PYTHONPATH", str(hook(folder / "hook")))
        write_bundle(folder / "bundle", with_still)
        (folder / "drop").mkdir()
        verdicts = [state.value for state in State]
        extra = (
            f'shipped = false\nbundles = {{ hearts = "{folder / "bundle"}" }}\n'
            f'[[destinations]]\nkind = "folder"\nname = "drop"\npath = "{folder / "drop"}"\nverdicts = {verdicts}\n'
        )
        with running_daemon(folder, extra=extra) as daemon:
            yield daemon, folder


class Sent:
    """A moving and a resting heart of one study."""

    def __init__(self, folder, name):
        self.folder, study = folder / name, generate_uid()
        dark = replace(resting(), voxels=0 * resting().voxels)
        self.files = {
            "run": series(beating(), f"{name} run", study),
            "still": series(resting(), f"{name} still", study),
            "dark": series(dark, f"{name} dark", study),
        }
        self.uids = {part: str(files[0].SeriesInstanceUID) for part, files in self.files.items()}

    def push(self, daemon, part):
        write_files(self.folder / part, self.files[part])
        assert 0 == daemon.push(self.folder / part).returncode


def cited(path):
    """The series that a report cites as its evidence, and the reports that it supersedes."""
    report = dcmread(path)
    evidence = {str(one.SeriesInstanceUID) for item in report.CurrentRequestedProcedureEvidenceSequence
                for one in item.ReferencedSeriesSequence}  # fmt: skip
    previous = [str(instance.ReferencedSOPInstanceUID) for item in report.get("PredecessorDocumentsSequence", ())
                for one in item.ReferencedSeriesSequence for instance in one.ReferencedSOPSequence]  # fmt: skip
    return evidence, previous


def measures(path):
    groups = srread(path).content.get_image_measurement_groups()
    return {group.tracking_identifier for group in groups}


def check(record):
    assert [] == without_dicomdir(unexpected_dciodvfy(record["sr"]))


def test_one_that_joins_later_makes_the_next_revision_that_cites_both(hearts):
    daemon, folder = hearts
    sent = Sent(folder, "first")
    sent.push(daemon, "run")
    alone = daemon.done(sent.uids["run"])
    sent.push(daemon, "still")
    both = daemon.done(sent.uids["run"], revision=2)

    assert "judged without still: there is none in the study yet" in alone["reasons"]
    assert ({sent.uids["run"]}, []) == cited(alone["sr"])
    assert ("ACCEPT", "joined", 96) == (both["verdict"], both["closed_by"], both["images"])
    assert "judged with still" in both["reasons"]
    assert [{"role": "still", "series": sent.uids["still"], "revision": 1}] == both["joined"]
    evidence, previous = cited(both["sr"])
    assert {sent.uids["run"], sent.uids["still"]} == evidence
    assert [str(dcmread(alone["sr"]).SOPInstanceUID)] == previous
    for record in (alone, both):
        check(record)
    assert both["seconds"]["verdict"] < 60


def test_one_that_came_first_is_there_at_once(hearts):
    daemon, folder = hearts
    sent = Sent(folder, "second")
    sent.push(daemon, "still")
    daemon.done(sent.uids["still"])
    sent.push(daemon, "run")
    both = daemon.done(sent.uids["run"])

    assert "judged with still" in both["reasons"]
    assert ({sent.uids["run"], sent.uids["still"]}, []) == cited(both["sr"])
    assert [] == daemon.done(sent.uids["still"])["joined"]
    check(both)


def test_one_that_the_method_does_without_is_said_and_not_cited(hearts):
    daemon, folder = hearts
    sent = Sent(folder, "sixth")
    sent.push(daemon, "run")
    daemon.done(sent.uids["run"])
    sent.push(daemon, "dark")
    again = daemon.done(sent.uids["run"], revision=2)

    assert "still not used: it is dark" in again["reasons"]
    assert {sent.uids["run"]} == cited(again["sr"])[0]
    check(again)


def test_one_that_is_sent_twice_joins_once(hearts):
    daemon, folder = hearts
    sent = Sent(folder, "third")
    for part in ("run", "still", "still", "run"):
        sent.push(daemon, part)
    daemon.done(sent.uids["run"], revision=2)
    later = [record for record in daemon.series() if record["series"] == sent.uids["run"]]

    assert {1, 2} == {record["revision"] for record in later}


def test_the_series_of_another_study_joins_nobody(hearts):
    daemon, folder = hearts
    one, other = Sent(folder, "fourth"), Sent(folder, "fifth")
    other.push(daemon, "still")
    daemon.done(other.uids["still"])
    one.push(daemon, "run")

    assert [] == daemon.done(one.uids["run"])["joined"]


def test_a_cohort_gathers_the_series_of_each_study_on_disk(hearts, tmp_path):
    daemon, _ = hearts
    whole, alone = Sent(tmp_path, "sixth"), Sent(tmp_path, "seventh")
    for study, parts in ((whole, ("run", "still")), (alone, ("run",))):
        for part in parts:
            write_files(tmp_path / "cohort" / study.folder.name / part, study.files[part])
    command = [*SCANSIDE, "batch", tmp_path / "cohort", "--out", tmp_path / "out", "--config", daemon.config]
    subprocess.run(command, check=True, capture_output=True)
    rows = {row["series"]: row for row in json.loads((tmp_path / "out" / "rows.json").read_text())}

    both, lone = rows[whole.uids["run"]], rows[alone.uids["run"]]
    assert {"still": [whole.uids["still"]]} == both["joined"]
    assert "judged with still" in both["reasons"]
    assert both["measures"]["rest"]["value"] > 0
    assert "judged without still: there is none in the study yet" in lone["reasons"]
    assert not lone.get("joined")
    assert not rows[whole.uids["still"]].get("joined")
