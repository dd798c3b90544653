"""The regression of harm: its ridge is scipy's least squares, its interval holds what it says."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from models.statistics.harm import PENALTIES, expect, fit_harm, left_out

NAMES = tuple("abcdef")


def images(count=240, noise=0.02, seed=0):
    """Numbers of images of ten people, and a harm whose square root is linear in them."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(3.0, 2.0, (count, len(NAMES)))
    numbers[0] = -1.0  # each may be negative, and counts by itself
    root = 0.5 + (numbers - 3.0) @ np.array([0.05, -0.02, 0.0, 0.01, 0.0, 0.03]) + rng.normal(0, noise, count)
    return numbers, np.maximum(root, 0) ** 2, [f"person-{i % 10}" for i in range(count)]


def scaled(numbers):
    return np.clip((numbers - numbers.mean(axis=0)) / numbers.std(axis=0), -4, 4)


def ridge(known, harm, asked, penalty):
    """A ridge with a free intercept, as least squares with the penalty as further rows."""
    width = known.shape[1]
    rows = np.vstack([np.c_[known, np.ones(len(known))], np.c_[np.sqrt(penalty) * np.eye(width), np.zeros(width)]])
    weights = lsq_linear(rows, np.concatenate([harm, np.zeros(width)])).x
    return np.c_[asked, np.ones(len(asked))] @ weights


@pytest.mark.parametrize("noise", [0.02, 0.3, 3.0])
def test_it_is_the_ridge_whose_penalty_is_best_when_each_image_is_left_out(noise):
    numbers, harm, _ = images(count=40, noise=noise)
    values, everyone = scaled(numbers), np.arange(len(harm))

    def left_out_error(penalty):
        misses = [
            ridge(values[everyone != i], harm[everyone != i], values[[i]], penalty)[0] - harm[i] for i in everyone
        ]
        return np.mean(np.square(misses))

    best = min((penalty * len(harm) for penalty in PENALTIES), key=left_out_error)

    np.testing.assert_allclose(ridge(values, harm, values, best), expect(numbers, harm, numbers), atol=1e-6)


def test_nobody_who_is_left_out_has_a_say():
    numbers, harm, people = images()
    own = np.array(people) == "person-3"
    lying = np.where(own, 9.0, harm)

    assert np.array_equal(left_out(numbers, harm, people)[own], left_out(numbers, lying, people)[own])
    assert not np.array_equal(left_out(numbers, harm, people)[~own], left_out(numbers, lying, people)[~own])


def test_nine_of_ten_new_harms_lie_within_the_interval():
    numbers, harm, people = images()
    fitted = fit_harm(NAMES, numbers, harm, [people])
    others, truth, _ = images(count=2000, seed=1)

    intervals = [fitted.interval(dict(zip(NAMES, row, strict=True))) for row in others]
    inside = np.mean([low <= max(0.0, true) <= high for (low, high), true in zip(intervals, truth, strict=True)])

    assert 0.87 < inside < 0.97


def test_a_harm_is_never_less_than_nothing():
    numbers, harm, people = images()
    fitted = fit_harm(NAMES, numbers, harm, [people])
    harmless = dict(zip(NAMES, np.full(len(NAMES), -50.0) * np.sign(fitted.weights), strict=True))

    assert 0.0 == fitted.expect(harmless)
    assert 0.0 == fitted.interval(harmless)[0]


def test_a_number_far_beyond_all_known_ones_says_no_more_than_the_farthest():
    numbers, harm, people = images()
    fitted = fit_harm(NAMES, numbers, harm, [people])
    far = dict(zip(NAMES, numbers[0], strict=True)) | {"a": 1e3}

    assert fitted.expect(far | {"a": 1e3}) == fitted.expect(far | {"a": 1e6})


def test_the_interval_is_that_of_the_partition_that_is_missed_by_most():
    numbers, harm, people = images()
    odd = np.array([i % 2 for i in range(len(harm))])
    shifted = harm + 0.3 * odd
    families = ["odd" if one else "even" for one in odd]

    by_people = fit_harm(NAMES, numbers, shifted, [people])
    by_both = fit_harm(NAMES, numbers, shifted, [people, families])

    assert by_both.above > by_people.above


def test_one_person_alone_is_refused():
    numbers, harm, _ = images()

    with pytest.raises(ValueError, match="at least two"):
        fit_harm(NAMES, numbers, harm, [["somebody"] * len(harm)])


def test_a_number_that_is_never_negative_counts_by_its_logarithm():
    rng = np.random.default_rng(3)
    numbers = np.exp(rng.normal(0, 2, (200, 1)))
    roots = 0.5 + 0.1 * np.log(numbers[:, 0] + 0.05 * np.median(numbers))
    fitted = fit_harm(("variance",), numbers, roots**2, [[str(i % 5) for i in range(200)]])

    for number in (0.1, 1.0, 20.0):
        expected = (0.5 + 0.1 * np.log(number + 0.05 * np.median(numbers))) ** 2
        assert expected == pytest.approx(fitted.expect({"variance": number}), abs=0.01)


def test_what_was_never_above_zero_says_nothing():
    numbers, harm, people = images()
    idle = np.column_stack([numbers, np.zeros(len(harm))])

    np.testing.assert_allclose(left_out(idle, harm, people), left_out(numbers, harm, people))
