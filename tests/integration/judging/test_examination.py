"""The shipped bundle on what users send that is no ordinary head: an answer with its reason, never ACCEPT."""

from dataclasses import replace

import numpy as np
import pytest
from builders.images.reader_table import DICOM
from builders.images.strangers import AFFINE, phantoms

from daemon.config import Settings, shipped_bundles
from daemon.core.errors import NotAssessable, Reason
from daemon.core.values import State
from daemon.edge.engines import engine_maker
from daemon.edge.files.nifti import read_nifti
from daemon.line.examination import check_golden, load_examiner
from models.subject import Acquisition, still

FLAIR = sorted(DICOM.parent.glob("brain/sub-*/anat/*_FLAIR.nii.gz"))


@pytest.fixture(scope="module")
def examiner():
    return load_examiner(shipped_bundles()["brain-t1"], engine_maker(Settings().engine, Settings().compiled))


@pytest.fixture(scope="module")
def golden(examiner):
    return read_nifti(examiner.bundle.file(examiner.bundle.manifest.golden.images["image"]))


def answer(examiner, volume):
    try:
        return examiner.examine(volume).verdict.state
    except NotAssessable:
        return State.NOT_ASSESSED


@pytest.mark.parametrize("name", phantoms())
def test_what_is_no_head_is_not_judged_as_one(examiner, name):
    """benchmarks/judging/strangers.py does the same with hearts, FLAIR and inverted heads.

    Legs run through the whole field of view, which looks like a head that has folded over: a RESCAN, so far.
    """
    expected = {State.NOT_ASSESSED, State.REVIEW} | ({State.RESCAN} if name == "two legs" else set())
    volume = still(phantoms()[name], AFFINE)

    assert answer(examiner, volume) in expected


@pytest.mark.parametrize("kind", ["gamma", "Rayleigh"])
def test_noise_alone_is_no_head(examiner, golden, kind):
    rng = np.random.default_rng(0)
    noise = rng.gamma(2, 50, golden.still.shape) if kind == "gamma" else rng.rayleigh(50, golden.still.shape)
    with pytest.raises(NotAssessable) as caught:
        examiner.examine(replace(golden, voxels=noise.astype(np.float32)[None]))

    assert Reason.NOT_FOUND is caught.value.reason


@pytest.mark.parametrize(
    ("echo_ms", "judged"), [(3.0, True), (None, True), (30.0, True), (31.0, False), (110.0, False)]
)
def test_another_contrast_is_known_by_its_echo_time(examiner, golden, echo_ms, judged):
    volume = replace(golden, acquisition=Acquisition(echo_time_ms=echo_ms))
    if judged:
        assert State.ACCEPT is examiner.examine(volume).verdict.state
        return
    with pytest.raises(NotAssessable) as caught:
        examiner.examine(volume)
    assert Reason.CONTRAST is caught.value.reason


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

    assert first.rank.value == pytest.approx(second.rank.value, rel=1e-3)


def test_the_way_the_head_is_stored_does_not_matter(examiner, golden):
    """Flipped and turned in memory, with the affine that says so."""
    turned = np.ascontiguousarray(np.transpose(golden.still, (2, 0, 1))[:, ::-1])
    last = golden.still.shape[0] - 1
    affine = golden.affine @ np.array([[0, -1, 0, last], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    first = examiner.examine(golden).assessment
    second = examiner.examine(replace(golden, voxels=turned[None], affine=affine)).assessment

    assert first.rank.value == pytest.approx(second.rank.value, rel=1e-3)


def test_the_same_head_gives_the_same_numbers(examiner, golden):
    first, second = (examiner.examine(golden).assessment.measures for _ in range(2))

    assert first == second
