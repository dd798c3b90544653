"""scanside calibrate --harm beside a running daemon: killed twice, nothing is judged twice, the next series is told."""

import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from builders.daemon import SCANSIDE, STORESCU, golden_datasets, running_daemon, wait_until, write_golden

from daemon.dicom.reading.volumes import read_volumes

SERIES, IMAGES = 3, 4


def lines_of(journal):
    return journal.read_text().splitlines() if journal.exists() else []


@pytest.mark.skipif(not Path(STORESCU).exists(), reason="no storescu: apt install dcmtk")
def test_what_images_lose_is_learnt_though_killed_twice_and_tells_of_the_next_series(tmp_path):
    (volume,) = read_volumes(golden_datasets())
    rng = np.random.default_rng(0)
    level = float(volume.still.max())

    def write(number):
        noise = 0.01 * level * rng.standard_normal(volume.still.shape)
        image = np.abs(volume.still + noise).astype(np.float32)
        return write_golden(tmp_path / str(number), image, seed=f"head {number}")

    journal = tmp_path / "storage" / "harm-brain-t1.trials"
    with running_daemon(tmp_path) as daemon:
        command = [*SCANSIDE, "calibrate", "--harm", "--images", str(IMAGES), "--bundle", "brain-t1"]
        command += ["--config", str(daemon.config)]
        for number in range(SERIES):
            uid = write(number)
            assert 0 == daemon.push(tmp_path / str(number)).returncode
            assert daemon.done(uid)["verdict"] in ("ACCEPT", "REVIEW")
        for least in (2, 8):
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                wait_until(lambda: len(lines_of(journal)) >= least or process.poll() is not None, 600)  # noqa: B023
                assert process.poll() is None
                process.send_signal(signal.SIGKILL)
        before = len(lines_of(journal))
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900).stdout
        tried = [json.loads(line)["tried"] for line in lines_of(journal)]
        uid = write("next")
        assert 0 == daemon.push(tmp_path / "next").returncode
        after = daemon.done(uid)
        log = daemon.config.with_name("daemon.log").read_text()

    assert f"harm: {SERIES * (1 + IMAGES) - before} images judged, 0 left for the next time" in said
    assert f"{SERIES} series  used" in said
    assert SERIES * (1 + IMAGES) == len(tried) == len({(one["series"], one["number"]) for one in tried})
    assert b"loss by 3 series of the site" in Path(after["sr"]).read_bytes()
    assert "harm_loaded" in log
    assert 0o600 == (tmp_path / "storage" / "harm-brain-t1.json").stat().st_mode & 0o777
    assert time.time() - json.loads((tmp_path / "storage" / "harm-brain-t1.json").read_text())["made_at"] < 3600
