"""The tables of an evaluation, against scipy and by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from models.artefacts import ARTEFACTS
from training.measure import Row
from training.tables import bootstrap_interval, first_cause, report_on, spearman


def row(person, dice, level, applied=None):
    others = (*(artefact.value for artefact in ARTEFACTS), "task", "entropy", "snr", "cnr")
    scores = {name: 0.001 * (1 + dice + number) for number, name in enumerate(others)}
    scores |= {"uncertainty": level} | ({applied: level} if applied else {})
    severity = {artefact.value: 0.5 * (artefact.value == applied) for artefact in ARTEFACTS}
    tissues = dict.fromkeys(("CSF", "grey matter", "white matter"), dice)
    return Row(name=person, severity=severity, dice=tissues, scores=scores, causes=dict.fromkeys(severity, 0.0))


@pytest.fixture
def rows():
    """Eight people, clean and with noise, whose Dice falls as the uncertainty grows, with some scatter."""
    rng = np.random.default_rng(0)
    made = []
    for person in range(8):
        made.append(row(f"p{person}", 0.85 + rng.normal(0, 0.01), 0.1 + rng.normal(0, 0.02)))
        made += [row(f"p{person}", 0.8 - x / 2 + rng.normal(0, 0.05), x, "noise") for x in rng.uniform(0.2, 0.9, 3)]
    return made


def test_the_correlation_is_scipys(rows):
    expected = spearmanr([r.dice["grey matter"] for r in rows], [r.scores["uncertainty"] for r in rows]).statistic

    assert expected == pytest.approx(spearman(rows, "uncertainty"))


def test_the_interval_holds_the_estimate_and_narrows_with_more_people(rows):
    low, high = bootstrap_interval(rows, "uncertainty")
    many = [
        type(r)(**{n: getattr(r, n) for n in r.__slots__} | {"name": f"{r.name}-{k}"}) for k in range(6) for r in rows
    ]
    narrow_low, narrow_high = bootstrap_interval(many, "uncertainty")

    assert low < spearman(rows, "uncertainty") < high
    assert narrow_high - narrow_low < high - low


def test_the_cause_is_the_largest_variance_and_none_without_a_head(rows):
    assert "noise" == first_cause(rows[1])
    assert "" == first_cause(Row(name="x", severity={}, dice={}, scores={}, causes={}))


def test_the_report_counts_every_image_once(rows):
    report = "\n".join(report_on(rows))

    assert "| noise | 24 | 24 |" in report
    assert "32 images" in report
    assert 8 == sum(f"| p{person} |" in report for person in range(8))
