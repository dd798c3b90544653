"""Scales and intervals of a heart's numbers: of people's errors, nobody by their own."""

import numpy as np
import pytest

from models.cine.numbers import FRACTIONS, VOLUMES
from training.cine import widths
from training.cine.widths import fitted_margins, fitted_scales


def people(factors, monkeypatch):
    """Hearts of 100 mL, 40 at end-systole, of which a network calls so many times as much."""
    true = {name: 40.0 if "systolic" in name else 100.0 for name in VOLUMES}
    true |= dict.fromkeys(FRACTIONS, 0.6)
    pairs = [({name: value * factor for name, value in true.items()}, true) for factor in factors]
    monkeypatch.setattr(widths, "_pairs", lambda patients: [pairs[number] for number in patients])
    return range(len(factors))


def test_the_scale_is_the_geometric_mean_of_true_over_called(monkeypatch):
    patients = people([2.0, 0.5, 4.0], monkeypatch)

    assert dict.fromkeys(VOLUMES, pytest.approx(4.0 ** (-1 / 3))) == fitted_scales(patients)


def test_what_nobody_has_is_told_as_it_is_called(monkeypatch):
    monkeypatch.setattr(widths, "_pairs", lambda _: [(dict.fromkeys(VOLUMES, 0.0), dict.fromkeys(VOLUMES, 50.0))])

    assert dict.fromkeys(VOLUMES, 1.0) == fitted_scales([0])


def test_what_all_call_too_large_needs_no_interval(monkeypatch):
    margins = fitted_margins(people([1.3] * 5, monkeypatch))

    np.testing.assert_allclose([margins[name] for name in VOLUMES], 0.0, atol=1e-12)


def test_nobody_is_scaled_by_their_own_error(monkeypatch):
    """The one who is called twice as large is scaled by four who are not; each of those by three and that one."""
    patients = people([1.0, 1.0, 1.0, 1.0, 2.0], monkeypatch)
    below, above = fitted_margins(patients)["LV myocardium"]
    share = 2.0 ** (-1 / 4)

    assert (2.0 - 1.0) / 2.0 == pytest.approx(below)
    assert (1.0 - share) / share == pytest.approx(above)
