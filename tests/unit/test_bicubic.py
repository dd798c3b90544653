"""Slices are magnified along their axes to the very numbers that Pillow's bicubic transform gives."""

import numpy as np
import pytest
from PIL import Image

from daemon.dicom.report.picture.bicubic import Axis, magnify


def by_pillow(values, down, across):
    coefficients = (across.step, 0, across.start, 0, down.step, down.start)
    size = (across.size, down.size)
    picture = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(picture.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC))


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (14, 48), (125, 240), (256, 256)])
@pytest.mark.parametrize("share", [0.4, 1.0, 1.7])
def test_every_pixel_is_that_of_pillow(shape, share):
    """Within the slice, at its edges and beyond them, for maps and for masks."""
    rng = np.random.default_rng(hash(shape) % 97)
    down, across = (Axis(n / 2 - share * n / 2 + rng.uniform(-1, 1), share * n / 150, 150) for n in shape)
    for values in (rng.random(shape, np.float32), rng.random(shape) > 0.5):
        shown = magnify(values, down, across)

        assert np.float32 == shown.dtype
        assert np.array_equal(by_pillow(values, down, across), shown)
