"""The signal equations against a simulation of the magnetisation, and the contrasts that come out of them."""

import numpy as np
import pytest

from training.synthesis.contrast import Prepared, Tissue, draw_contrast, spin_echo, spoiled

WHITE, GREY, FLUID = Tissue(850, 70, 0.7), Tissue(1400, 95, 0.83), Tissue(4300, 1500, 1.0)
MPRAGE = Prepared(inversion=900, repetition=2300, spacing=7, echoes=160, flip=9)


def simulate(scan, tissue, cycles=8, step=0.5):
    """The longitudinal magnetisation in small steps of time (Bloch), until nothing changes any more."""
    before = scan.inversion - scan.spacing * scan.echoes / 2
    rest = scan.repetition - before - scan.spacing * scan.echoes
    magnetisation, seen = 1.0, 0.0

    def wait(m, duration):
        for _ in range(round(duration / step)):
            m += step * (1 - m) / tissue.t1
        return m

    for _ in range(cycles):
        magnetisation = wait(-magnetisation, before)
        for echo in range(scan.echoes):
            if echo == scan.echoes // 2:
                seen = abs(magnetisation) * np.sin(np.deg2rad(scan.flip))
            magnetisation = wait(magnetisation * np.cos(np.deg2rad(scan.flip)), scan.spacing)
        magnetisation = wait(magnetisation, rest)
    return tissue.water * seen


@pytest.mark.parametrize("tissue", [WHITE, GREY, FLUID], ids=["white", "grey", "fluid"])
@pytest.mark.parametrize(
    "scan", [MPRAGE, Prepared(inversion=450, repetition=950, spacing=8, echoes=100, flip=12)], ids=["slow", "fast"]
)
def test_the_prepared_sequence_is_in_its_steady_state(scan, tissue):
    assert scan.signal(tissue) == pytest.approx(simulate(scan, tissue), rel=0.02, abs=2e-4)


def test_a_spoiled_echo_is_largest_at_the_ernst_angle():
    flips = np.linspace(1, 60, 600)
    best = flips[np.argmax([spoiled(WHITE, repetition=20, flip=flip, echo=3) for flip in flips])]

    assert best == pytest.approx(np.rad2deg(np.arccos(np.exp(-20 / WHITE.t1))), abs=0.2)


def test_long_repetition_and_short_echo_leave_the_water_alone():
    assert spin_echo(GREY, repetition=1e6, echo=0) == pytest.approx(GREY.water)
    assert spoiled(GREY, repetition=1e6, flip=90, echo=0) == pytest.approx(GREY.water)


def test_every_contrast_is_t1_weighted_and_they_differ():
    rng = np.random.default_rng(0)
    drawn = [draw_contrast(rng) for _ in range(300)]
    grey, csf = (np.array([getattr(contrast, name) for contrast in drawn]) for name in ("grey", "csf"))

    assert ((0 < csf) & (csf < grey) & (grey < 1)).all()
    assert 0.65 < np.median(grey) < 0.85
    assert grey.std() > 0.05 < csf.std()


def test_the_usual_prepared_scan_has_the_contrast_of_the_textbook():
    """White matter brightest, grey matter at about two thirds of it, fluid dark."""
    white, grey, fluid = (MPRAGE.signal(tissue) for tissue in (WHITE, GREY, FLUID))

    assert 0.55 < grey / white < 0.8
    assert fluid < 0.3 * white
