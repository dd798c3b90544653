"""The shipped bundle on what users send that is no ordinary head: an answer with its reason, never ACCEPT."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.config import Settings
from daemon.core.errors import NotAssessable, Reason
from daemon.core.values import State
from daemon.examination import check_golden, load_examiner, read_nifti


@pytest.fixture(scope="module")
def examiner():
    return load_examiner(Settings().bundle, Settings().engine)


@pytest.fixture(scope="module")
def golden(examiner):
    return read_nifti(examiner.bundle.file(examiner.bundle.manifest.golden.series))


def things(shape):
    """What is no head, by name."""
    rng = np.random.default_rng(0)
    index = np.indices(shape).astype(np.float32)
    radius = np.sqrt(sum((axis - n / 2) ** 2 for axis, n in zip(index, shape, strict=True)))
    return {
        "noise": rng.gamma(2, 50, shape),
        "complex noise": np.abs(rng.normal(size=shape) + 1j * rng.normal(size=shape)),
        "ramp": index[2],
        "sphere": 500.0 * (radius < 40) + rng.normal(0, 5, shape),
        "bottle": 500.0 * (np.hypot(index[0] - shape[0] / 2, index[1] - shape[1] / 2) < 30),
        "stripes": 100 + 100 * np.sin(index[0]),
    }


def answer(examiner, volume):
    try:
        return examiner.examine(volume).verdict.state
    except NotAssessable:
        return State.NOT_ASSESSED


@pytest.mark.parametrize("name", ["noise", "complex noise", "ramp", "sphere", "bottle", "stripes"])
def test_what_is_no_head_is_never_accepted(examiner, golden, name):
    volume = replace(golden, voxels=things(golden.voxels.shape)[name].astype(np.float32))

    assert State.ACCEPT is not answer(examiner, volume)


@pytest.mark.parametrize("name", ["noise", "complex noise", "ramp"])
def test_more_tissue_than_any_brain_has_is_no_head(examiner, golden, name):
    with pytest.raises(NotAssessable, match="mL of tissue"):
        examiner.examine(replace(golden, voxels=things(golden.voxels.shape)[name].astype(np.float32)))


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_flat_image_is_said_to_be_so(examiner, golden, value):
    with pytest.raises(NotAssessable) as caught:
        examiner.examine(replace(golden, voxels=np.full_like(golden.voxels, value)))

    assert Reason.FLAT is caught.value.reason


def test_the_golden_head_is_accepted_and_gives_its_makers_numbers(examiner, golden):
    check_golden(examiner)

    assert State.ACCEPT is examiner.examine(golden).verdict.state


def test_the_units_of_the_scanner_do_not_matter(examiner, golden):
    first, second = (examiner.examine(replace(golden, voxels=golden.voxels * k)).assessment for k in (1, 37))

    assert first.uncertainty.value == pytest.approx(second.uncertainty.value, rel=1e-3)


def test_the_way_the_head_is_stored_does_not_matter(examiner, golden):
    """Flipped and turned in memory, with the affine that says so."""
    turned = np.ascontiguousarray(np.transpose(golden.voxels, (2, 0, 1))[:, ::-1])
    last = golden.voxels.shape[0] - 1
    affine = golden.affine @ np.array([[0, -1, 0, last], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    first = examiner.examine(golden).assessment
    second = examiner.examine(replace(golden, voxels=turned, affine=affine)).assessment

    assert first.uncertainty.value == pytest.approx(second.uncertainty.value, rel=1e-3)


def test_the_same_head_gives_the_same_numbers(examiner, golden):
    first, second = (examiner.examine(golden).assessment.measures for _ in range(2))

    assert first == second
