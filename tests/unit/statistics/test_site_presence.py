"""Which artefact shows, learnt from a protocol's own series: what is like them is left alone, what is not is named."""

from dataclasses import replace

import numpy as np
import pytest

from models.statistics.harm import CLEAN
from models.statistics.site_presence import fit_presence_of_site
from models.statistics.trials import Tried

SERIES, IMAGES = 30, 16
#: Of an image: two numbers that an artefact raises, and many that differ from person to person and say nothing.
SAYING, SILENT = {"noise": "air", "blur": "width"}, 25


def numbers_of(rng, artefact="", severity=0.0):
    numbers = {f"silent {n:02}": rng.normal() for n in range(SILENT)}
    numbers |= {name: rng.normal(0, 0.3) for name in SAYING.values()}
    if artefact:
        numbers[SAYING[artefact]] += 2 + 6 * severity
    return numbers


def tried_of(series, seed, count=IMAGES):
    rng = np.random.default_rng(seed)
    yield Tried(series=series, number=0, family=CLEAN, harm=0.0, numbers=numbers_of(rng))
    for number in range(1, count + 1):
        artefact, severity = ("noise", "blur")[number % 2], 0.02 + 0.98 * rng.random() ** 2
        yield Tried(
            series=series,
            number=number,
            family=f"{artefact} model {number % 3}",
            harm=0.1,
            numbers=numbers_of(rng, artefact, severity),
        )


@pytest.fixture(scope="module")
def tried():
    return [one for n in range(SERIES) for one in tried_of(f"series {n}", n)]


@pytest.fixture(scope="module")
def learnt(tried):
    return fit_presence_of_site(tried)


@pytest.mark.parametrize("artefact", SAYING)
def test_an_artefact_is_told_from_the_good_ones_and_by_its_name(learnt, artefact):
    rng = np.random.default_rng(1000)
    shown = [learnt.show(numbers_of(rng, artefact, 0.5)) for _ in range(50)]

    assert np.mean([one.p_value < 0.05 and one.odds > one.usual[1] for one in shown]) >= 0.9
    assert {artefact} == {max(one.causes, key=one.causes.get) for one in shown}
    assert all(1 == pytest.approx(sum(one.causes.values())) for one in shown)


def test_good_ones_are_called_as_rarely_as_is_said(learnt):
    """The good ones' odds are of fits without them: with as many numbers as series a fit knows its own by heart."""
    rng = np.random.default_rng(2000)
    p_values = np.array([learnt.show(numbers_of(rng)).p_value for _ in range(400)])

    assert SERIES == len(learnt.clean)
    for rate in (0.05, 0.2, 0.5):
        assert rate / 2 - 0.02 <= np.mean(p_values <= rate) <= 1.5 * rate + 0.03


def test_a_series_that_it_learnt_from_is_no_better_than_another(tried, learnt):
    own = [learnt.show(one.numbers).odds for one in tried if one.family == CLEAN]
    rng = np.random.default_rng(3000)
    others = [learnt.show(numbers_of(rng)).odds for _ in range(400)]

    assert np.median(own) < np.median(others)  # by heart
    assert abs(np.median(learnt.clean) - np.median(others)) < 0.5 * np.std(others)


def test_it_is_the_same_in_whatever_order_the_trials_were_made(tried, learnt):
    again = fit_presence_of_site(tried[::-1])

    assert learnt.clean == pytest.approx(again.clean, abs=1e-3)
    assert learnt.names == again.names


def test_fewer_than_twelve_series_that_were_tried_spoilt_too_tell_nothing(tried):
    eleven = [one for one in tried if int(one.series.split()[1]) < 11]
    clean_only = [one for one in tried if one.series == "series 11" and one.family == CLEAN]

    assert fit_presence_of_site([]) is None
    assert fit_presence_of_site(eleven) is None
    assert fit_presence_of_site([*eleven, *clean_only]) is None
    assert 12 == len(fit_presence_of_site([one for one in tried if int(one.series.split()[1]) < 12]).clean)


def test_series_that_were_tried_as_they_came_alone_make_the_p_values_finer(tried, learnt):
    further = [one for n in range(100, 200) for one in tried_of(f"series {n}", n, count=0)]
    finer = fit_presence_of_site([*tried, *further])
    rng = np.random.default_rng(5000)
    p_values = np.array([finer.show(numbers_of(rng)).p_value for _ in range(400)])

    assert learnt.presence == finer.presence
    assert SERIES + 100 == len(finer.clean)
    assert np.mean(p_values <= 0.02) <= 0.05


def test_images_that_told_no_numbers_do_not_count(tried, learnt):
    empty = replace(tried[1], number=99, numbers={})

    assert learnt.names == fit_presence_of_site([*tried, empty]).names


def test_a_number_that_is_missing_is_said(learnt):
    with pytest.raises(KeyError, match="air"):
        learnt.show({name: 0.0 for name in learnt.names if name != "air"})
