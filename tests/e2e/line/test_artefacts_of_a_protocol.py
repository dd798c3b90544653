"""A protocol that nobody trained anything for: its own good series, spoilt while nobody waits, teach its artefacts."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from builders.images import phantoms
from builders.running.daemon import AT_ONCE, CHEAP, running_daemon, write_files
from pydicom import dcmread
from validators import unexpected_dciodvfy, without_dicomdir

ROOT = Path(__file__).parents[3]
SERIES, IMAGES = 13, 10


@pytest.fixture
def daemon(tmp_path):
    with running_daemon(tmp_path, extra=CHEAP) as running:
        yield running


def answered(daemon, folder, seed, change=lambda voxels: voxels, **header):
    voxels = np.rint(change(phantoms.volume(seed))).astype(np.float32)
    datasets = list(phantoms.series(voxels, "knee", **header))
    write_files(folder / str(seed), datasets)
    assert 0 == daemon.push(folder / str(seed)).returncode
    return daemon.done(str(datasets[0].SeriesInstanceUID))


def moved(voxels):
    """Every second line was acquired after a turn of the body."""
    before, after = (np.fft.fft(one, axis=1) for one in (voxels, np.roll(voxels, 3, axis=0)))
    before[:, ::2] = after[:, ::2]
    return np.abs(np.fft.ifft(before, axis=1))


def learning(daemon, *further):
    options = ["calibrate", "--artefacts", "--images", str(IMAGES), "--config", str(daemon.config), *further]
    return subprocess.Popen([sys.executable, "-c", AT_ONCE, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_what_its_own_series_teach_calls_the_next_spoilt_one_and_not_the_next_good_one(daemon, tmp_path):
    for seed in range(SERIES):
        answered(daemon, tmp_path, seed)
    journal = tmp_path / "storage" / "artefacts-any-mr.trials"
    with learning(daemon) as killed:
        while not journal.exists() or journal.read_text().count("\n") < SERIES:
            assert killed.poll() is None
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)
    before = journal.read_text().count("\n")
    with learning(daemon, "--dry-run") as dry:
        foreseen = dry.communicate()[0]
    assert f"0 images judged, {SERIES * (1 + IMAGES) - before} left" in foreseen
    assert "written: nothing" in foreseen
    assert not journal.with_suffix(".json").exists()
    with learning(daemon) as process:
        said = process.communicate()[0]
    good, spoilt = answered(daemon, tmp_path, 50), answered(daemon, tmp_path, 51, moved)
    changed = answered(daemon, tmp_path, 52, moved, EchoTime="110")

    assert f"artefacts: {SERIES * (1 + IMAGES) - before} images judged, 0 left" in said
    assert f"Trio  knee  {SERIES} series  {SERIES} tried: used" in said
    assert f"written: {journal.with_suffix('.json')}" in said
    assert "Carry on: as usual for this protocol." == good["action"]
    assert "REVIEW" == spoilt["verdict"]
    assert any("signs of an artefact" in reason for reason in spoilt["reasons"])
    assert [] == without_dicomdir(unexpected_dciodvfy(spoilt["sr"]))
    assert "Log odds of an artefact" in str(dcmread(spoilt["sr"]))
    assert not any("signs of an artefact" in reason for reason in changed["reasons"])
