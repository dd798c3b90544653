"""A bundle whose method is no part of the software, through the daemon's own line in one process."""

import json
import math
from dataclasses import replace

import pytest
from builders.judging.judging import ALGORITHM, series_of
from builders.judging.toy import Toy, beating, series, write_bundle
from validators import unexpected_dciodvfy, without_dicomdir

from daemon.config import Settings
from daemon.core.errors import Reason
from daemon.core.values import State
from daemon.edge.engines import engine_maker
from daemon.line.appraisal import Appraiser, Judge
from daemon.line.examination import Examiners
from daemon.line.judgement import SeriesJudge
from daemon.routes import all_routes
from models.bundle import BundleError
from models.methods.registry import METHODS
from models.subject import still


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setitem(METHODS, "toy", Toy)


def judged(folder, image):
    """What the line of a site with this bundle alone says of an image."""
    settings = Settings(shipped=False, bundles={"hearts": folder})
    examiners = Examiners(settings.bundle_folders, engine_maker(settings.engine, folder))
    examiners.prepare()

    def find(name):
        return Judge(examiner=examiners.get(name), algorithm=ALGORITHM, choose_standard=lambda _: None)

    closed, read = series_of(series(image, "a run"), "MR1")
    return SeriesJudge(Appraiser(find, ALGORITHM, all_routes(settings)), read, "here").judge(closed, None)


def check_report(answer, folder):
    """Hold both objects of a report to dicom3tools."""
    assert 2 == len(answer.objects)
    for number, made in enumerate(answer.objects):
        path = folder / f"{number}.dcm"
        path.write_bytes(made.payload)
        assert [] == without_dicomdir(unexpected_dciodvfy(path))


def without_causes(declared):
    declared["causes"] = {}
    del declared["signals"]["stray"]["cause"]


def test_an_answer_without_any_artefact_axis_gets_a_verdict_and_a_report(tmp_path):
    folder = write_bundle(tmp_path / "bundle", without_causes)
    good, dark = judged(folder, beating()), judged(folder, beating(dark=6))

    assert (State.ACCEPT, State.REVIEW) == (good.verdict.state, dark.verdict.state)
    assert ("stray at volume 7 0.574 above 0.02",) == dark.verdict.reasons
    assert dark.verdict.cause is None
    check_report(dark, tmp_path)


@pytest.mark.parametrize("change", [None, without_causes])
def test_an_abnormal_distance_alone_gets_a_verdict_and_a_report(tmp_path, change):
    answer = judged(write_bundle(tmp_path / "bundle", change), beating(brightness=2000.0))

    assert State.REVIEW is answer.verdict.state
    assert "unlike every heart" in answer.verdict.action
    assert ["distance"] == [reason.split()[0] for reason in answer.verdict.reasons]
    check_report(answer, tmp_path)


def test_what_the_method_cannot_judge_and_what_its_routes_refuse_is_answered(tmp_path):
    folder = write_bundle(tmp_path / "bundle")
    black = replace(beating(), voxels=beating().voxels * 0)

    assert Reason.FLAT is judged(folder, black).verdict.not_assessed
    assert Reason.UNROUTED is judged(folder, still(beating().voxels[0], beating().affine)).verdict.not_assessed


def test_a_method_that_asks_for_one_volume_is_given_none_of_several(tmp_path):
    folder = write_bundle(tmp_path / "bundle", lambda declared: declared["inputs"]["run"].pop("phases"))

    assert ("no model for a series of several volumes: 12 volumes in time",) == judged(
        folder, beating()
    ).verdict.reasons


def damaged(folder, change):
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    (folder / "manifest.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["golden"]["expected"].update(stray=math.pi), "golden test failed.*stray of hearts is .*got 3.142"),
        (lambda m: m["golden"]["expected"].update(muscle=1.0), "golden test failed.*muscle"),
        (lambda m: m["signals"].update(further={"evidence": "image"}), "signals are not those"),
        (lambda m: m["settings"].pop("usual"), "usual"),
        (lambda m: m["settings"].update(more=1), "more"),
        (lambda m: m["graphs"]["pick"]["inputs"][1].update(dtype="int32"), "index.*declared"),
        (lambda m: m["graphs"]["pick"]["inputs"][2].update(dtype="float32"), "mask.*declared"),
        (lambda m: m["graphs"]["level"]["outputs"].append({"name": "more", "dtype": "float32", "dims": [1]}), "more"),
        (lambda m: m["graphs"]["level"]["outputs"].pop(), "no outputs of its graphs .level"),
        (lambda m: m["graphs"]["pick"]["inputs"].pop(), "input mask"),
        (lambda m: m["inputs"]["run"].update(phases="some"), "phases"),
        (lambda m: m["structures"].update(liver=m["structures"].pop("muscle")), "liver|muscle"),
    ],
)
def test_a_second_bundle_that_is_wrong_is_named_before_anything_is_judged(tmp_path, change, said):
    first = write_bundle(tmp_path / "first")
    second = damaged(write_bundle(tmp_path / "second"), change)
    settings = Settings(shipped=False, bundles={"first": first, "second": second})
    examiners = Examiners(settings.bundle_folders, engine_maker(settings.engine, tmp_path))

    assert "hearts" == examiners.get("first").bundle.manifest.name
    with pytest.raises(BundleError, match=said):
        examiners.prepare()
