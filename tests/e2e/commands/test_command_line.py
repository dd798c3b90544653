"""The commands as a shell sees them: what they print, and how they fail."""

import json
import subprocess
import sys
from importlib.metadata import version

import nibabel as nib
import numpy as np
import pytest
from builders.running.daemon import SCANSIDE, write_golden

from daemon.__main__ import main
from daemon.config import shipped_bundles
from models.bundle import load_bundle
from models.physics.artefacts import ARTEFACTS


def scanside(*arguments):
    return subprocess.run([*SCANSIDE, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300)


def golden_file():
    bundle = load_bundle(shipped_bundles()["brain-t1"])
    return bundle.file(bundle.manifest.golden.images["image"])


@pytest.mark.parametrize("command", ["run", "receive", "series", "assess", "calibrate", "demo"])
def test_help_says_where_things_lie(command):
    said = scanside(command, "--help").stdout

    for place in (
        "storage/spool/",
        "storage/reports/",
        "scanside.sqlite",
        "/metrics",
        str(shipped_bundles()["brain-t1"]),
    ):
        assert place in said


def test_help_of_push_shows_how_to_use_it():
    said = scanside("push", "--help").stdout

    for word in ("--artefact", "--drop", "--late-after", "--mpps", "--new-uids", "examples:", "No patient data"):
        assert word in said


@pytest.mark.parametrize(
    ("content", "said"),
    [("storage = 1 =", "not TOML"), ("surprise = 1", "surprise"), ("[dicom]\nport = 'x'", "port")],
)
def test_a_wrong_configuration_is_named(tmp_path, content, said):
    config = tmp_path / "scanside.toml"
    config.write_text(content)
    finished = scanside("series", "--config", config)

    assert 1 == finished.returncode
    assert finished.stderr.startswith("scanside: ")
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr


def test_series_before_the_first_run_says_what_to_do(tmp_path):
    config = tmp_path / "scanside.toml"
    config.write_text(f'storage = "{tmp_path / "storage"}"')
    finished = scanside("series", "--json", "--config", config)

    assert (1, "") == (finished.returncode, finished.stdout)
    assert "run the daemon" in finished.stderr


def test_a_bundle_that_is_not_whole_stops_the_daemon_at_once(tmp_path):
    (tmp_path / "bundle").mkdir()
    config = tmp_path / "scanside.toml"
    config.write_text(
        f'storage = "{tmp_path / "storage"}"\n[bundles]\nsecond = "{tmp_path / "bundle"}"\n'
        '[dicom]\nhost = "127.0.0.1"\nport = 0\n[web]\nport = 0\n'
    )
    finished = scanside("run", "--config", config)

    assert 1 == finished.returncode
    assert "no manifest.json" in finished.stderr


@pytest.mark.parametrize("name", ["nothing.nii.gz", "broken.nii.gz", "note.txt"])
def test_what_cannot_be_assessed_is_a_clear_answer(tmp_path, name):
    path = tmp_path / name
    if "nothing" not in name:
        path.write_bytes(b"no image")
    finished = scanside("assess", path, "--json")

    assert (1, "") == (finished.returncode, finished.stdout)
    assert finished.stderr.startswith("scanside: ")
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("place", [0, 1], ids=["before the command", "behind it"])
def test_the_configuration_is_named_on_either_side_of_the_command(tmp_path, place):
    arguments = ["series", "--config", tmp_path / "nowhere.toml"]
    finished = scanside(*(arguments if place else [*arguments[1:], arguments[0]]))

    assert 1 == finished.returncode
    assert "nowhere.toml" in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["work", "--metrics-port", "99999"], "99999 is out of range, write a number from 0 to 65,535"),
        (["series", "--limit", "-5"], "-5 is out of range"),
        (["series", "--limit", "x"], "invalid int value: 'x'"),
        (["push", "--seed", "-1"], "-1 is out of range"),
        (["push", "--calling", 17 * "A"], "not an AE title"),
        (["push", "--called", "A\\B"], "not an AE title"),
    ],
)
def test_an_option_out_of_its_bounds_is_named(capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert 2 == ended.value.code
    assert f"argument {arguments[1]}: {said}" in capsys.readouterr().err


def test_the_actions_of_a_command_take_the_configuration_too(tmp_path, capsys):
    assert 1 == main(["spool", "list", "--config", str(tmp_path / "nowhere.toml")])
    assert "nowhere.toml" in capsys.readouterr().err


def test_the_version_is_that_of_the_package():
    assert f"scanside {version('scanside')}\n" == scanside("--version").stdout


def test_no_command_imports_what_another_needs():
    code = "import sys; from daemon.__main__ import main; sys.modules['scipy'] = None; main(['receive', '--help'])"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert (0, "") == (finished.returncode, finished.stderr)


def test_assess_judges_a_nifti_file_and_its_dicom_series_alike_with_maps_on_the_files_grid(tmp_path):
    write_golden(tmp_path / "dicom")
    answers = [
        json.loads(scanside("assess", path, "--json", "--maps", tmp_path / f"maps{number}").stdout)
        for number, path in enumerate((golden_file(), tmp_path / "dicom"))
    ]

    assert answers[0]["verdict"] == answers[1]["verdict"]
    assert answers[0]["uncertainty"] == pytest.approx(answers[1]["uncertainty"], rel=0.02)
    image = nib.load(golden_file())
    names = ["labels", *(f"variance-{artefact}" for artefact in ARTEFACTS)]
    for name in names:
        written = nib.load(tmp_path / "maps0" / f"{name}.nii.gz")
        assert image.shape == written.shape
        np.testing.assert_allclose(image.affine, written.affine)
    labels = np.asarray(nib.load(tmp_path / "maps0" / "labels.nii.gz").dataobj)
    volume = (labels == 2).sum() * abs(np.linalg.det(image.affine[:3, :3])) / 1000
    assert volume == pytest.approx(answers[0]["volumes_ml"]["grey matter"], rel=0.1)
