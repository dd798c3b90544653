"""How far the sampled intervals of volumes and ejection fractions must be widened to hold nine truths of ten."""

from collections.abc import Sequence

import numpy as np

from models.cine.numbers import sampled, scale_of
from models.statistics.uncertainty import COVERAGE, conformal_limit
from training.cine.judge import Patient
from training.cine.tables import true_numbers


def fitted_margins(patients: Sequence[Patient]) -> dict[str, float]:
    """By number, as a share of its value; of fewer than nine patients none is left out."""
    samples = [sampled(patient.reading, patient.pixel_ml) for patient in patients]
    truths = [true_numbers(patient) for patient in patients]
    margins = {}
    for name in samples[0]:
        ends = [(float(values[name][1:].min()), float(values[name][1:].max())) for values in samples]
        called = [float(values[name][0]) for values in samples]
        misses = [
            max(low - truth[name], truth[name] - high) / scale_of(name, value)
            for (low, high), value, truth in zip(ends, called, truths, strict=True)
        ]
        limit = conformal_limit(misses, 1 - COVERAGE)
        margins[name] = max(0.0, limit if np.isfinite(limit) else max(misses))
    return margins
