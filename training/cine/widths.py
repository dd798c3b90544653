"""How far the sampled intervals of volumes and ejection fractions must be widened to hold nine truths of ten."""

from collections.abc import Sequence

import numpy as np

from models.cine.numbers import sampled
from models.statistics.uncertainty import COVERAGE, conformal_limit, miss
from training.cine.judge import Patient
from training.cine.tables import true_numbers


def fitted_margins(patients: Sequence[Patient]) -> dict[str, float]:
    """By number, in its interval's own widths; of fewer than nine patients none is left out."""
    samples = [sampled(patient.reading, patient.pixel_ml) for patient in patients]
    truths = [true_numbers(patient) for patient in patients]
    margins = {}
    for name in samples[0]:
        ends = [(float(values[name][1:].min()), float(values[name][1:].max())) for values in samples]
        misses = [miss(interval, truth[name]) for interval, truth in zip(ends, truths, strict=True)]
        limit = conformal_limit(misses, 1 - COVERAGE)
        margins[name] = max(0.0, limit if np.isfinite(limit) else max(misses))
    return margins
