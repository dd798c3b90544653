"""A bundle whose method is no part of the software, from storescu to SR, picture, card and alert."""

import json
import shutil

import numpy as np
import pytest
from builders.judging.toy import Toy, beating, hook, series, write_bundle
from builders.peers.http import http_target
from builders.running.daemon import running_daemon, write_files
from highdicom.sr import srread
from PIL import Image
from pydicom import dcmread
from validators import dsrdump, unexpected_dciodvfy, without_dicomdir

from daemon.core.values import State
from models.methods.registry import METHODS


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    """A site that judges hearts alone, and what became of a good run, a run with a dark phase and a still heart."""
    folder = tmp_path_factory.mktemp("hearts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "toy", Toy)
        patch.setenv("PYTHONPATH", str(hook(folder / "hook")))
        write_bundle(folder / "bundle")
        (folder / "drop").mkdir()
        verdicts = [state.value for state in State]
        with http_target() as target:
            extra = (
                f'shipped = false\nbundles = {{ hearts = "{folder / "bundle"}" }}\n'
                f'alerts = {{ urls = ["{target.url}"] }}\n'
                f'[[destinations]]\nkind = "folder"\nname = "drop"\npath = "{folder / "drop"}"\nverdicts = {verdicts}\n'
            )
            with running_daemon(folder, extra=extra) as daemon:
                records = {}
                for name, image in (("good", beating()), ("dark", beating(dark=6)), ("still", beating(count=1))):
                    files = series(image, name)
                    write_files(folder / name, files)
                    assert 0 == daemon.push(folder / name).returncode
                    records[name] = daemon.done(str(files[0].SeriesInstanceUID))
                yield daemon, target, records


def test_all_volumes_of_a_run_are_judged_as_one_image(hearts):
    _, _, records = hearts

    assert ("ACCEPT", 96) == (records["good"]["verdict"], records["good"]["images"])
    assert ("RESCAN", "dropout") == (records["dark"]["verdict"], records["dark"]["cause"])
    assert ["Signal dropout at volume 7 0.574 above 0.02"] == records["dark"]["reasons"]
    assert "a heart that stands still" in records["still"]["reasons"][0]


def test_the_reports_are_valid_and_in_the_bundles_own_words(hearts):
    _, _, records = hearts
    for record in records.values():
        assert [] == without_dicomdir(unexpected_dciodvfy(record["sr"]))
        assert "Imaging Measurement Report" in dsrdump(record["sr"])
    tree, groups = (
        str(dcmread(records["dark"]["sr"])),
        srread(records["dark"]["sr"]).content.get_image_measurement_groups(),
    )
    names = [group.tracking_identifier for group in groups]

    assert [f"scanside/strays, volume {n}" for n in range(1, 13)] == [name for name in names if "strays, " in name]
    assert {"80891009", "74281007", "111207"} <= {word.strip("'") for word in tree.split()}
    assert "Head" not in tree
    assert "Brain" not in tree


def test_picture_card_and_alert_are_there(hearts):
    daemon, target, records = hearts
    picture = np.asarray(Image.open(records["dark"]["picture"]))
    (alert,) = target.received
    snapshot = json.loads(daemon.get("cards?scanner=Trio"))
    exams = [exam["exam_id"] for exam in (*snapshot["exams"], *snapshot["earlier"])]
    cards = [card for exam in exams for card in json.loads(daemon.get(f"cards?exam={exam}"))["cards"]]

    assert (960, 1280, 3) == picture.shape
    assert picture[5, 5, 0] > 1.5 * picture[5, 5, 1]  # the band of RESCAN is red
    assert "RESCAN on Trio: Signal dropout" == alert["title"]
    assert {"ACCEPT", "RESCAN"} <= {card["verdict"]["state"] for card in cards}


def test_a_wrong_golden_number_of_a_second_bundle_ends_the_start_by_name(tmp_path, hearts):
    """The fixture's method is still known to processes that are started here."""
    second = shutil.copytree(hearts[0].config.parent / "bundle", tmp_path / "second")
    manifest = json.loads((second / "manifest.json").read_text())
    manifest["golden"]["expected"]["brightness"] *= 2
    (second / "manifest.json").write_text(json.dumps(manifest))
    bundles = f'shipped = false\nbundles = {{ first = "{hearts[0].config.parent / "bundle"}", second = "{second}" }}\n'
    with running_daemon(tmp_path, extra=bundles, ready=False) as daemon:
        assert 0 != daemon.process.wait(120)

    assert "brightness of hearts is" in daemon.config.with_name("daemon.log").read_text()
