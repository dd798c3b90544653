"""The FLAIR without its lesions: twins differ in lesions alone, error maps tell true calls from false ones."""

import numpy as np
import pytest
import torch
from builders.images.ball_heads import write_ball_heads
from scipy.ndimage import binary_dilation, gaussian_filter

from models.lesions.prediction import Prediction
from models.nets.reconstruction import ReconstructionNet
from models.nets.unet import TrunkConfig
from training.lesions.anatomy import draw_anatomy
from training.lesions.atlas import load_atlas
from training.lesions.examples import BRIGHTEST, Stream
from training.lesions.reconstruction.errors import error_map, error_numbers, fill, redraw_by
from training.lesions.reconstruction.examples import draw_hole, draw_pair, pairs, widened
from training.lesions.reconstruction.train import (
    ReconstructionPlan,
    load_reconstruction,
    objective,
    similarity,
    train_reconstruction,
)
from training.synthesis.generators import generators_of
from training.synthesis.heads import CorruptionModel

BOX = (64, 80, 64)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_ball_heads(folder)
    return folder


@pytest.fixture(scope="module")
def stream(data, tmp_path_factory):
    atlas = load_atlas(data, tmp_path_factory.mktemp("atlas"))
    return Stream(atlas=atlas, seed=1, corruption_model=CorruptionModel(probability=0.0), box=BOX)


def test_an_image_departs_from_its_twin_where_lesions_are_and_is_brighter_there(stream):
    apart = []
    for number in range(5):
        image, twin, _ = draw_pair(stream.anatomy(number), stream, number)
        assert (1, 1, *BOX) == tuple(image.shape) == tuple(twin.shape)
        assert 0 <= float(twin.min()) <= float(image.max()) <= BRIGHTEST
        difference = (image - twin)[0, 0]
        apart.append((float(difference.mean()), float((difference.abs() > 0.1).float().mean())))

    assert max(share for _, share in apart) > 0.001
    assert all(share < 0.1 for _, share in apart)
    assert max(mean for mean, _ in apart) > 0


def test_the_same_number_is_the_same_pair_and_each_is_seen_twice(stream):
    drawn = pairs(stream, 0)
    first = next(drawn)
    again = next(drawn)

    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(first.image, draw_pair(stream.anatomy(0), stream, 0).image)


def test_a_hole_holds_lesions_some_missed_and_pieces_of_healthy_brain(stream):
    anatomy = draw_anatomy(stream.atlas, generators_of(3))
    lesions = (anatomy.home > 0.9).float() * (anatomy.from_ventricles < 6)
    holes = [draw_hole(lesions, anatomy, generators_of(4, number)) for number in range(20)]
    called = [float(hole[lesions > 0].mean()) for hole in holes]
    false = [float(hole[lesions == 0].mean()) for hole in holes]
    outside = anatomy.tissues[0] > 0.99
    near = binary_dilation(~outside.numpy(), np.ones((3, 3, 3)))

    assert max(called) == 1.0
    assert min(called) < 0.8
    assert max(false) > 0.001
    assert all(not hole.numpy()[~near].any() for hole in holes)
    assert {0.0, 1.0} == {float(v) for hole in holes for v in hole.unique()}


def test_a_widened_hole_has_its_neighbours_too():
    hole = torch.zeros(5, 5, 5)
    hole[2, 2, 2] = 1

    assert 27 == int(widened(hole).sum())


def test_similarity_is_that_of_wang_et_al():
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 20, 18, 6)).astype(np.float32) * 2

    def window(image):
        return gaussian_filter(image.astype(float), (1.5, 1.5, 0), mode="nearest", radius=(5, 5, 0))

    a, b = window(first), window(second)
    variances = window(first**2) - a**2 + window(second**2) - b**2
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    expected = (2 * a * b + c1) * (2 * (window(first * second) - a * b) + c2)
    expected /= (a**2 + b**2 + c1) * (variances + c2)
    found = similarity(*(torch.from_numpy(one)[None, None] for one in (first, second)))

    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=2e-4)
    assert 1.0 == pytest.approx(float(similarity(*[torch.from_numpy(first)[None, None]] * 2).mean()), abs=1e-5)


def test_the_twin_itself_costs_nothing_and_the_image_with_its_lesions_more(stream):
    pair = next(p for n in range(20) if (p := draw_pair(stream.anatomy(n), stream, n)).hole.any())
    right, wrong = objective(pair.twin, pair), objective(pair.image + 0.5 * pair.hole, pair)

    assert 0 == float(right["absolute"])
    assert 0 == pytest.approx(float(right["dissimilarity"]), abs=1e-5)
    assert all(float(wrong[name]) > float(right[name]) for name in right)


def test_what_is_in_a_hole_is_not_seen():
    torch.manual_seed(1)
    network = ReconstructionNet(TrunkConfig(channels=(4, 6, 8, 8), fine=4, inputs=2)).eval()
    image, hole = torch.rand(1, 1, 32, 32, 32), torch.zeros(1, 1, 32, 32, 32)
    hole[..., 8:12, 8:12, 8:12] = 1
    other = torch.where(hole > 0, torch.rand_like(image), image)
    first, second = (network(one, hole).detach() for one in (image, other))

    assert torch.equal(first, second)
    assert not torch.equal(first, network(image, 0 * hole))
    assert float(first.min()) >= 0


def test_training_goes_on_at_its_step_and_its_weights_draw_a_flair(data, tmp_path):
    for steps in (1, 2):
        train_reconstruction(ReconstructionPlan(run=tmp_path, data=data, steps=steps, save_every=1))
    redraw = redraw_by(load_reconstruction(tmp_path / "checkpoint.pt"))
    image = np.ones((32, 32, 32), np.float32)

    assert 2 == torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"]
    assert (32, 32, 32) == redraw(image, np.zeros_like(image)).shape
    with pytest.raises(FileNotFoundError, match="train it first"):
        load_reconstruction(tmp_path / "nothing.pt")


def test_a_hole_is_filled_from_about_it():
    ramp = np.broadcast_to(np.linspace(1, 2, 24, dtype=np.float32)[:, None, None], (24, 24, 24)).copy()
    hole = np.zeros_like(ramp)
    hole[11:13, 11:13, 11:13] = 1
    spoilt = np.where(hole > 0, np.float32(9), ramp)

    np.testing.assert_allclose(fill(spoilt, hole), ramp, atol=0.01)
    assert np.isfinite(fill(ramp, np.ones_like(ramp))).all()


@pytest.fixture
def head():
    """White matter with one lesion that is called, one that is missed, and a call of healthy tissue; and its twin."""
    twin = np.ones((24, 24, 24), np.float32)
    image, mask = twin.copy(), np.zeros(twin.shape, bool)
    image[4:8, 4:8, 4:8] = image[16:19, 16:19, 16:19] = 1.6
    mask[4:8, 4:8, 4:8] = mask[4:8, 16:20, 4:8] = True
    tissues = np.zeros((4, *twin.shape), np.float32)
    tissues[3] = 1
    prediction = Prediction(
        image=image,
        probability=0.9 * mask.astype(np.float32),
        tissues=tissues,
        level=1.3,
        mask=mask,
        affine=np.diag([2.0, 2.0, 2.0, 1.0]),
        features=np.zeros(0, np.float32),
    )
    return prediction, twin


def test_an_error_map_is_the_image_less_its_reconstruction_with_the_call_and_its_rim_left_out(head):
    prediction, twin = head
    given = []

    def redraw(_, hole):
        given.append(hole)
        return twin

    errors = error_map(prediction, redraw)

    np.testing.assert_array_equal(errors, prediction.image - twin)
    np.testing.assert_array_equal(given[0] > 0, binary_dilation(prediction.mask, np.ones((3, 3, 3))))


def test_true_calls_have_errors_false_ones_none_and_missed_lesions_are_counted(head):
    prediction, twin = head
    numbers = error_numbers(prediction, lambda *_: twin)

    assert 0.3 == pytest.approx(numbers["error in the mask"], abs=1e-6)  # half of what is called is lesion
    assert np.log1p(0.6 * 64 * 0.008) == pytest.approx(numbers["log total error"], rel=1e-5)
    assert np.log1p(27 * 0.008) == pytest.approx(numbers["log missed"])


def test_every_number_of_an_empty_call_is_finite(head):
    prediction, twin = head
    empty = Prediction(
        image=twin,
        probability=0 * twin,
        tissues=prediction.tissues,
        level=2.0,
        mask=np.zeros(twin.shape, bool),
        affine=prediction.affine,
        features=prediction.features,
    )

    assert all(np.isfinite(list(error_numbers(empty, redraw).values())).all() for redraw in (fill, lambda *_: twin))
