"""The images of one person: each style clean, each family of artefacts once, and never spoilt beyond its origin."""

import numpy as np
import pytest

from models.physics.families import FAMILIES
from models.statistics.harm import CLEAN
from training.harm.drawing import Drawing, images_of
from training.truth import Truth

OWN = {(artefact.value, family) for artefact, families in FAMILIES.items() for family in families}


@pytest.fixture(scope="module")
def person():
    i, j, k = np.ogrid[-1:1:20j, -1:1:22j, -1:1:18j]
    labels = (i**2 + j**2 + k**2 < 0.5).astype(np.uint8)
    return Truth(name="ball", voxels=100.0 * labels.astype(np.float32), labels=labels, affine=np.diag([4.0, 4, 4, 1]))


def drawn(person, **changes):
    return [*images_of(person, Drawing(styles=3, torchio=False, **changes), 0)]


def test_each_family_is_drawn_once_and_each_style_is_there_clean(person):
    images = drawn(person)
    clean = [one for one in images if one.artefact == CLEAN]

    assert ["", "style 1", "style 2", "style 3"] == [one.origin.setting for one in clean]
    assert all(one.image is one.origin for one in clean)
    assert OWN == {(one.artefact, one.family) for one in images} - {(CLEAN, CLEAN)}
    assert len(OWN) == len(images) - len(clean)


def test_what_is_spoilt_is_of_its_own_origin_and_differs_from_it(person):
    for one in drawn(person):
        if one.artefact != CLEAN:
            assert one.origin.voxels.shape == one.image.voxels.shape
            assert not np.array_equal(one.origin.voxels, one.image.voxels)
            assert 0.02 <= one.severity <= 1


def test_a_share_of_the_families_is_drawn_and_the_clean_images_stay(person):
    few = drawn(person, share=0.3)

    assert 4 == sum(one.artefact == CLEAN for one in few)
    assert 0 < len(few) - 4 < len(OWN)


def test_mild_severities_are_the_most(person):
    severities = [one.severity for one in drawn(person, repeats=20) if one.artefact != CLEAN]

    assert np.median(severities) < 0.35  # of the square of an even draw it is a quarter
    assert max(severities) > 0.8
