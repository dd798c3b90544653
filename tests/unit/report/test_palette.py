"""The colours can be told apart by everybody, and the heat scale is even."""

from itertools import combinations

import numpy as np
import pytest

from daemon.core.values import State
from daemon.dicom.report.picture.palette import ABOVE, BACKGROUND, BANDS, PANEL, QUIET_TEXT, TEXT, WITHIN, heat

# Machado, Oliveira and Fernandes 2009, severity 1: linear sRGB as seen with one kind of cone missing.
DEFICIENCIES = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}
# sRGB to CIE XYZ (D65), IEC 61966-2-1.
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    value = np.asarray(colour, float) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(TO_XYZ[1] @ linear(colour))


def contrast(one, other):
    """WCAG 2.2, contrast ratio."""
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def lab(rgb):
    """CIE 1976 L*a*b* of linear sRGB (..., 3): another space than the one that the scale is made in."""
    ratio = np.clip(rgb, 0, 1) @ TO_XYZ.T / (TO_XYZ @ np.ones(3))
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def oklab(rgb):
    """Ottosson 2020, from linear sRGB: the published matrices of the other direction."""
    cones = (
        rgb
        @ np.array(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ]
        ).T
    )
    return (
        np.cbrt(cones)
        @ np.array(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ]
        ).T
    )


def scale():
    return heat(np.linspace(0, 1, 256, dtype=np.float32))


@pytest.mark.parametrize("state", State)
def test_words_on_every_band_can_be_read(state):
    band = BANDS[state]

    assert contrast(band.ground, band.text) > 4.5


def test_words_on_the_background_can_be_read():
    assert min(contrast(colour, BACKGROUND) for colour in (TEXT, QUIET_TEXT, ABOVE)) > 4.5
    assert min(contrast(colour, PANEL) for colour in (WITHIN, ABOVE)) > 3  # bars: WCAG 2.2, 1.4.11


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_no_two_verdicts_look_alike_to_anybody(deficiency):
    """A difference of 10 in CIE L*a*b* is seen at a glance; the symbols differ besides."""
    seen = {state: lab(linear(band.ground) @ np.array(DEFICIENCIES[deficiency]).T) for state, band in BANDS.items()}

    assert min(np.linalg.norm(seen[a] - seen[b]) for a, b in combinations(State, 2)) > 10


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_hotter_is_brighter_for_everybody(deficiency):
    lightness = lab(linear(scale()) @ np.array(DEFICIENCIES[deficiency]).T)[:, 0]

    assert np.diff(lightness[::8]).min() > 0
    assert lightness[-1] - lightness[0] > 50


def test_equal_steps_of_heat_look_equal():
    """Fifteenths of the scale: equal in the space that they are made in, and not far from it in an older one."""
    colours = linear(scale())[::17]
    steps, older = (np.linalg.norm(np.diff(space(colours), axis=0), axis=1) for space in (oklab, lab))

    assert 1.1 > steps.max() / steps.min()
    assert 2.5 > older.max() / older.min()


def test_heat_keeps_its_ends_and_its_shape():
    assert (2, 3, 3) == heat(np.zeros((2, 3), np.float32)).shape
    assert heat(np.float32([-1, 0])).tolist()[0] == heat(np.float32([0])).tolist()[0]
    assert heat(np.float32([7])).tolist() == heat(np.float32([1])).tolist()
