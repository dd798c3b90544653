"""The first thing a new user runs: `make demo` ends by itself, and says what it did."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from builders.running.daemon import SCANSIDE, golden_datasets, write_golden
from pydicom import dcmread

from daemon.dicom.reading.volumes import read_volumes

LINE = re.compile(r"^(clean|motion|noise|spike) +(ACCEPT|REVIEW|RESCAN|NOT_ASSESSED) +(\S+) +([\d.]+)  (\S.*)$")


def demo(folder, *series):
    command = [*SCANSIDE, "demo", *map(str, series), "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def answers(said):
    """What was pushed -> verdict, cause, seconds, SR, picture."""
    found, lines = {}, said.splitlines()
    for number, line in enumerate(lines):
        if (match := LINE.match(line)) is not None:
            sr, picture = (lines[number + k].split()[-1] for k in (1, 2))
            found[match[1]] = (match[2], match[3], float(match[4]), Path(sr), Path(picture))
    return found


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    finished = demo(tmp_path_factory.mktemp("demo") / "demo")
    assert 0 == finished.returncode, finished.stdout + finished.stderr
    return answers(finished.stdout)


def test_four_pushes_are_answered_each_with_a_report_and_a_picture(shown):
    assert ["clean", "motion", "noise", "spike"] == list(shown)
    for _, _, seconds, sr, picture in shown.values():
        assert seconds > 0
        assert "SR" == dcmread(sr).Modality
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_clean_head_passes_and_what_is_wrong_is_named(shown):
    assert shown["clean"][0] in {"ACCEPT", "REVIEW"}
    for artefact in ("motion", "noise", "spike"):
        verdict, cause, *_ = shown[artefact]
        assert (verdict != "ACCEPT", artefact) == (True, cause)


def test_it_takes_the_users_own_series_and_of_nothing_but_noise_accepts_nothing(tmp_path):
    voxels = np.random.default_rng(0).gamma(2, 50, read_volumes(golden_datasets())[0].still.shape).astype(np.float32)
    write_golden(tmp_path / "own", voxels)
    own = dcmread(next((tmp_path / "own").iterdir()))
    finished = demo(tmp_path / "demo", tmp_path / "own")
    found = answers(finished.stdout)

    assert 0 == finished.returncode, finished.stdout + finished.stderr
    assert 4 == len(found)
    assert own.StudyInstanceUID == dcmread(found["clean"][3]).StudyInstanceUID
    assert "ACCEPT" not in {verdict for verdict, *_ in found.values()}


@pytest.mark.parametrize("content", [None, b"no DICOM at all"])
def test_a_folder_without_a_series_is_a_clear_error(tmp_path, content):
    folder = tmp_path / "own"
    folder.mkdir()
    if content is not None:
        (folder / "note.txt").write_bytes(content)
    finished = demo(tmp_path / "demo", folder)

    assert 1 == finished.returncode
    assert finished.stderr.startswith("scanside: ")
    assert "Traceback" not in finished.stderr
