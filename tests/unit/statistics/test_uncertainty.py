"""Scores and p-values against independent oracles."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import example, given
from hypothesis import strategies as st

from models.statistics.uncertainty import (
    conformal_limit,
    conformal_p_value,
    contrast_to_noise,
    mean_within,
    rim,
    signal_to_noise,
    tukey_limit,
)

numbers = st.floats(-1e6, 1e6, allow_nan=False)


def test_p_values_of_held_out_references_are_uniform():
    rng = np.random.default_rng(5)
    values = [conformal_p_value(rng.gamma(2, size=99), rng.gamma(2)) for _ in range(2000)]
    tenths = np.histogram(values, bins=np.arange(11) / 10 + 0.005)[0]

    assert scipy.stats.chisquare(tenths).pvalue > 0.01


@given(st.lists(numbers, min_size=1, max_size=60), numbers)
def test_a_p_value_counts_the_references_at_least_as_high(reference, score):
    expected = (1 + sum(r >= score for r in reference)) / (len(reference) + 1)

    assert expected == pytest.approx(conformal_p_value(reference, score))


#: Levels at which a product with n + 1 and a quotient by it round to different sides (0.29 * 100 < 29).
ROUND = [k / n for n in (20, 30, 60, 100, 200) for k in range(1, n // 2)]


@given(st.lists(numbers, max_size=200), st.floats(0.001, 0.5) | st.sampled_from(ROUND))
@example([float(i) for i in range(99)], 0.29)
def test_a_score_above_the_limit_and_only_such_has_a_small_p_value(reference, level):
    limit = conformal_limit(reference, level)

    assert conformal_p_value(reference, limit) > level
    if np.isfinite(limit):
        assert conformal_p_value(reference, np.nextafter(limit, np.inf)) <= level


def test_too_few_references_allow_no_alarm():
    assert conformal_limit([1.0] * 18, 0.05) == float("inf")
    assert conformal_limit([1.0] * 19, 0.05) == 1.0


@given(st.lists(numbers, min_size=1, max_size=60))
def test_the_fence_is_that_of_scipys_quartiles(reference):
    (upper,) = scipy.stats.mstats.mquantiles(reference, [0.75], alphap=1, betap=1)

    assert tukey_limit(reference) == pytest.approx(upper + 1.5 * scipy.stats.iqr(reference), rel=1e-9, abs=1e-6)


def test_without_references_there_is_no_fence():
    assert float("inf") == tukey_limit([])
    assert 4.0 + 1.5 * 2.0 == tukey_limit([1.0, 2.0, 3.0, 4.0, 5.0])


def test_a_score_that_is_not_a_number_is_no_alarm():
    assert conformal_p_value([1.0, 2.0], float("nan")) == 1.0


def test_signal_and_contrast_to_noise_by_hand():
    image = np.array([[[8.0, 12.0], [28.0, 32.0]]], np.float32)
    low, high = image < 20, image > 20

    assert signal_to_noise(image, low) == pytest.approx(10 / 2)
    assert contrast_to_noise(image, low, high) == pytest.approx(20 / 2)
    assert np.isnan(signal_to_noise(image, image > 99))
    assert np.isnan(contrast_to_noise(image, low, image > 99))


def test_the_rim_adds_the_six_neighbours():
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = True

    assert rim(mask).sum() == 7
    assert np.isnan(mean_within(np.ones((5, 5, 5), np.float32), np.zeros((5, 5, 5), bool)))
