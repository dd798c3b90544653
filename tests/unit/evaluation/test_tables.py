"""The tables of an evaluation, against scipy and by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from models.physics.artefacts import ARTEFACTS
from training.evaluation.calibration_tables import (
    calibration_error,
    interval_table,
    pool,
    reliability_table,
    volume_table,
)
from training.evaluation.measure import BINS, Bin, Row
from training.evaluation.ranks import (
    bootstrap_interval,
    first_cause,
    grey,
    hurting_severity,
    named_instead,
    score_of,
    spearman,
)
from training.evaluation.rows import read_rows, write_rows
from training.evaluation.severity_tables import LADDER, is_ladder, ladder_table, severity_rank_table
from training.evaluation.tables import report_on

LEVEL = score_of("uncertainty")


def row(person, dice, level, applied=None, severity=0.5, **further):
    others = (*(artefact.value for artefact in ARTEFACTS), "task", "entropy", "snr", "cnr")
    scores = {name: 0.001 * (1 + dice + number) for number, name in enumerate(others)}
    scores |= {"uncertainty": level} | ({applied: level} if applied else {})
    severities = {artefact.value: severity * (artefact.value == applied) for artefact in ARTEFACTS}
    tissues = dict.fromkeys(("CSF", "grey matter", "white matter"), dice)
    causes = dict.fromkeys(severities, 0.0)
    return Row(name=person, severity=severities, dice=tissues, scores=scores, causes=causes, **further)


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

    assert expected == pytest.approx(spearman(rows, grey, LEVEL))


def test_the_interval_holds_the_estimate_and_narrows_with_more_people(rows):
    low, high = bootstrap_interval(rows, grey, LEVEL)
    many = [replace(r, name=f"{r.name}-{k}") for k in range(6) for r in rows]
    narrow_low, narrow_high = bootstrap_interval(many, grey, LEVEL)

    assert low < spearman(rows, grey, LEVEL) < high
    assert narrow_high - narrow_low < high - low


def test_the_cause_is_the_largest_variance_and_none_without_a_head(rows):
    assert "noise" == first_cause(rows[1])
    assert "" == first_cause(Row(name="x", severity={}, dice={}, scores={}, causes={}))


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    monkeypatch.setattr("training.evaluation.ranks._RESAMPLES", 50)


def test_the_report_counts_every_image_once(rows):
    report = "\n".join(report_on(rows))

    assert "| noise | 24 | 24 |" in report
    assert "32 images" in report
    assert 8 == sum(f"| p{person} |" in report for person in range(8))


def test_another_cause_is_named_with_its_number(rows):
    noisy = [r for r in rows if r.artefacts]
    wrong = [replace(r, scores=r.scores | {"wrap": 2.0}) for r in noisy[:3]]

    assert "wrap 3" == named_instead(wrong + noisy[3:], "noise")
    assert "| noise | 24 | 21 | wrap 3 |" in "\n".join(
        report_on([r for r in rows if not r.artefacts] + wrong + noisy[3:])
    )


def test_the_hurting_severity_is_where_the_fitted_loss_passes_a_twentieth():
    severities = [0.9, 0.1, 0.5, 0.3, 0.7]

    assert 0.5 == hurting_severity(severities, [0.3, 0.0, 0.06, 0.01, 0.2])
    assert np.inf == hurting_severity(severities, [0.0] * 5)
    assert 0.7 == hurting_severity(severities, [0.3, 0.09, 0.01, 0.0, 0.2])  # one loss at low severity is scatter


def ladder(levels, dice=0.8):
    clean = [row(f"p{k}", dice, levels[0] + k / 1000) for k in range(3)]
    return clean + [
        row(f"p{k}", dice - s / 10, level + k / 1000, "blur", s)
        for s, level in zip(LADDER, levels[1:], strict=True)
        for k in range(3)
    ]


@pytest.mark.parametrize(
    ("levels", "said", "up"),
    [((0.1, 0.2, 0.3, 0.4, 0.5, 0.6), "yes", "15/15"), ((0.1, 0.2, 0.3, 0.25, 0.5, 0.6), "no", "12/15")],
)
def test_the_ladder_says_whether_the_uncertainty_never_falls(levels, said, up):
    rows = ladder(levels)
    line = next(line for line in ladder_table(rows) if line.startswith("| blur"))

    assert is_ladder(rows)
    assert f"| {said} | {up} |" in line
    assert f"{levels[-1] + 0.001:.3f}" in line
    assert "; +0.10)" in line


def test_severity_ranks_use_the_clean_images_as_severity_zero():
    line = next(
        line for line in severity_rank_table(ladder((0.1, 0.2, 0.3, 0.4, 0.5, 0.6))) if line.startswith("| blur")
    )
    levels = [s for s in (0, *LADDER) for _ in range(3)]
    expected = spearmanr(levels, [0.1 * (1 + i // 3) + i % 3 / 1000 for i in range(18)]).statistic

    assert f"| blur | 18 | {expected:.3f} |" in line


def test_the_calibration_error_is_the_gap_of_each_bin_weighted_by_its_voxels():
    empty = Bin(voxels=0, confidence=0, right=0)
    bins = (empty,) * 8 + (Bin(voxels=100, confidence=85, right=65), Bin(voxels=300, confidence=285, right=285))

    assert 0.05 == pytest.approx(calibration_error(bins))  # (100 x 0.2 + 300 x 0) / 400
    assert np.isnan(calibration_error((empty,) * BINS))
    pair = [row("a", 0.8, 0.1, reliability={"CSF": bins}), row("b", 0.8, 0.1, reliability={"CSF": bins})]
    assert 600 == pool(pair, "CSF")[9].voxels
    assert any("0.8 to 0.9 | 0.85: 0.65 |" in line for line in reliability_table(pair))


def test_volumes_have_a_bias_and_a_coverage_only_where_there_is_an_interval():
    true = {"CSF": 300.0}
    rows = [
        row("a", 0.8, 0.1, volumes={"CSF": (290.0, 310.0, 330.0)}, true_volumes_ml=true),
        row("b", 0.8, 0.1, volumes={"CSF": (310.0, 330.0, 350.0)}, true_volumes_ml=true),
        row("c", 0.8, 0.1, volumes={"CSF": (np.nan, 320.0, np.nan)}, true_volumes_ml=true),
    ]

    assert "| clean | CSF | 3 | 300 | +20 | 8 | 1/2 |" in list(volume_table(rows))
    assert "| clean | CSF | 1 | 300 | +20 | 0 | - |" in list(volume_table(rows[2:]))


def test_rows_come_back_as_they_were_written(rows, tmp_path):
    bins = tuple(Bin(voxels=float(n), confidence=n * 0.5, right=n * 0.25) for n in range(BINS))
    further = {
        "setting": "4 mm slices, axis 0",
        "volumes": {"CSF": (290.0, 310.5, 330.0)},
        "true_volumes_ml": {"CSF": 300.0},
        "reliability": {"grey matter": bins},
    }
    lost = Row(name="x", severity=dict.fromkeys(rows[0].severity, 0.0), dice={}, scores={}, causes={})
    written = [replace(rows[0], **further), *(replace(r, dice=dict.fromkeys(r.dice, 0.5)) for r in rows[1:]), lost]
    write_rows(tmp_path / "rows.csv", written)
    back = read_rows(tmp_path / "rows.csv")

    assert [r.artefacts for r in written] == [r.artefacts for r in back]
    for expected, found in zip(written, back, strict=True):
        assert (expected.name, expected.setting) == (found.name, found.setting)
        assert expected.scores == pytest.approx(found.scores, rel=1e-6)
        assert expected.dice == pytest.approx(found.dice, rel=1e-6)
        assert (expected.volumes, expected.reliability) == (found.volumes, found.reliability)


def test_an_interval_calibrated_on_the_others_holds_nine_of_ten():
    """Intervals that are far too narrow and off to one side, as a biased network draws them."""
    rng = np.random.default_rng(3)
    rows = []
    for person in range(20):
        for _ in range(10):
            truth = 600.0 + rng.normal(0, 30)
            middle = truth + 40 + rng.normal(0, 20)
            volumes = {"CSF": (middle - 5, middle, middle + 5)}
            rows.append(row(f"p{person}", 0.8, 0.1, volumes=volumes, true_volumes_ml={"CSF": truth}))
    (line,) = [line for line in interval_table(rows) if line.startswith("| CSF")]
    cells = [cell.strip() for cell in line.split("|")]

    assert int(cells[3].split(" of ")[0]) < 40
    assert 170 <= int(cells[5].split(" of ")[0]) <= 192
    assert float(cells[6].rstrip("%")) > float(cells[4].rstrip("%"))
