"""The tables of harm: nobody has a say in what is said of him, and the numbers are those of their definitions."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from models.statistics.harm import left_out
from training.harm.choice import REGRESSIONS, fit_shipped, predict_from, predict_harm
from training.harm.images import Images
from training.harm.presence_tables import NAMES
from training.harm.tables import tables

FAMILIES = ("clean", "noise published", "noise coloured", "motion drift")


def write_table(path, people=6, seed=0):
    """Images of people, each family twice; the harm is linear in two numbers."""
    rng = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        writer = None
        for person in range(people):
            for number, family in enumerate(FAMILIES * 2):
                artefact, _, kind = family.partition(" ")
                a, b = (rng.random(2) + 0.3) * (family != "clean")
                harm = 0.3 * a + 0.1 * b
                row = {
                    "head": f"sub-{person}",
                    "person": f"sub-{person}",
                    "style": "",
                    "artefact": artefact,
                    "family": kind or "clean",
                    "severity": a,
                    "harm:grey matter": harm,
                    "dice:grey matter": 0.85 - harm,
                    "rival:efc": rng.random(),
                    "fact:feature distance": 1 + a,
                    "uncertainty": a + 0.1 * rng.standard_normal(),
                    "entropy": b + 0.1 * rng.standard_normal(),
                    **{name: a * (name == artefact) for name in NAMES},
                    **{f"presence of {name}": a * (name == artefact) for name in NAMES},
                    "snr": rng.random(),
                    "cnr": a + number,
                }
                writer = writer or csv.DictWriter(file, list(row))
                if person == 0 and number == 0:
                    writer.writeheader()
                writer.writerow(row)
    return path


@pytest.fixture
def images(tmp_path):
    return Images.read(write_table(tmp_path / "images.csv"))


def test_what_is_only_compared_is_no_number_of_the_regression(images):
    assert {"uncertainty", "entropy", "snr", "cnr", "presence of noise"} <= set(images.names)
    assert {"rival:efc", "fact:feature distance"} == set(images.beside)


def test_the_true_loss_is_against_the_same_head_clean_in_the_same_style(images):
    np.testing.assert_allclose(images.lost, images.harm, atol=1e-6)


def test_nobody_has_a_say_in_what_is_told_of_him(images):
    own = images.person == "sub-2"
    lying = replace(images, harm=np.where(own, 0.9, images.harm))
    honest, misled = predict_harm(images), predict_harm(lying)

    np.testing.assert_array_equal(honest.expected[own], misled.expected[own])
    np.testing.assert_array_equal(honest.low[own], misled.low[own])
    assert not np.array_equal(honest.expected[~own], misled.expected[~own])


def test_a_family_that_is_left_out_has_no_say_either(images, monkeypatch):
    monkeypatch.setattr("training.harm.choice.REGRESSIONS", REGRESSIONS[:1])
    drift = images.family == "motion drift"
    lying = replace(images, harm=np.where(drift & (images.person == "sub-1"), 0.9, images.harm))
    own = drift & (images.person == "sub-2")

    honest = predict_harm(images, unseen_families=True).expected[own]

    np.testing.assert_array_equal(honest, predict_harm(lying, unseen_families=True).expected[own])
    assert not np.array_equal(honest, predict_harm(lying).expected[own])


def test_others_alone_tell_the_harm_as_a_bundle_that_learns_from_them_does(images, tmp_path):
    known = Images.read(write_table(tmp_path / "known.csv", seed=1))
    lying = replace(images, harm=np.full(len(images.harm), 0.9))
    asked, harm = images.row(5), fit_shipped(known)

    told = predict_from(known, lying)

    np.testing.assert_array_equal(predict_from(known, images).expected, told.expected)
    assert harm.expect(asked) == pytest.approx(told.expected[5])
    assert harm.interval(asked) == pytest.approx((told.low[5], told.high[5]))


def test_a_family_of_the_others_that_is_left_out_tells_nothing_of_its_own(images, tmp_path):
    known = Images.read(write_table(tmp_path / "known.csv", seed=1))
    drift = images.family == "motion drift"
    lying = replace(known, harm=np.where(known.family == "motion drift", 0.9, known.harm))

    told, honest = (predict_from(one, images, unseen_families=True).expected for one in (lying, known))

    np.testing.assert_array_equal(honest[drift], told[drift])
    assert not np.array_equal(honest[~drift], told[~drift])


@pytest.mark.parametrize("regression", REGRESSIONS, ids=lambda regression: regression.name)
def test_a_regression_gives_back_the_harm_that_it_takes(regression):
    harm = np.array([0.0, 0.04, 0.5])

    np.testing.assert_allclose(harm, regression.harm(regression.target(harm)))


def test_an_image_of_weight_two_is_two_images():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(60, 4))
    harm = numbers @ np.arange(4.0) + 1e-3 * rng.normal(size=60)
    people = [str(i % 6) for i in range(60)]  # the weakest penalty is best, however images are counted
    weights = np.where(np.arange(60) % 2, 2.0, 1.0)
    twice = np.concatenate([np.arange(60), np.flatnonzero(weights > 1)])

    weighted = left_out(numbers, harm, people, weights)
    doubled = left_out(numbers[twice], harm[twice], [people[i] for i in twice])[:60]

    np.testing.assert_allclose(doubled, weighted, atol=1e-8)
    assert np.abs(left_out(numbers, harm, people) - weighted).max() > 1e-6


def test_every_table_is_printed(images, monkeypatch):
    monkeypatch.setattr("training.harm.choice.REGRESSIONS", REGRESSIONS[:2])
    monkeypatch.setattr("training.harm.tables._RESAMPLES", 20)
    text = "\n".join(tables(images))

    assert "48 images of 6 people" in text
    assert "| motion drift | 12 |" in text
    assert "| efc |" in text


def test_the_tables_say_how_many_others_alone_told_them(images, monkeypatch):
    monkeypatch.setattr("training.harm.tables._RESAMPLES", 20)

    assert "told by 48 images of 6 others alone" in tables(images, images)
