"""Numbers of one judged image: by their formulas, and the loss that a bundle tells from them."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from builders.judging.values import brain, examined, prediction, shipped

from export.draft import revised
from export.harm import Told, add_harm
from models.brain.appearance import describe_image, describe_labels, numbers_of
from models.bundle import BundleError, load_bundle
from models.statistics.harm import Harm

LABELS = ("background", "CSF", "grey matter", "white matter")


def harm_of(**weights):
    """A loss whose square root is linear in some numbers."""
    ones = (1.0,) * len(weights)
    return Harm(
        names=tuple(weights),
        floors=(0.0,) * len(weights),
        centre=(0.0,) * len(weights),
        spread=ones,
        weights=tuple(weights.values()),
        offset=0.1,
        below=0.05,
        above=0.2,
        images=20,
        people=4,
    )


def image(seed=0):
    rng = np.random.default_rng(seed)
    head = np.zeros((24, 24, 24), bool)
    head[6:18, 6:18, 6:18] = True
    return (head + 0.01 * rng.random(head.shape)).astype(np.float32), head


def test_every_number_of_an_image_of_one_voxel_is_finite():
    numbers = numbers_of(prediction(), LABELS)

    assert all(np.isfinite(value) for value in numbers.values())
    assert {"entropy", "cjv", "efc", "fber", "presence of wrap", "grey matter pieces"} <= set(numbers)


def test_the_foreground_background_ratio_is_the_logarithm_of_their_energies():
    values, head = image()
    air = values[:2]

    assert np.log10(np.mean(values[head] ** 2) / np.mean(air**2)) == pytest.approx(
        describe_image(values, head)["fber"], abs=0.05
    )


def test_the_focus_criterion_is_largest_where_the_energy_is_spread_evenly():
    values, head = image()
    even = np.ones_like(values)

    assert describe_image(even, head)["efc"] > describe_image(values, head)["efc"]


def test_noise_shows_in_the_air():
    values, head = image()
    noisy = values + np.random.default_rng(1).normal(0, 0.1, values.shape).astype(np.float32)

    assert describe_image(noisy, head)["air deviation"] > 5 * describe_image(values, head)["air deviation"]


def test_a_ghost_shows_in_the_lines():
    i, j, k = np.ogrid[-3:3:24j, -3:3:24j, -3:3:24j]
    smooth = np.exp(-2 * np.sqrt(i**2 + j**2 + k**2)).astype(np.float32)
    ghosted = smooth + 0.3 * np.roll(smooth, 12, axis=1)
    plain, spoilt = (describe_image(one, smooth > 0.1)["irregular lines 1"] for one in (smooth, ghosted))

    assert spoilt > 2 * plain


def test_labels_tell_their_pieces_and_their_surface():
    whole = prediction()
    whole.labels[:] = 0
    whole.labels[1:6, 1:6, 1:6] = 2
    split = prediction()
    split.labels[:] = 0
    split.labels[::2, ::2, ::2] = 2

    one, many = (describe_labels(p, LABELS) for p in (whole, split))

    assert np.log1p(1) == pytest.approx(one["grey matter pieces"])
    assert np.log1p(125) == pytest.approx(many["grey matter pieces"])
    assert 1 - 27 / 125 == pytest.approx(one["grey matter surface"])
    assert 1.0 == many["grey matter surface"]


def test_a_bundle_without_a_harm_tells_no_loss():
    assert examined(prediction()).loss is None


def test_a_bundle_with_a_harm_tells_the_loss_and_its_interval():
    harm = harm_of(**{"grey matter probability": 0.3})
    loss = examined(prediction(), {"harm": asdict(harm)}).loss

    assert 0.4**2 == pytest.approx(loss.expected)
    assert (0.35**2, 0.6**2) == pytest.approx(loss.interval)


def test_a_harm_of_uneven_parts_is_refused_as_the_bundle_is_loaded():
    uneven = asdict(harm_of(entropy=0.1)) | {"weights": (0.1, 0.2)}

    with pytest.raises(BundleError, match="not of this format"):
        brain({"harm": uneven})


def test_a_bundle_gets_its_harm_beside_its_place_and_whole(tmp_path):
    harm = harm_of(entropy=0.1)
    told = Told(harm=harm, farthest={"feature distance": 7.0}, tolerated=0.07, source="heads")
    made = add_harm(shipped().folder, told, tmp_path / "with-harm", "9.9.9")

    assert 0.07 == made.manifest.thresholds.tolerated_loss
    assert "9.9.9" == made.manifest.version
    assert shipped().manifest.settings["farthest"] == made.manifest.settings["farthest"]
    assert "the expected loss, no weight of a network: 20 images of 4 people, heads" == made.manifest.training.data[-1]
    assert made.digest == load_bundle(tmp_path / "with-harm").digest
    assert list(harm.names) == list(made.manifest.settings["harm"]["names"])
    assert [] == list(tmp_path.glob("*.part"))
    with pytest.raises(BundleError, match="there already"):
        add_harm(shipped().folder, told, tmp_path / "with-harm")


def test_what_the_loss_was_learnt_from_is_named_once_however_often_it_is_learnt(tmp_path):
    first = add_harm(shipped().folder, Told(harm=harm_of(entropy=0.1), source="heads"), tmp_path / "first")
    again = add_harm(first.folder, Told(harm=harm_of(entropy=0.1), source="other heads"), tmp_path / "again")

    assert ["other heads"] == [
        line.rsplit(", ", 1)[1] for line in again.manifest.training.data if line.startswith("the expected loss")
    ]


def test_a_bundle_without_limits_of_distance_gets_those_of_the_table(tmp_path):
    unlimited = revised(
        shipped().folder, tmp_path / "unlimited", lambda _, m: replace(m, settings={**m.settings, "farthest": {}})
    )
    told = Told(harm=harm_of(entropy=0.1), farthest={"feature distance": 7.0})

    assert {"feature distance": 7.0} == add_harm(unlimited.folder, told, tmp_path / "new").manifest.settings["farthest"]
