"""A bundle of a user's own people tells the loss that its images, spoilt, cost its networks; else it is whole."""

import pytest
from builders.images.judged_flair import write_table
from builders.judging.values import shipped

from export.own.brain_harm import tell_harm
from models.brain.scores import JUDGED
from models.bundle import load_bundle, structured
from models.methods.brain import BrainSettings
from training.harm.judging import HarmPlan


def told(tmp_path, monkeypatch, people):
    """The bundle that is made of a table of so many people, and what was said."""
    folder, out = tmp_path / "harm", tmp_path / "harm" / "bundle"
    folder.mkdir(exist_ok=True)
    table = folder / "images.csv"
    if people:
        write_table(table, people, tissue=JUDGED)
    monkeypatch.setattr("export.own.brain_harm.write_images", lambda _: table)
    tell_harm(HarmPlan(data=tmp_path, out=folder, bundle=shipped().folder), shipped().folder, out)
    return load_bundle(out)


def test_the_loss_is_learnt_of_the_sites_own_images_and_nothing_else_changes(tmp_path, monkeypatch):
    made, before = (
        structured(one.manifest.settings, BrainSettings) for one in (told(tmp_path, monkeypatch, 6), shipped())
    )

    assert (42, 6) == (made.harm.images, made.harm.people)
    assert (before.largest_cut_cm2, before.least_scalp) == (made.largest_cut_cm2, made.least_scalp)
    assert before.farthest == made.farthest
    assert before.presence == made.presence


@pytest.mark.parametrize(
    ("people", "why"), [(0, "a head was found in no image"), (1, "at least two"), (2, "too few for an interval")]
)
def test_of_too_few_images_the_bundle_tells_no_loss_and_why_is_said(tmp_path, monkeypatch, capsys, people, why):
    made = told(tmp_path, monkeypatch, people)

    assert shipped().digest == made.digest
    assert why in capsys.readouterr().out


def test_what_an_interrupted_run_left_is_made_anew(tmp_path, monkeypatch):
    (tmp_path / "harm" / "bundle" / "golden").mkdir(parents=True)

    assert told(tmp_path, monkeypatch, 6).manifest.settings["harm"]["people"] == 6
