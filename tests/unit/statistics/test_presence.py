"""Which artefact shows: the regression is the optimum that it claims to be, and acquisition counts as none."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from models.statistics.presence import fit_presence, tell

NAMES = ("stripes", "air", "slices")


def images(count=600, seed=0):
    """Stripes mean a spike, air means noise, and slices mean nothing: they come clean as often as spoilt."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(3, size=count)
    slices = rng.integers(2, size=count)
    numbers = rng.normal(-1, 1, (count, 3))
    numbers[:, 0] += 3 * (kind == 1)
    numbers[:, 1] += 3 * (kind == 2)
    numbers[:, 2] += 4 * slices
    return numbers, {"spike": 1.0 * (kind == 1), "noise": 1.0 * (kind == 2)}


def fitted(**changes):
    numbers, shown = images()
    return fit_presence(NAMES, numbers, shown, np.ones(len(numbers)), **{"penalty": 0.01, **changes})


def test_each_cause_is_told_by_its_own_number():
    numbers, shown = images(seed=1)
    told = tell(fitted(), numbers)

    right = np.column_stack([1 - shown["spike"] - shown["noise"], shown["spike"], shown["noise"]])
    called = np.column_stack([1 - told.sum(axis=1), told]).argmax(axis=1)
    assert 0.85 < (called == right.argmax(axis=1)).mean()


def test_a_way_of_acquisition_is_no_cause():
    told = [fitted()({"stripes": -1.0, "air": -1.0, "slices": slices}) for slices in (-1.0, 3.0)]

    assert max(max(one.values()) for one in told) < 0.2
    assert told[0]["spike"] == pytest.approx(told[1]["spike"], abs=0.05)


def test_with_two_classes_and_no_penalty_it_is_the_maximum_of_the_likelihood():
    """There the gradient is zero: predicted and true sums agree for every number (the score equations)."""
    numbers, shown = images()
    spike = {"spike": shown["spike"]}
    presence = fit_presence(NAMES, numbers, spike, np.ones(len(numbers)), penalty=1e-9)
    told = tell(presence, numbers)[:, 0]
    standard = np.clip((numbers - numbers.mean(axis=0)) / numbers.std(axis=0), -4, 4)

    np.testing.assert_allclose(spike["spike"].sum(), told.sum(), rtol=1e-3)
    np.testing.assert_allclose(spike["spike"] @ standard, told @ standard, atol=0.5)
    np.testing.assert_allclose(expit(standard @ presence.weights[0] + presence.offsets[0]), told)


def test_an_image_of_no_weight_has_no_say():
    numbers, shown = images()
    lying = {name: np.where(np.arange(600) < 100, 1 - part, part) / 2 for name, part in shown.items()}
    honest = {name: part / 2 for name, part in shown.items()}
    weights = np.where(np.arange(600) < 100, 0.0, 1.0)

    one, other = (tell(fit_presence(NAMES, numbers, part, weights, 0.01), numbers) for part in (lying, honest))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_parts_of_uneven_length_are_refused():
    with pytest.raises(ValueError, match="fit it again"):
        replace(fitted(), weights=((1.0, 2.0), (1.0, 2.0)))


def test_a_number_that_is_missing_is_an_error():
    with pytest.raises(KeyError):
        fitted()({"stripes": 1.0})
