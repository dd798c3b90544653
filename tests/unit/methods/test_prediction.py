"""Volume to prediction with networks that are plain functions: where the box lies, and what comes out of it."""

from dataclasses import replace

import numpy as np
import pytest

from models.brain.prediction import NetworkGrid, NoHeadFound, Outputs, predict, prepare
from models.brain.scores import score, tissue_contrast, volumes_ml
from models.physics.artefacts import ARTEFACTS, Artefact
from models.preprocess import Grid, canonical, nearest

GRID = NetworkGrid(spacing_mm=2.0, box=(64, 64, 64), locator_multiple=8)
TISSUES = ("background", "CSF", "grey matter", "white matter")


def locate(image):
    """Brain is what is bright."""
    return (image > 0.3 * image.max()).astype(np.float32)


def judge(image, _features):
    """Bright voxels are grey matter; the variance of artefact k is k everywhere."""
    grey = image[0, 0] > 0.5
    logits = np.stack([~grey, np.zeros_like(grey), grey, np.zeros_like(grey)]).astype(np.float32) * 50
    half = np.stack([np.full(tuple(n // 2 for n in grey.shape), k, np.float32) for k in range(1 + len(ARTEFACTS))])
    outputs = Outputs(
        logits=logits,
        variances=half,
        causes=np.linspace(0, 1, len(ARTEFACTS), dtype=np.float32),
        factor=np.zeros((1, 4, *half.shape[1:]), np.float32),
        deviation=np.zeros((4, *half.shape[1:]), np.float32),
        embedding=np.zeros(6, np.float32),
        entropy=np.zeros(grey.shape, np.float32),
    )
    return Outputs(*(output[None] for output in outputs))


def ball(centre, shape=(80, 90, 70), radius=20.0):
    """A bright ball (mm radius) in a 2 mm volume."""
    index = np.indices(shape).reshape(3, -1).T * 2.0
    return (np.linalg.norm(index - np.multiply(centre, 2.0), axis=1).reshape(shape) < radius * 2).astype(np.float32)


AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


@pytest.mark.parametrize("centre", [(40, 45, 35), (25, 60, 30), (55, 30, 45)])
def test_the_box_is_about_the_brain_wherever_it_is(centre):
    prepared = prepare(ball(centre), AFFINE, GRID, locate)
    middle = prepared.grid.affine @ [*(np.array(GRID.box) - 1) / 2, 1]

    assert GRID.box == prepared.image.shape
    assert np.linalg.norm(middle[:3] - np.multiply(centre, 2.0)) < 6


def test_the_box_is_scaled_by_the_brain_whatever_the_units():
    first, second = (prepare(ball((40, 45, 35)) * scale, AFFINE, GRID, locate) for scale in (1.0, 1e4))

    np.testing.assert_allclose(first.image, second.image, rtol=1e-4)
    assert 1.0 == pytest.approx(np.percentile(first.image[first.image > 0.5], 50), abs=0.1)


@pytest.mark.parametrize("volume", [np.zeros((60, 60, 60), np.float32), ball((30, 30, 30), (60, 60, 60), radius=3)])
def test_no_head_is_said_so(volume):
    with pytest.raises(NoHeadFound):
        prepare(volume, AFFINE, GRID, lambda image: (image > 0).astype(np.float32) * image)


def test_maps_and_labels_stand_on_the_box_and_the_volume_is_that_of_the_ball():
    prediction = predict(prepare(ball((40, 45, 35)), AFFINE, GRID, locate), judge)

    assert GRID.box == prediction.labels.shape == prediction.task_variance.shape
    assert volumes_ml(prediction, TISSUES)["grey matter"] == pytest.approx(4 / 3 * np.pi * 40**3 / 1000, rel=0.05)
    assert [1, 2, 3, 4, 5] == [prediction.variances[artefact].mean() for artefact in ARTEFACTS]
    assert 1.0 == prediction.causes[ARTEFACTS[-1]]


def test_scores_are_means_over_the_judged_tissue_and_their_sum():
    scores = score(predict(prepare(ball((40, 45, 35)), AFFINE, GRID, locate), judge), TISSUES)

    assert 3.0 == pytest.approx(scores[ARTEFACTS[2]])
    assert 15.0 == pytest.approx(scores["uncertainty"])
    assert {*(a.value for a in Artefact), "uncertainty", "task", "entropy"} == set(scores)


def test_the_orientation_a_volume_is_stored_in_does_not_matter():
    """The same ball, stored with flipped and swapped axes."""
    stored = ball((25, 60, 30))
    flipped = np.ascontiguousarray(stored.transpose(2, 0, 1)[:, ::-1])
    affine = np.zeros((4, 4))
    affine[0, 1], affine[1, 2], affine[2, 0], affine[3, 3] = -2.0, 2.0, 2.0, 1.0
    affine[0, 3] = 2.0 * (stored.shape[0] - 1)
    first = predict(prepare(stored, AFFINE, GRID, locate), judge)
    second = predict(prepare(flipped, affine, GRID, locate), judge)

    np.testing.assert_allclose(first.affine, second.affine, atol=1e-6)
    np.testing.assert_array_equal(first.labels, second.labels)
    turned, turned_affine = canonical(flipped, affine)
    back = nearest(second.labels, Grid(second.labels.shape, second.affine), Grid(turned.shape, turned_affine))
    np.testing.assert_array_equal(back == 2, turned > 0.5)


def test_the_contrast_is_that_of_the_medians_of_the_labels():
    found = predict(prepare(ball((40, 45, 35)), AFFINE, GRID, locate), judge)
    labels = np.where(found.image > 0.5, 2, 0).astype(np.uint8)
    labels[:4], labels[-4:] = 1, 3
    image = np.select([labels == 1, labels == 2, labels == 3], [0.2, 0.5, 0.8], 0.0).astype(np.float32)

    assert (0.4, 0.625) == pytest.approx(tissue_contrast(replace(found, image=image, labels=labels), TISSUES))


def test_without_a_tissue_there_is_no_contrast():
    found = predict(prepare(ball((40, 45, 35)), AFFINE, GRID, locate), judge)

    assert np.isnan(tissue_contrast(found, TISSUES)).all()
