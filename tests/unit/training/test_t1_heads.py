"""Whole synthetic T1 heads as scanners store them, and the table of their images that no network judges."""

from dataclasses import replace

import numpy as np
import pytest
from builders.images.ball_heads import write_ball_heads

from models.brain.scores import JUDGED
from models.statistics.harm import CLEAN
from training.harm.causes import NUMBERS
from training.harm.images import Images
from training.harm.judging import HarmPlan, write_images
from training.harm.stored_heads.t1 import stored_heads


@pytest.fixture(scope="module")
def label_maps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_ball_heads(folder, heads=2)
    classes = np.load(folder / "labelmaps" / "prior_means_t1.npy").shape[1]
    np.save(folder / "labelmaps" / "prior_means_t1.npy", np.stack([np.full(classes, 160.0), np.full(classes, 8.0)]))
    np.save(folder / "labelmaps" / "prior_stds_t1.npy", np.ones((2, classes)))
    return folder / "labelmaps"


def test_heads_come_from_one_map_after_the_other_and_the_same_number_is_the_same_head(label_maps):
    drawn, again = (dict(stored_heads(label_maps, 3, 3)) for _ in range(2))
    first, other, third = (make() for make in drawn.values())

    assert ["synthetic-3-0", "synthetic-3-1", "synthetic-3-2"] == list(drawn)
    assert first.name == third.name != other.name
    np.testing.assert_array_equal(first.voxels, again["synthetic-3-0"]().voxels)
    assert first.voxels.shape != third.voxels.shape or not np.array_equal(first.voxels, third.voxels)


def test_white_matter_is_the_brightest_tissue_as_in_t1(label_maps):
    for make in dict(stored_heads(label_maps, 5, 4)).values():
        head = make()
        fluid, grey, white = (float(np.median(head.voxels[head.labels == tissue])) for tissue in (1, 2, 3))

        assert head.voxels.shape == head.labels.shape
        assert 0 <= min(fluid, grey) <= max(fluid, grey) < white


def test_no_bundle_judges_synthetic_heads_and_their_harm_is_the_severity(label_maps, tmp_path):
    plan = HarmPlan(data=label_maps, out=tmp_path, heads=1, styles=1, share=0.4, families="own")
    table = write_images(plan)
    written = table.read_bytes()
    images = Images.read(table, JUDGED)
    clean = images.artefact == CLEAN

    assert 2 == clean.sum() < len(clean)
    assert 0 == images.harm[clean].max() < images.harm[~clean].min()
    assert NUMBERS == images.names
    assert not any("torchio" in family for family in images.family)
    write_images(plan)
    assert written == table.read_bytes()
    with pytest.raises(ValueError, match="give --bundle"):
        write_images(replace(plan, heads=0))
