"""What the figures draw is what the rows say."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from models.physics.artefacts import ARTEFACTS
from training.evaluation.figures import (
    FiguresPlan,
    dice_against_scores,
    draw_figures,
    reliability_curves,
    uncertainty_by_severity,
    variance_matrix,
    volumes_against_truth,
)
from training.evaluation.measure import BINS, Bin, Row
from training.evaluation.rows import write_rows

NAMES = [artefact.value for artefact in ARTEFACTS]


def row(person, applied, severity):
    scores = {name: 0.3 if name == applied else 0.01 for name in NAMES}
    scores |= {"uncertainty": 0.1 + severity, "task": 0.2, "entropy": 0.3, "snr": 5.0 - severity, "cnr": 2.0}
    bins = tuple(Bin(voxels=100.0, confidence=100 * (n + 0.5) / BINS, right=10.0 * n) for n in range(BINS))
    return Row(
        name=person,
        severity={name: severity * (name == applied) for name in NAMES},
        dice=dict.fromkeys(("CSF", "grey matter", "white matter"), 0.8 - severity / 10),
        scores=scores,
        causes=dict.fromkeys(NAMES, 0.0),
        volumes={"CSF": (290.0, 310.0, 340.0)},
        true_volumes_ml={"CSF": 300.0},
        reliability={"CSF": bins},
    )


@pytest.fixture
def rows():
    """Three people, clean and with each artefact at two severities."""
    clean = [row(f"p{k}", "", 0.0) for k in range(3)]
    return clean + [row(f"p{k}", name, s) for k in range(3) for name in NAMES for s in (0.3, 0.8)]


def test_every_image_is_a_point_beside_snr_and_cnr(rows):
    panels = dice_against_scores(rows).axes

    assert ["mean artefact variance", "SNR", "CNR"] == [axes.get_xlabel() for axes in panels]
    for axes in panels:
        assert len(rows) == sum(len(points.get_offsets()) for points in axes.collections)
    assert "Spearman -1.00" == panels[0].get_title()


def test_severity_is_followed_person_by_person_from_the_clean_image_on(rows):
    lines = uncertainty_by_severity(rows).axes[0].lines

    assert 3 == len(lines)
    np.testing.assert_allclose(lines[0].get_xdata(), [0.0, 0.3, 0.8])
    np.testing.assert_allclose(lines[0].get_ydata(), [0.1, 0.4, 0.9])


def test_the_matrix_shows_the_mean_variance_of_each_artefact_in_each(rows):
    means = variance_matrix(rows).axes[0].images[0].get_array()

    np.testing.assert_allclose(means[1:], 0.01 + 0.29 * np.eye(len(NAMES)))
    np.testing.assert_allclose(means[0], 0.01)


def test_reliability_is_accuracy_over_confidence(rows):
    curve = reliability_curves(rows).axes[0].lines[1]

    np.testing.assert_allclose(curve.get_xdata(), (np.arange(BINS) + 0.5) / BINS)
    np.testing.assert_allclose(curve.get_ydata(), np.arange(BINS) / 10)


@pytest.mark.parametrize(("ends", "expected"), [((290.0, 340.0), (20, 30)), ((np.nan, np.nan), (0, 0))])
def test_error_bars_reach_from_low_to_high_where_there_is_an_interval(rows, ends, expected):
    interval = (ends[0], 310.0, ends[1])
    figure = volumes_against_truth([replace(r, volumes={"CSF": interval}) for r in rows[:3]])
    bars = next(c for c in figure.axes[0].containers if len(c[0].get_xdata()))
    low, high = bars[2][0].get_segments()[0][:, 1]

    assert expected == (310 - low, high - 310)


def test_figures_are_small_and_drawn_from_the_file_alone(rows, tmp_path, capsys):
    write_rows(tmp_path / "rows.csv", rows)
    draw_figures(FiguresPlan(rows=tmp_path / "rows.csv", out=tmp_path / "out"))
    drawn = sorted((tmp_path / "out").iterdir())

    assert ["dice.png", "reliability.png", "severity.png", "variances.png", "volumes.png"] == [p.name for p in drawn]
    for path in drawn:
        assert path.stat().st_size < 150_000
        with Image.open(path) as image:
            assert len(image.getcolors()) > 5
    assert "KB" in capsys.readouterr().out
