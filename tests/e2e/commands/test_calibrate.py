"""The running daemon takes up a calibration without a restart, and its reports name the reference."""

import json
import subprocess
from pathlib import Path

import pytest
from builders.judging.references import record_judged
from builders.running.daemon import SCANSIDE, STORESCU, golden_datasets, running_daemon, write_golden

from daemon.dicom.reading.volumes import read_volumes


@pytest.mark.skipif(not Path(STORESCU).exists(), reason="no storescu: apt install dcmtk")
def test_a_calibration_changes_the_next_verdict_and_not_the_last(tmp_path):
    (volume,) = read_volumes(golden_datasets())
    first = write_golden(tmp_path / "first")
    second = write_golden(tmp_path / "second", volume.still * 2, seed="the same head again")
    sentence = "scanner MR1, protocol golden head: 81 series"
    with running_daemon(tmp_path) as daemon:
        assert 0 == daemon.push(tmp_path / "first").returncode
        before = daemon.done(first)
        record_judged(daemon.config, range(80), protocol="golden head")
        said = subprocess.run(
            [*SCANSIDE, "calibrate", "--config", daemon.config], capture_output=True, text=True, check=True
        ).stdout
        assert 0 == daemon.push(tmp_path / "second").returncode
        after = daemon.done(second)
        log = daemon.config.with_name("daemon.log").read_text()
        command = [*SCANSIDE, "assess", tmp_path / "second", "--json", "--scanner", "MR1", "--config", daemon.config]
        alone = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

        assert before == daemon.done(first)
    assert ["Trio", "golden", "head", "81", "3.7%", "used"] == said.splitlines()[1].split()  # 80 and the daemon's own
    assert "ACCEPT" == before["verdict"]
    assert (after["verdict"], sentence) == (alone["verdict"], alone["reference"])
    assert after["verdict"] in {"REVIEW", "RESCAN"}
    assert sentence.encode() in Path(after["sr"]).read_bytes()
    assert b"manifest: 169 series" in Path(before["sr"]).read_bytes()
    assert "references_loaded" in log
    assert "golden head" not in log
