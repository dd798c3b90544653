"""Rank correlation, AUROC, AURC: against scipy, against all pairs, and against what they must be."""

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, spearmanr

from models.statistics.ranking import auroc, interval_over_groups, rank_correlation, risk_coverage


@pytest.fixture(params=[False, True], ids=["distinct", "tied"])
def pairs(request):
    rng = np.random.default_rng(3)
    first, second = rng.standard_normal((2, 60))
    second += first
    return (np.round(first), np.round(second)) if request.param else (first, second)


def test_rank_correlation_is_spearmans(pairs):
    assert spearmanr(*pairs).statistic == pytest.approx(rank_correlation(*pairs))


def test_what_is_not_known_is_left_out(pairs):
    first, second = (np.append(one, [5.0, np.nan, np.inf]) for one in pairs)
    second[-3] = np.nan

    assert rank_correlation(*pairs) == pytest.approx(rank_correlation(first, second))


@pytest.mark.parametrize("pair", [([1, 1, 1], [1, 2, 3]), ([1], [2]), ([], []), ([np.nan, 1], [1, 2])])
def test_what_does_not_vary_has_no_rank_correlation(pair):
    assert math.isnan(rank_correlation(*pair))


def test_auroc_is_the_share_of_pairs_in_order_ties_half(pairs):
    scores, positive = pairs[0], pairs[1] > 0.3
    by_hand = np.mean([np.sign(a - b) / 2 + 0.5 for a in scores[positive] for b in scores[~positive]])
    statistic = mannwhitneyu(scores[positive], scores[~positive]).statistic

    assert by_hand == pytest.approx(auroc(scores, positive))
    assert statistic / (positive.sum() * (~positive).sum()) == pytest.approx(auroc(scores, positive))


@pytest.mark.parametrize("positive", [[True, True], [False, False]])
def test_one_kind_alone_has_no_auroc(positive):
    assert math.isnan(auroc([1, 2], positive))


def test_the_area_is_that_of_refusing_one_after_the_other():
    rng = np.random.default_rng(1)
    doubt, loss = rng.random((2, 30))
    order = np.argsort(doubt)
    by_hand = np.mean([loss[order[:kept]].mean() for kept in range(1, 31)])

    assert by_hand == pytest.approx(risk_coverage(doubt, loss)[0])


def test_who_refuses_the_worst_first_has_no_excess():
    loss = np.array([0.0, 0.3, 0.1, 0.2])

    assert (np.mean([0.0, 0.05, 0.1, 0.15]), 0.0) == pytest.approx(risk_coverage(loss, loss))
    assert risk_coverage(-loss, loss)[1] > 0.05


def test_who_cannot_tell_keeps_the_mean_loss_in_whatever_order_they_come():
    loss = np.array([0.0, 0.3, 0.1, 0.2])

    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        assert loss.mean() == pytest.approx(risk_coverage(np.ones(4), loss[order])[0])
    assert all(map(math.isnan, risk_coverage([], [])))


def test_an_interval_draws_whole_groups():
    groups = ["one"] * 50 + ["two"] * 50
    values = np.repeat([0.0, 1.0], 50)

    assert (0.0, 1.0) == interval_over_groups(lambda index: float(values[index].mean()), groups)
    assert all(map(math.isnan, interval_over_groups(lambda _: float("nan"), groups)))
