"""``scanside calibrate`` on a real database: what it prints, what it writes, and what the judge makes of it."""

import json
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.judging.references import answer, bundle_of, record_judged
from builders.running.daemon import SCANSIDE, write_golden
from structlog.testing import capture_logs

from daemon.commands.learning.calibrate import calibrate as learn_references
from daemon.config import load_settings, shipped_bundles
from daemon.core.errors import ConfigError
from daemon.core.judging.reference import Origin
from daemon.core.judging.rule import Rule
from daemon.core.people.calibration import Selection
from daemon.core.people.card import Choice
from daemon.core.values import State
from daemon.edge.files.references import SiteReferences, load_references
from daemon.edge.supervisor import Supervisor

#: The shipped bundle: alpha 0.10, three signals.
NEEDED = 29
#: The sides of its golden head's voxels.
GOLDEN_MM = 2.0
SUPERVISOR = Supervisor(threading.Event())
ORIGIN = Origin(scanner="MR1", protocol="t1", coarsest_mm=1.0)


@pytest.fixture
def site(tmp_path):
    """A configuration whose database and storage are empty."""
    config = tmp_path / "scanside.toml"
    config.write_text(f'storage = "{tmp_path / "storage"}"\nscanners = {{ MR1 = "Prisma" }}\n')
    (tmp_path / "storage").mkdir()
    return config


def scanside(*arguments):
    return subprocess.run([*SCANSIDE, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300)


def calibrate(config, *options):
    finished = scanside("calibrate", "--config", config, *options)
    assert (0, "") == (finished.returncode, finished.stderr)
    return finished.stdout


def test_the_table_says_what_each_cell_is_good_for(site):
    record_judged(site, range(40))
    record_judged(site, range(40, 52), protocol="t1 sag")
    record_judged(site, range(60, 65), scanner="OTHER", protocol="")
    said = calibrate(site, "--dry-run").splitlines()

    assert ["scanner", "protocol", "series", "false", "alarms", "from", "compared", "with"] == said[0].split()
    assert ["Prisma", "t1", "40", "7.3%", "used"] == said[1].split()
    assert "Prisma   t1 sag    12      23.1%              all protocols of the scanner; 17 more needed" == said[2]
    assert said[3].split()[:4] == ["OTHER", "-", "5", "50.0%"]
    assert said[3].endswith("the bundle's own; 24 more needed, 24 more of the scanner")
    assert "written: nothing" == said[4]
    assert not load_settings(site).references_of("brain-t1").exists()


def test_json_says_the_same_and_the_file_holds_the_scores(site):
    record_judged(site, range(NEEDED + 1))
    told = json.loads(calibrate(site, "--json"))
    (cell,) = told["cells"]
    stored = json.loads(load_settings(site).references_of("brain-t1").read_text())

    assert ("Prisma", "MR1", "t1", NEEDED + 1, True, 0) == tuple(
        cell[key] for key in ("scanner", "calling_ae", "protocol", "series", "used", "missing")
    )
    assert NEEDED == told["needed"]
    assert (1, bundle_of(site).digest) == (stored["format"], stored["bundle"])
    (kept,) = stored["cells"]
    assert ({"uncertainty", "task", "entropy"}, NEEDED + 1) == (set(kept["scores"]), kept["count"])
    assert [0.04 + n / 1e4 for n in range(NEEDED + 1)] == pytest.approx(kept["scores"]["uncertainty"])
    assert not list(load_settings(site).storage.glob("*.part"))


def test_what_does_not_count_is_left_out_and_counted(site, tmp_path):
    record_judged(site, range(10))
    record_judged(site, range(10, 14), state=State.REVIEW)
    record_judged(site, range(14, 17), state=State.RESCAN)
    record_judged(site, range(17, 19), bundle="another")
    rejected = tmp_path / "rejected.txt"
    rejected.write_text("# looked at on Monday\n1.2.77.0\n\n1.2.77.1  # ghosts\n1.2.3.4\n")
    told = json.loads(calibrate(site, "--json", "--exclude", rejected))

    assert [12] == [cell["series"] for cell in told["cells"]]
    assert {"verdict": 3, "bundle": 2, "rejected": 2, "answered": 0, "no_number": 0} == told["left_out"]
    assert 1 == told["unknown"]
    assert [10] == [cell["series"] for cell in json.loads(calibrate(site, "--json", "--accepted-only"))["cells"]]
    assert "left out: 2 (another bundle judged it)" in calibrate(site, "--exclude", rejected)


def test_the_answers_on_the_page_say_which_series_are_references(site):
    record_judged(site, range(10))
    record_judged(site, range(10, 14), state=State.RESCAN)
    given = {0: Choice.WRONG, 1: Choice.REPEATED, 2: Choice.ACCEPTED, 10: Choice.WRONG, 11: Choice.REPEATED}
    answer(site, given | {12: Choice.WRONG})
    answer(site, {12: None})  # taken back
    told = json.loads(calibrate(site, "--json", "--dry-run"))

    assert [9] == [cell["series"] for cell in told["cells"]]  # eight accepted ones and one wrong call
    assert {"verdict": 3, "bundle": 0, "rejected": 0, "answered": 2, "no_number": 0} == told["left_out"]


def test_what_stands_in_the_way_is_one_line(site, tmp_path):
    for arguments, said in (([], "run the daemon"), (["--exclude", tmp_path / "no.txt"], "no.txt")):
        finished = scanside("calibrate", "--config", site, *arguments)

        assert (1, "", 1) == (finished.returncode, finished.stdout, finished.stderr.count("\n"))
        assert said in finished.stderr
    assert "tightens the limits" in " ".join(scanside("calibrate", "--help").stdout.split())


def test_the_same_head_is_judged_differently_after_calibration(site, tmp_path):
    """Unremarkable for the bundle, unusual on a scanner whose heads are all calmer."""
    write_golden(tmp_path / "head")
    record_judged(site, range(NEEDED), protocol="golden head")

    def assess(*options):
        return json.loads(scanside("assess", tmp_path / "head", "--config", site, "--json", *options).stdout)

    before = assess("--scanner", "MR1")
    calibrate(site)
    after, elsewhere = assess("--scanner", "MR1"), assess()

    assert ("ACCEPT", []) == (before["verdict"], before["reasons"])
    own = bundle_of(site).manifest.reference_of(GOLDEN_MM)
    assert f"manifest: {len(own.scores['task'])} series ({own.source})" == before["reference"]
    assert "scanner MR1, protocol golden head: 29 series" == after["reference"]
    assert after["verdict"] in {"REVIEW", "RESCAN"}
    assert any(reason.startswith("uncertainty") for reason in after["reasons"])
    assert 1 / (NEEDED + 1) == pytest.approx(after["measures"]["uncertainty"]["p_value"], abs=1e-6)
    assert before["measures"]["uncertainty"]["p_value"] > 0.1 / 3
    assert before["measures"]["uncertainty"]["value"] == after["measures"]["uncertainty"]["value"]
    assert {key: before[key] for key in ("verdict", "reference", "measures")} == {
        key: elsewhere[key] for key in ("verdict", "reference", "measures")
    }


def test_a_running_judge_takes_up_a_new_file_and_lets_go_of_one_that_is_gone(site):
    record_judged(site, range(NEEDED))
    path = load_settings(site).references_of("brain-t1")
    with capture_logs() as logs:
        references = SiteReferences(path, bundle_of(site), Rule.CONFORMAL, SUPERVISOR)
        assert references.choose(ORIGIN).name.startswith("manifest")
        calibrate(site)
        assert "scanner MR1, protocol t1: 29 series" == references.choose(ORIGIN).name
        record_judged(site, range(100, 103))
        calibrate(site)
        assert "scanner MR1, protocol t1: 32 series" == references.choose(ORIGIN).name
        path.unlink()
        assert references.choose(ORIGIN).name.startswith("manifest")

    assert [("references_loaded", n) for n in (1, 1, 0)] == [(line["event"], line["records"]) for line in logs]


def damages():
    """What may have happened to a whole file."""

    def changed(**changes):
        return lambda text: json.dumps(json.loads(text) | changes)

    def in_cell(**changes):
        def damage(text):
            content = json.loads(text)
            content["cells"][0] |= changes
            return json.dumps(content)

        return damage

    return {
        "cut short": lambda text: text[: len(text) // 2],
        "empty": lambda _: "",
        "no object": lambda _: "[1, 2]",
        "deep": lambda _: "[" * 100_000,
        "another format": changed(format=2),
        "another bundle": changed(bundle="other"),
        "no cells": changed(cells=None),
        "a key too many": changed(surprise=1),
        "no scores": in_cell(scores={}),
        "a word for a score": in_cell(scores={"uncertainty": ["Meier"], "task": ["x"], "entropy": ["x"]}, count=1),
        "miscounted": in_cell(count=7),
        "too large a number": in_cell(scores={s: [10**400] for s in ("uncertainty", "task", "entropy")}, count=1),
        "no number": in_cell(scores={s: [float("nan")] for s in ("uncertainty", "task", "entropy")}, count=1),
    }


@pytest.mark.parametrize("name", damages())
def test_a_file_that_cannot_be_used_is_said_once_and_the_bundle_serves(site, name):
    record_judged(site, range(NEEDED), protocol="Meier^Hans")
    learn_references(load_settings(site), Selection(), write=True)
    path = load_settings(site).references_of("brain-t1")
    bundle = bundle_of(site)
    references = SiteReferences(path, bundle, Rule.CONFORMAL, SUPERVISOR)
    path.write_text(damages()[name](path.read_text()))

    with capture_logs() as logs:
        assert references.choose(replace(ORIGIN, protocol="Meier^Hans")).name.startswith("manifest")
        assert references.choose(replace(ORIGIN, protocol="Meier^Hans")).name.startswith("manifest")
    (line,) = logs
    assert ("references_unusable", "warning") == (line["event"], line["log_level"])
    assert "run scanside calibrate again" in line["detail"]
    assert "Meier" not in str(logs)
    with pytest.raises(ConfigError, match=r"references-brain-t1\.json"):
        load_references(path, bundle)


def test_the_papers_rule_can_be_chosen(site, tmp_path):
    site.write_text(site.read_text() + '[judgement]\nrule = "iqr"\n')
    write_golden(tmp_path / "head")
    finished = scanside("assess", tmp_path / "head", "--config", site, "--json")
    measure = json.loads(finished.stdout)["measures"]["entropy"]
    scores = bundle_of(site).manifest.reference_of(GOLDEN_MM).scores["entropy"]
    lower, upper = np.percentile(scores, [25, 75])

    assert (None, pytest.approx(upper + 1.5 * (upper - lower), abs=1e-6)) == (measure["level"], measure["limit"])
    assert (1 + sum(score >= measure["value"] for score in scores)) / (len(scores) + 1) == pytest.approx(
        measure["p_value"], abs=1e-2
    )
    references = SiteReferences(
        load_settings(site).references_of("brain-t1"), bundle_of(site), load_settings(site).judgement.rule, SUPERVISOR
    )
    assert Rule.IQR is references.choose(ORIGIN).rule


def test_another_bundle_is_calibrated_by_its_name(site):
    other = site.parent / "second"
    shutil.copytree(shipped_bundles()["brain-t1"], other)
    site.write_text(f'{site.read_text()}[bundles]\nsecond = "{other}"\n')
    record_judged(site, range(NEEDED + 1))
    told = json.loads(calibrate(site, "--json", "--bundle", "second"))

    assert "references-second.json" in told["file"]
    assert load_references(Path(told["file"]), bundle_of(site)) is not None
    assert not load_settings(site).references_of("brain-t1").exists()
    assert "no bundle 'third' is configured" in scanside("calibrate", "--config", site, "--bundle", "third").stderr
