"""One slice over time: what a breath-hold of a cine is, and what is still too few slices."""

import numpy as np
import pytest
from builders.images.series import Lattice, classic

from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.reading.volumes import arrange, decode

ONE = Lattice(slices=1)


def phases(count, **facts):
    return [
        image
        for n in range(count)
        for image in classic(ONE, uid=f"1.2.3.{n}", TriggerTime=30.0 * n, InstanceNumber=n + 1, **facts)
    ]


def test_eight_phases_of_one_position_are_an_image_over_time():
    stacks = arrange(phases(8, SliceThickness=7.0))
    image = decode(stacks)

    assert (8, ONE.columns, ONE.rows, 1) == image.voxels.shape
    assert 7.0 == pytest.approx(np.linalg.norm(image.affine[:3, 2]))
    np.testing.assert_allclose(image.affine[:3, 3], np.array([-1, -1, 1]) * ONE.position(0))
    np.testing.assert_allclose(image.times_ms, 30.0 * np.arange(8))


@pytest.mark.parametrize("count", [2, 7])
def test_fewer_phases_of_one_position_are_too_few_slices(count):
    with pytest.raises(NotAssessable) as refused:
        arrange(phases(count))
    assert Reason.TOO_FEW is refused.value.reason


def test_the_stated_distance_counts_before_the_thickness():
    image = decode(arrange(phases(8, SliceThickness=7.0, SpacingBetweenSlices=9.0)))

    assert 9.0 == pytest.approx(np.linalg.norm(image.affine[:3, 2]))
