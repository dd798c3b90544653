"""A cine of a pig's heart from storescu to verdict, report and picture, by the bundle that a site adds itself."""

import json
import subprocess

import highdicom
import numpy as np
import pytest
from builders.images.hearts import LAYOUTS, NAME, pig_datasets, positions, turned
from builders.running.daemon import SCANSIDE, running_daemon, write_files
from PIL import Image
from pydicom import dcmread
from validators import dsrdump, unexpected_dciodvfy, without_dicomdir

from daemon.config import Settings, optional_bundles
from daemon.dicom.reading.volumes import arrange
from daemon.line.selection import consider
from daemon.routes import all_routes

pytestmark = pytest.mark.skipif(NAME not in optional_bundles(), reason="no bundle of hearts ships yet")

#: Volume (SNOMED CT), ejection fraction of the left ventricle (LOINC).
VOLUME, FRACTION = "118565006", "8811-2"


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A daemon with the bundle, and what it said of the cine as it came, transposed, and turned by a quarter."""
    folder = tmp_path_factory.mktemp("hearts")
    whole = pig_datasets()
    sent = {"as it came": whole, "transposed": turned(whole, quarter=False), "turned": turned(whole, quarter=True)}
    with running_daemon(folder, extra=f'bundles = {{ {NAME} = "{optional_bundles()[NAME]}" }}') as daemon:
        yield daemon, folder, {name: answered(daemon, folder / name, datasets) for name, datasets in sent.items()}


@pytest.fixture(scope="module")
def hearts_alone(tmp_path_factory):
    """A daemon that has no other bundle."""
    bundles = f'shipped = false\nbundles = {{ {NAME} = "{optional_bundles()[NAME]}" }}'
    with running_daemon(tmp_path_factory.mktemp("hearts-alone"), extra=bundles) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def study(hearts_alone, tmp_path_factory):
    """What became of a study of one series a position, each sent when the last was answered."""
    folder = tmp_path_factory.mktemp("positions")
    return [
        answered(hearts_alone, folder / str(number), datasets) for number, datasets in enumerate(positions().values())
    ]


@pytest.fixture(scope="module")
def layouts(hearts_alone, tmp_path_factory):
    """What was said of a small cine in each layout that scanners have."""
    folder = tmp_path_factory.mktemp("layouts")
    return {name: answered(hearts_alone, folder / name, make()) for name, make in LAYOUTS.items()}


def answered(daemon, folder, datasets):
    """The record of a series that was pushed."""
    write_files(folder, datasets)
    assert 0 == daemon.push(folder).returncode
    return daemon.done(str(datasets[0].SeriesInstanceUID))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_heart_is_judged_in_every_layout(layouts, layout):
    record, plain = layouts[layout], layouts["one series"]
    said = {
        "frames missing": "2 images missing",
        "frames repeated": "1 images left out",
        "a slice again": "10 images left out",
    }

    assert record["verdict"] in {"ACCEPT", "REVIEW"}, record
    assert said.get(layout, "") in "; ".join(record["reasons"])
    assert numbers(plain["sr"]) == pytest.approx(numbers(record["sr"]), rel=0.05 if layout in said else 0.001)
    assert [] == without_dicomdir(unexpected_dciodvfy(record["sr"]))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_beside_every_bundle_that_ships_a_heart_goes_to_its_own_whatever_its_words_say(layout):
    routes = all_routes(Settings(bundles={NAME: optional_bundles()[NAME]}))
    outlook = consider(arrange(LAYOUTS[layout]()), routes)

    assert outlook.refusal is None
    assert NAME == outlook.route.bundle


def test_each_position_is_answered_as_it_comes_and_the_last_one_has_the_stack(study):
    judged = [record for record in study if record["verdict"] != "NOT_ASSESSED"]
    report = dcmread(judged[-1]["sr"])
    cited = {
        str(series.SeriesInstanceUID)
        for item in report.CurrentRequestedProcedureEvidenceSequence
        for series in item.ReferencedSeriesSequence
    }
    told = highdicom.sr.srread(judged[-1]["sr"]).content.get_image_measurement_groups()

    assert 6 == len(judged)
    assert [*range(6)] == [len(record["joined"]) for record in judged]
    assert {record["series"] for record in judged} == cited
    assert all("a long-axis cine" in record["action"] for record in study if record not in judged)
    assert any(VOLUME == m.name.value for group in told for m in group.get_measurements())
    assert {1} == {record["revision"] for record in study}


def numbers(path):
    """Volumes of the left ventricle at end-diastole and end-systole, and the ejection fraction, of a report."""
    groups = highdicom.sr.srread(path).content.get_image_measurement_groups()
    told = [(g.tracking_identifier.lower(), m.name.value, float(m.value)) for g in groups for m in g.get_measurements()]
    volumes = {who: value for who, code, value in told if code == VOLUME and "lv" in who and "end" in who}
    full, empty = (next(v for who, v in volumes.items() if phase in who) for phase in ("diastolic", "systolic"))
    return full, empty, next(value for _, code, value in told if code == FRACTION)


def test_the_stack_is_judged_by_the_bundle_and_never_a_rescan(line):
    for record in line[2].values():
        assert record["verdict"] in {"ACCEPT", "REVIEW"}, record
        assert 400 == record["images"]


def test_the_numbers_are_those_of_a_beating_heart(line):
    full, empty, fraction = numbers(line[2]["as it came"]["sr"])

    assert 20 < empty < full < 200
    assert 1 - empty / full == pytest.approx(fraction, abs=0.01)


@pytest.mark.parametrize("way", ["transposed", "turned"])
def test_however_its_pixels_lie_the_heart_has_the_same_volumes(line, way):
    expected, found = (numbers(line[2][name]["sr"]) for name in ("as it came", way))

    assert expected == pytest.approx(found, rel=0.03)


def test_the_reports_are_valid_and_speak_of_the_heart(line):
    for record in line[2].values():
        found = without_dicomdir(unexpected_dciodvfy(record["sr"]))
        assert [] == [line for line in found if "PatientName" not in line]  # the source's own has no caret
        assert "Imaging Measurement Report" in dsrdump(record["sr"])
        tree = str(dcmread(record["sr"]))
        assert "80891009" in tree
        assert "Brain" not in tree


def test_the_picture_is_whole(line):
    picture = np.asarray(Image.open(line[2]["as it came"]["picture"]))

    assert (960, 1280, 3) == picture.shape
    assert picture.std() > 10


def test_assess_says_the_same_of_the_folder(line):
    daemon, folder, records = line
    command = [*SCANSIDE, "assess", str(folder / "as it came"), "--json", "--config", str(daemon.config)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert records["as it came"]["verdict"] == told["verdict"]
    assert numbers(records["as it came"]["sr"])[0] == pytest.approx(told["volumes_ml"]["LV end-diastolic"], rel=1e-3)
    low, high = told["intervals_ml"]["LV end-diastolic"]
    assert low < told["volumes_ml"]["LV end-diastolic"] < high


def test_without_its_line_in_the_configuration_it_judges_nothing_and_is_told_of(tmp_path):
    config = tmp_path / "scanside.toml"
    config.write_text(f'storage = "{tmp_path}"\n')
    command = [*SCANSIDE, "bundles", "--json", "--config", str(config)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    told = {one["bundle"]: one for one in map(json.loads, lines)}

    assert not told[NAME]["judging"]
    assert told["brain-t1"]["judging"]
    assert "research only" in told[NAME]["licence"]
    assert str(optional_bundles()[NAME]) == told[NAME]["folder"]
