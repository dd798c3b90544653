"""The whole line as its users meet it: a real storescu, a real Orthanc, the real daemon in processes of its own."""

import json
import subprocess
from io import BytesIO

import highdicom
import numpy as np
import pytest
from archive import running_archive
from builders.images.push import peer, push_series
from builders.peers.http import http_target
from builders.running.daemon import SCANSIDE, golden_datasets, running_daemon, write_golden
from PIL import Image
from pydicom import dcmread
from validators import dsrdump, unexpected_dciodvfy, without_dicomdir

from daemon.core.steps import StepState
from daemon.dicom.protocol.mpps import begun, ended
from daemon.dicom.protocol.outgoing import encode_outgoing
from daemon.dicom.reading.volumes import read_volumes
from daemon.dicom.simulate import corrupted_series
from daemon.edge.delivery.scanner import create_step, set_step
from models.physics.artefacts import Artefact
from models.physics.kspace import corrupt
from models.physics.severity import draw
from models.preprocess import Grid

SHORT = "completion = { stray_s = 2.0 }"  # seconds to wait for images that are known to be missing


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A daemon that reports to an Orthanc and alerts a web server, with two series pushed: clean and very noisy."""
    folder = tmp_path_factory.mktemp("line")
    (volume,) = read_volumes(golden_datasets())
    spacing = Grid(volume.still.shape, volume.affine).spacing
    noisy = corrupt(volume.still, (draw(Artefact.NOISE, 1.0, np.random.default_rng(0)),), spacing)
    (folder / "archive").mkdir()
    with (
        running_archive(folder / "archive") as archive,
        http_target() as target,
        running_daemon(folder, archive, f'alerts = {{ urls = ["{target.url}"] }}\n{SHORT}') as daemon,
    ):
        records = []
        for name, image in (("clean", None), ("noisy", noisy)):
            uid = write_golden(folder / name, image)
            assert 0 == daemon.push(folder / name).returncode
            records.append(daemon.done(uid))
        yield daemon, archive, target, records


def test_a_clean_head_is_not_sent_back(line):
    _, _, _, (clean, _) = line

    assert clean["verdict"] in {"ACCEPT", "REVIEW"}
    assert ("release", len(golden_datasets())) == (clean["closed_by"], clean["images"])
    assert not clean["partial"]


def test_a_noisy_head_is_to_be_repeated_for_its_noise(line):
    _, _, _, (_, noisy) = line

    assert ("RESCAN", "noise") == (noisy["verdict"], noisy["cause"])
    assert "repeat" in noisy["action"]


def test_every_stage_is_timed(line):
    _, _, _, records = line
    for record in records:
        stages = {"close", "queue", "read", "preprocess", "infer", "report", "verdict", "sr"}

        assert stages <= set(record["seconds"])
        assert record["seconds"]["verdict"] < record["seconds"]["sr"]


def test_the_report_in_the_archive_is_the_one_that_was_made_and_is_valid(line, tmp_path):
    _, archive, _, records = line
    for record in records:
        made = dcmread(record["sr"])
        stored = tmp_path / "stored.dcm"
        stored.write_bytes(archive.instance(made.SOPInstanceUID))

        assert [] == without_dicomdir(unexpected_dciodvfy(stored))  # the golden head has no study date
        assert "Imaging Measurement Report" in dsrdump(stored)
        report = highdicom.sr.srread(stored)
        groups = report.content.get_image_measurement_groups()
        assert len(groups) >= 6
        assert record["series"] in str(dcmread(stored))


def test_summary_and_report_arrive_once_each(line):
    _, archive, _, records = line

    assert 2 * len(records) == archive.counts()[3]


def test_the_picture_shows_the_verdict(line):
    _, _, _, (_, noisy) = line
    picture = np.asarray(Image.open(noisy["picture"]))

    assert (960, 1280, 3) == picture.shape
    assert picture[5, 5, 0] > 1.5 * picture[5, 5, 1]  # the band of RESCAN is red


def test_the_page_shows_one_card_a_series(line):
    daemon, _, _, records = line
    snapshot = json.loads(daemon.get("cards?scanner=Trio"))
    exams = [exam["exam_id"] for exam in (*snapshot["exams"], *snapshot["earlier"])]
    cards = [card for exam in exams for card in json.loads(daemon.get(f"cards?exam={exam}"))["cards"]]

    assert {record["verdict"] for record in records} == {card["verdict"]["state"] for card in cards}
    assert len(records) == len(cards)
    assert {"Trio"} == {card["scanner"] for card in cards}
    picture = Image.open(BytesIO(daemon.get(f"pictures/{cards[0]['card_id']}.png")))
    assert (1280, 960) == picture.size


def test_a_rescan_alerts_once_and_nothing_else_does(line):
    _, _, target, _ = line
    (alert,) = target.received

    assert alert["title"] == "RESCAN on Trio: Noise"
    assert "DEMO" not in json.dumps(alert)


def test_prometheus_counts_the_line(line):
    daemon, _, _, records = line
    metrics = daemon.get("metrics").decode()
    images = sum(record["images"] for record in records)

    assert f'scanside_instances_received_total{{scanner="Trio"}} {float(images)}' in metrics
    assert (
        'scanside_series_answered_total{cause="noise",closed_by="release",scanner="Trio",verdict="RESCAN"} 1.0'
        in metrics
    )
    assert 'scanside_deliveries_total{destination="orthanc",outcome="delivered"} 4.0' in metrics
    subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True, check=True, capture_output=True)


def test_the_logs_name_no_patient_and_no_series(line):
    daemon, _, _, records = line
    log = daemon.config.with_name("daemon.log").read_text()

    assert "series_judged" in log
    assert "DEMO" not in log.replace("DEMO_MR", "")
    assert not any(record["series"] in log for record in records)


def test_assess_gives_the_same_judgement_without_a_daemon(line, tmp_path):
    daemon, _, _, records = line
    for name, record in zip(("clean", "noisy"), records, strict=True):
        folder = daemon.config.parent / name
        command = [*SCANSIDE, "assess", str(folder), "--json", "--maps", str(tmp_path / name)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

        assert (record["verdict"], record["cause"]) == (found["verdict"], found["cause"])
        assert found["uncertainty"] > 0
        maps = sorted(path.name for path in (tmp_path / name).iterdir())
        assert ["labels.nii.gz", *(f"variance-{a}.nii.gz" for a in sorted(Artefact))] == maps


def test_a_restart_is_boring(line):
    """After SIGTERM everything is still there, and nothing is sent again."""
    daemon, archive, target, records = line
    before = archive.counts()

    assert 0 == daemon.stop()
    daemon.start()
    assert {r["series"]: r["verdict"] for r in records} == {r["series"]: r["verdict"] for r in daemon.series()}
    assert before == archive.counts()
    assert 1 == len(target.received)


def test_a_late_image_revises_the_verdict(line, tmp_path):
    daemon, archive, _, _ = line
    (volume,) = read_volumes(golden_datasets())
    uid = write_golden(tmp_path / "all", volume.still * 2, seed="late")
    late = tmp_path / "late"
    late.mkdir()
    last = max((tmp_path / "all").iterdir())
    last.rename(late / last.name)
    count = archive.counts()[3]

    assert 0 == daemon.push(tmp_path / "all").returncode
    first = daemon.done(uid)
    assert 0 == daemon.push(late).returncode
    second = daemon.done(uid, revision=2)
    assert (first["images"] + 1, 2) == (second["images"], second["revision"])
    assert count + 4 == archive.counts()[3]
    predecessor = dcmread(second["sr"]).PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert dcmread(first["sr"]).SOPInstanceUID == predecessor.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert [True, False] == [
        r["superseded"] for r in sorted(daemon.series(), key=lambda r: r["revision"]) if r["series"] == uid
    ]


def test_a_procedure_step_that_tells_of_a_missing_image_revises_the_verdict(line):
    """An end slice: nothing but the step's list can tell. Before the list the verdict was whole, after it partial."""
    daemon = line[0]
    (volume,) = read_volumes(golden_datasets())
    images = [encode_outgoing(made) for made in corrupted_series(golden_datasets(), volume.still, "one is missing")]
    uid, scanner = images[0].series_instance_uid, peer(daemon.dicom_port)
    create_step(scanner, "1.2.3.9", begun("1.2.3", "MR1", "20260101120000"))
    push_series(daemon.dicom_port, images[:-1])
    first = daemon.done(uid)
    listed = [(image.series_instance_uid, image.sop_class_uid, image.sop_instance_uid) for image in images]
    set_step(scanner, "1.2.3.9", ended(StepState.COMPLETED, listed, "20260101121000"))
    second = daemon.done(uid, revision=2)
    push_series(daemon.dicom_port, images[-1:])
    third = daemon.done(uid, revision=3)

    assert ("release", False) == (first["closed_by"], first["partial"])
    assert ("mpps", True, first["images"]) == (second["closed_by"], second["partial"], second["images"])
    assert ("mpps", False, len(images)) == (third["closed_by"], third["partial"], third["images"])
    assert 3 == len({dcmread(record["sr"]).SOPInstanceUID for record in (first, second, third)})
    assert ["COMPLETE", "PARTIAL", "COMPLETE"] == [dcmread(r["sr"]).CompletionFlag for r in (first, second, third)]
