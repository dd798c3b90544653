"""A cohort as a BIDS derivative: names, sidecars, tables with their dictionary, and a page that sorts its pictures."""

import csv
import json
import subprocess
from pathlib import Path
from zlib import crc32

import nibabel
import numpy as np
import pytest
from builders.page.browser import browser
from builders.running.daemon import SCANSIDE

from daemon.config import shipped_bundles
from daemon.core.bids import names_of
from daemon.edge.files.cohort_page import PAGE, write_page
from daemon.edge.files.derivative import FIGURES, write_derivative
from export.any_mr import phantom
from models.bundle import read_manifest
from models.statistics.reference_set import FEWEST

MANIFEST = read_manifest(shipped_bundles()["any-mr"])
NOISY, SCRIPT = "sub-07/anat/sub-07_T1w.nii.gz", "</script><script>document.title='owned'</script>"


def row(series: str, *, noise: float = 1.0, side: int = 64) -> dict:
    rng = np.random.default_rng(crc32(series.encode()))
    names = ("summary_bg_stdv", "snr", "fwhm_avg", "inu_range", "clipped")
    measures = {name: 5 * float(np.exp(0.05 * rng.normal())) for name in names}
    measures |= {"size_x": side, "size_y": 64, "size_z": 20, "size_t": 1, "gsr_y": 0.01, "cjv": None}
    measures |= {f"spacing_{axis}": 2.0 for axis in "xyz"}
    measures["summary_bg_stdv"] *= noise
    return {
        "series": series,
        "verdict": "ACCEPT",
        "cause": "",
        "action": SCRIPT,
        "reasons": [],
        "image_quality": measures,
    }


@pytest.fixture
def rows() -> list[dict]:
    """Twenty T1 of one grid, one of them noisy, one of another grid, a DICOM series, and one that was not measured."""
    series = [f"sub-{number:02d}/anat/sub-{number:02d}_T1w.nii.gz" for number in range(20)]
    found = [row(name, noise=4.0 if name == NOISY else 1.0) for name in series]
    unmeasured = {"series": "sub-50_dseg.nii.gz", "verdict": "NOT_ASSESSED", "action": "", "reasons": []}
    return [*found, row("sub-30/sub-30_T1w.nii.gz", side=80), row("1.2.840.7"), unmeasured]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def written(rows: list[dict], out: Path) -> None:
    (out / FIGURES).mkdir(parents=True)
    entries = write_derivative(lambda: iter(rows), out, MANIFEST, "1.2.3")
    assert MANIFEST.past is not None
    write_page(entries, out, MANIFEST.past, "1.2.3")


def test_every_measured_series_has_a_sidecar_and_a_line_of_its_suffix(rows, tmp_path):
    written(rows, tmp_path)
    found = table(tmp_path / "group_T1w.tsv")

    assert 21 == len(found) == len({one["bids_name"] for one in found})
    assert {"group_T1w.tsv", "group_MR.tsv"} == {path.name for path in tmp_path.glob("*.tsv")}
    for one in found:
        subject = one["bids_name"].split("_")[0]
        sidecar = json.loads((tmp_path / subject / "anat" / f"{one['bids_name']}.json").read_text())
        assert float(one["snr"]) == pytest.approx(sidecar["snr"], rel=1e-5)
        assert "T1w" == sidecar["bids_meta"]["suffix"]
    assert "1.2.840.7" not in "".join(str(path) for path in tmp_path.rglob("*"))


def test_every_column_but_the_name_is_in_the_dictionary_and_what_is_missing_is_said_to_be(rows, tmp_path):
    written(rows, tmp_path)
    found, meanings = table(tmp_path / "group_T1w.tsv"), json.loads((tmp_path / "group_T1w.json").read_text())

    assert {"bids_name", *meanings} == set(found[0])
    assert all(one["Description"] for one in meanings.values())
    assert {"n/a"} == {one["cjv"] for one in found}
    description = json.loads((tmp_path / "dataset_description.json").read_text())
    assert {"derivative", "1.10.0"} == {description["DatasetType"], description["BIDSVersion"]}
    assert ["Scanside", "1.2.3"] == [description["GeneratedBy"][0][key] for key in ("Name", "Version")]


def test_the_odd_one_of_its_like_is_furthest_and_another_grid_is_compared_with_nothing(rows, tmp_path):
    written(rows, tmp_path)
    found = {one["bids_name"]: one for one in table(tmp_path / "group_T1w.tsv")}
    alike = {name: one for name, one in found.items() if name != "sub-30_T1w"}

    assert "sub-07_T1w" == max(alike, key=lambda name: float(alike[name]["deviation"]))
    assert {"19"} == {one["compared_with"] for one in alike.values()}
    assert float(found["sub-07_T1w"]["p_value"]) == pytest.approx(1 / 20, rel=1e-4)
    assert ("n/a", "0") == (found["sub-30_T1w"]["p_value"], found["sub-30_T1w"]["compared_with"])
    assert FEWEST < 19


def test_the_same_rows_give_the_same_bytes(rows, tmp_path):
    written(rows, tmp_path / "a")
    written(rows, tmp_path / "b")
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())

    assert len(files) > 25
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_two_series_of_one_name_stay_two():
    names = [name.stem for name in names_of(["a/sub-1_T1w.nii", "b/sub-1_T1w.nii", "1.2.3", "1.2.3.4"])]

    assert 4 == len(set(names))
    assert all(name.startswith("sub-") for name in names)


def test_in_a_browser_the_page_sorts_by_any_measure_and_runs_nothing_that_a_row_says(rows, tmp_path):
    written(rows, tmp_path)
    with browser(tmp_path / "profile") as page:
        page.get((tmp_path / PAGE).as_uri())
        first = "return document.querySelector('#series h2').textContent"
        assert "sub-07_T1w" == page.execute_script(first)
        page.execute_script("byId('measure').value = 'snr'; byId('order').value = '1'; show()")
        lowest = min(rows[:-1], key=lambda one: one["image_quality"]["snr"])
        assert next(iter(names_of([lowest["series"]]))).stem == page.execute_script(first)
        assert "Image quality of a cohort" == page.title
        assert not [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]


def test_the_command_measures_and_draws_every_image_whatever_judged_it(tmp_path, any_mr_config):
    voxels = phantom().still
    (tmp_path / "raw" / "sub-1" / "anat").mkdir(parents=True)
    for number in (1, 2):
        image = nibabel.Nifti1Image(voxels * number, np.diag([2.0, 2.0, 4.0, 1.0]))
        nibabel.save(image, tmp_path / "raw" / "sub-1" / "anat" / f"sub-1_run-{number}_T2w.nii.gz")
    command = ["batch", tmp_path / "raw", "--out", tmp_path / "out", "--bids", "--config", any_mr_config]
    done = subprocess.run([*SCANSIDE, *map(str, command)], capture_output=True, text=True, check=False, timeout=300)

    assert 0 == done.returncode, done.stderr
    first, second = table(tmp_path / "out" / "bids" / "group_T2w.tsv")
    assert float(second["summary_fg_mean"]) == pytest.approx(2 * float(first["summary_fg_mean"]), rel=1e-4)
    assert ["72", "64", "20", "4"] == [first[name] for name in ("size_x", "size_y", "size_z", "spacing_z")]
    page = (tmp_path / "out" / "bids" / PAGE).read_text()
    figures = list((tmp_path / "out" / "bids" / FIGURES).iterdir())
    assert 2 == len(figures)
    assert all(f"{FIGURES}/{figure.name}" in page for figure in figures)


@pytest.fixture
def any_mr_config(tmp_path) -> Path:
    config = tmp_path / "scanside.toml"
    config.write_text(f"shipped = false\n[bundles]\nany-mr = '{shipped_bundles()['any-mr']}'\n")
    return config
