"""What is made of an accepted series: see also tests/unit/judging/test_site_harm.py."""

import numpy as np
import pytest

from models.statistics.trials import Tried, trials_of


def spoilt_of(image):
    return [one.applied_to(image, (1, 1, 1)) for one in trials_of("series", "bundle", 16)[1:]]


@pytest.mark.parametrize("step", [1.0, 4.0, 0.25])
def test_a_spoilt_image_has_the_steps_that_the_scanner_stored(step):
    """Else whatever looks at it finds the simulator, not the artefact."""
    image = (np.random.default_rng(0).integers(0, 400, (16, 18, 14)) * step).astype(np.float32)

    for made in spoilt_of(image):
        np.testing.assert_array_equal(made, np.rint(made / step) * step)


@pytest.mark.parametrize("image", [np.zeros((8, 8, 8)), np.random.default_rng(0).random((8, 8, 8)) * 1e-30 + 1])
def test_what_has_no_steps_is_left_as_it_is(image):
    for made in spoilt_of(image.astype(np.float32)):
        assert np.isfinite(made).all()


def test_the_artefact_is_the_first_word_of_its_family():
    one = Tried(series="", number=1, family="motion line phase", harm=0.0, numbers={})

    assert "motion" == one.artefact
