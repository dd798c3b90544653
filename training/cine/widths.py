"""How far below and above volumes and ejection fractions their intervals must reach to hold nine truths of ten."""

from collections.abc import Sequence

import numpy as np

from models.cine.numbers import scale_of, values_of
from models.statistics.uncertainty import COVERAGE, conformal_limit
from training.cine.judge import Patient
from training.cine.tables import true_numbers


def fitted_margins(patients: Sequence[Patient]) -> dict[str, tuple[float, float]]:
    """By number, as shares of its value: beyond either lies one truth of twenty.

    The conformal quantile of the misses to each side; of too few patients for one, the largest miss.
    """
    called = [values_of(patient.reading, patient.pixel_ml) for patient in patients]
    truths = [true_numbers(patient) for patient in patients]
    margins = {}
    for name in called[0]:
        over = [
            (values[name] - truth[name]) / scale_of(name, values[name])
            for values, truth in zip(called, truths, strict=True)
        ]
        margins[name] = _reach(over), _reach([-miss for miss in over])
    return margins


def _reach(misses: Sequence[float]) -> float:
    limit = conformal_limit(misses, (1 - COVERAGE) / 2)
    return max(0.0, limit if np.isfinite(limit) else max(misses))
