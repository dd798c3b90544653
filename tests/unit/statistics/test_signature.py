"""Which cause departures from usual are like."""

from math import exp, log, nan

import numpy as np
import pytest

from export.signatures.causes import SIGNALS, discriminant
from models.past import Signature
from models.statistics.signature import compressed, likely

TWO = {
    "noise": Signature(bias=0.0, weights={"background": 1.0}),
    "blur": Signature(bias=0.5, weights={"background": -1.0, "smoothness": 2.0}),
}


def test_the_probabilities_are_those_of_the_scores():
    found = likely({"background": 3.0, "smoothness": -1.0}, TWO)
    noise, blur = log(4), 0.5 - log(4) - 2 * log(2)

    assert found["noise"] == pytest.approx(exp(noise) / (exp(noise) + exp(blur)))
    assert 1 == pytest.approx(sum(found.values()))


def test_what_was_not_compared_is_as_usual_and_what_cannot_be_measured_is_far():
    assert likely({"other": 9.0}, TWO) == pytest.approx(likely({}, TWO))
    assert compressed(nan) == compressed(30.0) == -compressed(-30.0)


def test_without_causes_there_is_none():
    assert {} == likely({"background": 3.0}, {})


def test_departures_however_far_overflow_nothing():
    assert 1 == pytest.approx(sum(likely({"background": 1e300, "smoothness": -1e300}, TWO).values()))


def test_the_discriminant_parts_groups_as_well_as_their_distance_allows():
    rng = np.random.default_rng(0)
    means = 3 * rng.standard_normal((5, len(SIGNALS)))
    causes = np.repeat(np.arange(5), 200)
    departed = means[causes] + rng.standard_normal((1000, len(SIGNALS)))
    weights, bias = discriminant(departed, causes)
    fresh = means[causes] + rng.standard_normal((1000, len(SIGNALS)))
    nearest = np.linalg.norm(fresh[:, None] - means, axis=2).argmin(axis=1)

    assert np.mean((fresh @ weights.T + bias).argmax(axis=1) == causes) > np.mean(nearest == causes) - 0.01
