"""Phantoms of a body: one protocol has one contrast, its people differ, and the same seed makes the same."""

import numpy as np
import pytest

from export.signatures.phantoms import BODIES, people
from models.quality.foreground import find_regions


@pytest.mark.parametrize("name", BODIES)
def test_people_of_a_protocol_differ_and_are_made_again_alike(name):
    body = BODIES[name]
    first, second = people(body, 2, 7)

    assert body.shape == first.shape
    assert not np.array_equal(first, second)
    assert np.array_equal(first, next(people(body, 1, 7)))
    assert np.array_equal(first, np.rint(first))
    assert first.min() >= 0


@pytest.mark.parametrize("name", BODIES)
def test_a_body_lies_in_air_and_protocols_have_contrasts_of_their_own(name):
    found = [next(people(BODIES[name], 1, seed)) for seed in range(4)]
    regions = [find_regions(one) for one in found]

    assert all(one is not None and 0.1 < one.body.mean() < 0.9 and one.air.any() for one in regions)
    spreads = {
        round(float(one[region.body].std() / one[region.body].mean()), 2)
        for one, region in zip(found, regions, strict=True)
    }
    assert len(spreads) > 1
