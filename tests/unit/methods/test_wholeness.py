"""Half a head, an extracted brain and what is unlike every head are refused, whatever the spectrum says of them."""

from dataclasses import replace

import numpy as np
import pytest
from builders.judging.values import examined, prediction

from models.brain.familiarity import DISTANCES
from models.brain.wholeness import cut_area_cm2, share_of_scalp
from models.findings import Lack, NotThis
from models.physics.artefacts import ARTEFACTS
from models.preprocess import Grid


def cube(outside=0.0):
    """A cube of 20 mm of tissue in a box of 60 mm on a 2 mm grid; around it ``outside``."""
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[10:20, 10:20, 10:20] = 2
    image = np.where(labels > 0, 1.0, outside).astype(np.float32)
    return replace(prediction(), labels=labels, image=image)


def shifted(shape, start):
    """A grid of 2 mm that begins at voxel ``start`` of the box."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = 2.0 * np.asarray(start)
    return Grid(shape, affine)


def test_nothing_is_cut_of_a_brain_within_the_field_of_view():
    assert 0.0 == cut_area_cm2(cube(), shifted((30, 30, 30), (0, 0, 0)))


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("first", [True, False])
def test_the_area_of_a_cut_is_that_of_the_plane(axis, first):
    shape, start = [30, 30, 30], [0, 0, 0]
    shape[axis] = 15
    start[axis] = 0 if first else 15

    assert 4.0 == pytest.approx(cut_area_cm2(cube(), shifted(tuple(shape), start)))


def test_a_box_that_ends_where_the_brain_does_cuts_nothing_that_is_seen():
    """The network's box is not the field of view."""
    small = replace(cube(), labels=cube().labels[10:20], image=cube().image[10:20])

    assert 0.0 == cut_area_cm2(small, shifted((40, 40, 40), (-5, -5, -5)))


def test_scalp_is_what_is_bright_around_the_brain():
    assert 0.0 == share_of_scalp(cube(0.05))
    assert 1.0 == pytest.approx(share_of_scalp(cube(0.5)))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"farthest": dict.fromkeys(DISTANCES, 0.0)}, "unlike nearly every head"),
        ({"largest_cut_cm2": -1.0}, "no whole head"),
        ({"least_scalp": 1.1}, "extracted"),
    ],
)
def test_what_is_no_whole_head_is_refused_however_plain_an_artefact_is(settings, why):
    plain = replace(prediction(), causes=dict.fromkeys(ARTEFACTS, 0.99))

    assert examined(plain).measures
    with pytest.raises(NotThis, match=why) as caught:
        examined(plain, settings=settings)
    assert Lack.NOT_FOUND is caught.value.lack
