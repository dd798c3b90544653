"""White-matter lesions: where they are drawn, how scanners show them, the network's masks, the numbers of a map."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from builders.images.ball_heads import LESION_MM, write_ball_heads
from scipy.ndimage import gaussian_filter

from models.lesions.border import level_of_border
from models.lesions.prediction import MASKS, LesionNetwork, Prediction, Prepared, drawn_masks, entropy, scaled
from models.lesions.scores import doubtful_ml, interval_ml, lesion_count, pairwise_dice, several_passes, single_pass
from models.nets.lesions import LesionConfig, LesionNet, LesionOutputs, whole_masks
from models.nets.lesions import drawn_masks as drawn_in_torch
from models.nets.unet import TrunkConfig
from models.physics.spectrum import describe
from models.preprocess import Grid
from training.lesions.anatomy import GRID, draw_anatomy
from training.lesions.atlas import load_atlas
from training.lesions.calibrate import NAMES, best_threshold, fit_loss, fit_margin, recalibrated
from training.lesions.contrast import draw_flair
from training.lesions.examples import BOX, BRIGHTEST, Stream
from training.lesions.judged import THRESHOLDS, Row, outliers
from training.lesions.load import draw_lesions, volume_ml
from training.lesions.network import ServedNet, begin, run_of
from training.lesions.people import clean_and_spoilt, read_people
from training.lesions.ranking import aurc, auroc, best_nine_tenths, pearson, spearman
from training.lesions.scans import draw_scanner
from training.lesions.tables import synthetic_tables, tables
from training.lesions.train import LesionPlan, loss_of, objective, train_lesions
from training.synthesis.generators import generators_of
from training.synthesis.heads import CorruptionModel

SMALL = LesionConfig(trunk=TrunkConfig(channels=(4, 6, 8, 8), fine=4))
CALM = CorruptionModel(probability=0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_ball_heads(folder)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("atlas")


@pytest.fixture(scope="module")
def atlas(data, cache):
    return load_atlas(data, cache)


@pytest.fixture(scope="module")
def anatomy(atlas):
    return draw_anatomy(atlas, generators_of(1))


def test_a_mask_is_brought_to_the_same_place_of_each_label_map(atlas):
    for head in atlas.heads:
        place = np.argwhere(atlas.mask(head.classes, 0).numpy()).mean(axis=0)
        expected = np.asarray(head.brain_centre) + LESION_MM

        np.testing.assert_allclose(expected, place, atol=3.0)


def test_what_is_held_back_trains_nothing_and_the_judged_are_in_neither(data, cache, atlas):
    held = load_atlas(data, cache, held=True)

    assert not {head.name for head in held.heads} & {head.name for head in atlas.heads}
    assert 6 == len(held.heads) + len(atlas.heads)
    assert 7 == held.masks + atlas.masks


def test_a_folder_without_label_maps_says_what_to_give(tmp_path):
    with pytest.raises(FileNotFoundError, match="--data"):
        load_atlas(tmp_path, tmp_path)


def test_the_shares_of_a_voxel_are_whole_and_ventricles_are_told_from_other_fluid(anatomy):
    np.testing.assert_allclose(1, anatomy.shares.sum(dim=0).numpy(), atol=1e-5)
    np.testing.assert_allclose(1, anatomy.tissues.sum(dim=0).numpy(), atol=1e-5)

    assert 0 < anatomy.shares[anatomy.atlas.ventricles].sum() < anatomy.tissues[1].sum()


@pytest.mark.parametrize("load", [0.3, 2.0, 10.0])
def test_lesions_have_the_load_that_was_drawn_and_lie_where_lesions_lie(anatomy, load):
    found = [draw_lesions(anatomy, load, generators_of(3, seed)) for seed in range(6)]
    volumes = [volume_ml(lesions) for lesions in found]

    assert 0.6 * load < np.median(volumes) < 1.5 * load
    assert all((lesions <= anatomy.home + 1e-5).all() for lesions in found)


def test_a_load_of_nothing_is_no_lesion(anatomy):
    assert 0.0 == volume_ml(draw_lesions(anatomy, 0.0, generators_of(4)))


def test_lesions_are_brighter_than_white_and_grey_matter_in_flair(anatomy):
    for seed in range(4):
        lesions = draw_lesions(anatomy, 8.0, generators_of(5, seed))
        flair = draw_flair(anatomy, lesions, generators_of(6, seed))
        inside, white = lesions > 0.9, (anatomy.white > 0.95) & (lesions == 0)

        assert flair[inside].median() > flair[anatomy.tissues[2] > 0.9].median()
        assert flair[inside].median() > 1.1 * flair[white].median()


def test_slices_show_all_of_what_is_everywhere_and_no_more():
    for seed in range(30):
        scanner = draw_scanner(np.random.default_rng(seed))
        shown = scanner.share(torch.ones(GRID))
        open_view = replace(scanner, kept=tuple((0, n) for n in GRID)).share(torch.ones(GRID))

        assert float(shown.max()) <= 1 + 1e-5
        assert float(open_view.mean()) > 0.93
        assert 0 == shown[: scanner.kept[0][0]].sum()


def test_thick_slices_smear_a_lesion_across_them_and_not_along_them():
    scanner = replace(
        draw_scanner(np.random.default_rng(1)), axis=2, thickness_mm=5.0, step_mm=5.0, kept=tuple((0, n) for n in GRID)
    )
    point = torch.zeros(GRID)
    point[40, 50, 40] = 1
    spread = [int((scanner.share(point).sum(dim=other) > 1e-4).sum()) for other in ((1, 2), (0, 2), (0, 1))]

    assert 1 == spread[0] == spread[1]
    assert spread[2] > 3


def test_the_same_number_is_the_same_example_and_each_is_seen_twice(atlas):
    stream = Stream(atlas=atlas, seed=1, corruption_model=CALM, apart=2, box=(64, 80, 64))
    first, again = stream.example(3), stream.example(3)
    examples = stream.batches(0)
    seen = [next(examples) for _ in range(10)]

    assert torch.equal(first.images, again.images)
    assert (1, 2, 64, 80, 64) == tuple(first.images.shape)
    assert any(torch.equal(seen[4].images, other.images) for other in seen[5:])
    assert not torch.equal(seen[4].images, seen[6].images)


def test_a_t1_lies_beside_as_many_flair_as_asked_for_and_changes_none(atlas):
    stream = Stream(atlas=atlas, seed=4, corruption_model=CALM, box=(64, 80, 64), t1=1.0)
    alone = replace(stream, t1=0.0)
    for number in range(3):
        with_t1, without = stream.example(number), alone.example(number)
        inside = with_t1.tissues[0] > 0.9
        t1 = with_t1.images[0, 1]

        assert torch.equal(with_t1.images[0, 0], without.images[0, 0])
        assert 0 == without.images[0, 1].abs().max()
        assert t1[inside[2]].median() < t1[inside[3]].median()


def test_weights_of_one_contrast_begin_blind_to_the_other(tmp_path):
    torch.manual_seed(1)
    small = SMALL.trunk
    network = LesionNet(SMALL).eval()
    torch.save({"average": network.state_dict()}, tmp_path / "checkpoint.pt")
    two = begin(tmp_path / "checkpoint.pt", LesionConfig(trunk=replace(small, inputs=2))).eval()
    images, masks = torch.randn(1, 2, 32, 32, 32), whole_masks(SMALL)

    torch.testing.assert_close(network(images[:, :1], masks).lesion, two(images, masks).lesion)
    with pytest.raises(RuntimeError):
        begin(tmp_path / "checkpoint.pt", LesionConfig())


def test_white_matter_is_one_whatever_the_scanner_and_lesions(atlas):
    stream = Stream(atlas=atlas, seed=2, corruption_model=CALM, box=BOX)
    for number in range(6):
        example = stream.example(number)
        white = (example.tissues[0, 3] > 0.95) & (example.lesions[0, 0] == 0) & (example.images[0, 0] > 0)

        assert 1 == pytest.approx(float(example.images[0, 0][white].median()), abs=0.3)
        assert 0 <= float(example.images.min()) <= float(example.images.max()) <= BRIGHTEST


def test_training_goes_on_at_its_step(data, tmp_path):
    for steps in (1, 2):
        train_lesions(LesionPlan(run=tmp_path, data=data, steps=steps, save_every=1))

    assert 2 == torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"]


def test_the_truth_itself_costs_least_by_either_loss(atlas):
    example = Stream(atlas=atlas, seed=3, corruption_model=CALM, box=(64, 80, 64)).example(2)
    right = LesionOutputs(20 * example.lesions.sub(0.5), 20 * example.tissues)
    wrong = LesionOutputs(-right.lesion, -right.tissue)
    for loss in ("dice-ce", "two-class"):
        assert loss_of(objective(right, example), loss) < loss_of(objective(wrong, example), loss)


def test_a_dropped_channel_changes_the_answer_and_whole_masks_do_not():
    torch.manual_seed(0)
    network, images = LesionNet(SMALL).eval(), torch.randn(1, 1, 32, 32, 32)
    plain, again = (network(images, whole_masks(SMALL)).lesion for _ in range(2))

    assert torch.equal(plain, again)
    assert (1, 1, 32, 32, 32) == tuple(plain.shape)
    assert not torch.allclose(plain, network(images, drawn_in_torch(SMALL, 0.5)).lesion)


def _prepared():
    images = np.random.default_rng(0).random((1, 1, 32, 32, 32), np.float32)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    return Prepared(images=images, grid=Grid((32, 32, 32), affine), features=describe(images[0, 0], affine))


def _network():
    torch.manual_seed(0)
    network = LesionNet(SMALL)
    torch.nn.init.zeros_(network.lesion.bias)
    run = run_of(ServedNet(network).eval())
    return LesionNetwork(run=run, channels=SMALL.masks, threshold=0.5, dropped=0.3, border=0.0)


def test_passes_differ_from_each_other_and_are_the_same_again():
    found, again = (_network().sample(_prepared(), 0.0, 4) for _ in range(2))

    assert found.variance.max() > 0
    assert pairwise_dice(found) < 1
    np.testing.assert_array_equal(found.mean, again.mean)


def test_masks_that_do_not_reach_the_network_show_no_variance():
    network = _network()
    whole = {name: np.ones((1, n), np.float32) for name, n in zip(MASKS, SMALL.masks, strict=True)}
    deaf = replace(network, run=lambda inputs: network.run({**inputs, **whole})).sample(_prepared(), 0.0, 3)

    assert 0 == deaf.variance.max()
    assert 1 == pairwise_dice(deaf)


def test_drawn_masks_keep_the_mean():
    drawn = drawn_masks((64,) * 7, passes=50, share=0.2)

    assert 1 == pytest.approx(np.mean([mask.mean() for masks in drawn for mask in masks.values()]), abs=0.02)


def prediction(mask, certain=0.95, image=None):
    probability = np.where(mask, certain, 0.02).astype(np.float32)
    tissues = np.zeros((4, *mask.shape), np.float32)
    tissues[3, 2:-2, 2:-2, 2:-2], tissues[2, 2:4, 2:-2, 2:-2], tissues[1, 4:5] = 0.9, 0.95, 0.97
    tissues[0] = 0.5
    image = np.ones(mask.shape, np.float32) + 0.5 * mask if image is None else image
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    return Prediction(
        image=image,
        probability=probability,
        tissues=tissues,
        level=1.0,
        mask=mask,
        affine=affine,
        features=describe(image, affine),
    )


def blobs(*places, side=24):
    mask = np.zeros((side, side, side), bool)
    for place in places:
        mask[tuple(slice(p, p + 3) for p in place)] = True
    return mask


@pytest.mark.parametrize("bright", [1.3, 1.6, 2.4])
@pytest.mark.parametrize("gain", [0.5, 1.0, 3.0])
def test_a_blurred_lesion_ends_where_it_began_whatever_its_contrast_and_the_scale(bright, gain):
    true = np.linalg.norm(np.mgrid[:32, :32, :32] - 15.5, axis=0) < 6
    image = gain * (1 + (bright - 1) * gaussian_filter(true.astype(np.float32), 1.2))
    careless = gaussian_filter(true.astype(np.float32), 3.0)
    level = level_of_border(image, careless, np.ones(true.shape, bool), 0.5)
    found = (careless >= 0.1) & (image >= level)

    assert gain * (1 + 0.4 * (bright - 1)) < level < gain * (1 + 0.6 * (bright - 1))
    assert 0.9 < found.sum() / true.sum() < 1.1
    assert (careless >= 0.1).sum() > 1.5 * true.sum()


def test_the_border_is_never_below_white_matter_and_no_white_matter_is_one():
    mask = blobs((10, 10, 10))
    dark, white = np.where(mask, 0.4, 0.8).astype(np.float32), np.ones(mask.shape, bool)

    assert 0.8 == pytest.approx(level_of_border(dark, mask.astype(np.float32), white, 0.5))
    assert 1.0 == level_of_border(dark, mask.astype(np.float32), ~white, 0.5)


def test_another_threshold_calls_more_and_never_below_the_border():
    mask = blobs((6, 6, 6), (14, 14, 14))
    found = replace(prediction(mask), level=1.2)

    np.testing.assert_array_equal(mask, found.called_from(0.5))
    np.testing.assert_array_equal(mask, found.called_from(0.0))
    assert not replace(found, level=1.6).called_from(0.0).any()


def test_lesions_are_counted_without_specks():
    mask = blobs((6, 6, 6), (14, 14, 14))
    mask[20, 20, 3] = True

    assert 2 == lesion_count(mask, prediction(mask))


def test_every_number_of_an_empty_map_is_finite():
    empty = np.zeros((24, 24, 24), bool)

    assert all(np.isfinite(value) for value in single_pass(prediction(empty)).values())


def test_a_map_in_doubt_has_more_entropy_less_confidence_and_a_wider_interval():
    mask = blobs((6, 6, 6), (14, 14, 14))
    sure, unsure = (prediction(mask, certain) for certain in (0.98, 0.7))
    clear, vague = single_pass(sure), single_pass(unsure)
    low, high = interval_ml(unsure, 1.0)

    assert clear["entropy"] < vague["entropy"]
    assert clear["confidence"] > vague["confidence"]
    assert doubtful_ml(sure) < doubtful_ml(unsure)
    assert low <= mask.sum() * 0.008 <= high


def test_entropy_is_a_bit_at_one_half_and_none_at_certainty():
    np.testing.assert_allclose([0, 1, 0], entropy(np.array([0.0, 0.5, 1.0], np.float32)), atol=1e-5)


def test_pairwise_dice_is_that_of_the_masks_themselves():
    rng = np.random.default_rng(0)
    masks = rng.random((4, 16 * 16 * 16)) < 0.3
    found = _network().sample(_prepared(), 0.0, 2)
    packed = replace(found, masks=np.packbits(masks, axis=1))
    expected = [2 * (a & b).sum() / (a.sum() + b.sum()) for i, a in enumerate(masks) for b in masks[:i]]

    assert np.mean(expected) == pytest.approx(pairwise_dice(packed))
    assert set(several_passes(packed, prediction(np.zeros((16, 16, 16), bool)))) >= {"pairwise Dice", "VS"}


def test_bright_white_matter_is_an_outlier():
    mask = blobs((10, 10, 10))
    noise = 1 + 0.02 * np.random.default_rng(0).standard_normal(mask.shape).astype(np.float32)
    found, _ = outliers(prediction(mask, image=noise + 0.6 * mask))

    assert 1 > (found & ~mask).sum() / mask.sum()
    assert (found & mask).sum() == mask.sum()


def test_a_brain_is_scaled_by_its_white_matter_not_by_its_lesions():
    image = np.ones((20, 20, 20), np.float32) * 200
    image[:6], image[6:8] = 20, 400
    brain = np.ones(image.shape, bool)

    assert 1 == pytest.approx(float(np.median(scaled(image, brain)[8:])))
    assert (
        BRIGHTEST == scaled(image * np.where(np.arange(20) == 19, 50, 1)[:, None, None].astype(np.float32), brain).max()
    )


def test_nothing_but_zeros_is_scaled_to_zeros():
    assert 0 == scaled(np.zeros((4, 4, 4), np.float32), np.zeros((4, 4, 4), bool)).max()


def _write_person(folder, names, shape=(20, 20, 12), mask_shape=None):
    folder.mkdir(parents=True)
    for name, voxels in zip(names, (np.random.default_rng(0).random(shape), np.ones(mask_shape or shape)), strict=True):
        nib.Nifti1Image(voxels.astype(np.float32), np.eye(4)).to_filename(folder / name)


def test_people_are_read_of_either_layout(tmp_path):
    _write_person(tmp_path / "sub-01" / "anat", ("sub-01_FLAIR.nii.gz", "sub-01_space-FLAIR_label-WMH_mask.nii.gz"))
    _write_person(tmp_path / "ms-07", ("ms-07_space-MNI_FLAIR.nii.gz", "ms-07_space-MNI_label-lesion_mask.nii.gz"))

    assert {"sub-01", "ms-07"} == {person.name for person in read_people(tmp_path)}
    assert 4.8 == pytest.approx(next(read_people(tmp_path)).load_ml)


def test_a_mask_on_another_grid_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="NAME"):
        list(read_people(tmp_path))
    names = ("sub-01_FLAIR.nii.gz", "sub-01_space-FLAIR_label-WMH_mask.nii.gz")
    _write_person(tmp_path / "sub-01" / "anat", names, mask_shape=(20, 20, 10))
    with pytest.raises(ValueError, match="grid"):
        list(read_people(tmp_path))


def test_a_person_is_spoilt_the_same_way_each_time_and_the_first_is_clean(tmp_path):
    names = ("sub-01_FLAIR.nii.gz", "sub-01_space-FLAIR_label-WMH_mask.nii.gz")
    _write_person(tmp_path / "sub-01" / "anat", names)
    person = next(read_people(tmp_path))
    found, again = (list(clean_and_spoilt(person, 6, seed=1)) for _ in range(2))

    assert "" == found[0].spoilt
    assert [one.spoilt for one in found] == [one.spoilt for one in again]
    assert all("" != one.spoilt for one in found[1:])
    assert 1 < len(found) < 7


def _row(name, dice, entropy, volume=10.0, load=10.0):
    numbers = {**dict.fromkeys(NAMES, 0.0), "entropy": entropy, "confidence": 1 - entropy}
    by_threshold = [dice - abs(threshold - 0.6) for threshold in THRESHOLDS]
    return Row(
        name=name,
        spoilt="",
        load_ml=load,
        dice=dice,
        volume_ml=volume,
        doubt_ml=4.0,
        by_threshold=by_threshold,
        numbers=numbers,
        outliers=(0.3, 12.0),
    )


def _rows(shift=0.0, people=20):
    rng = np.random.default_rng(0)
    entropies = rng.uniform(0.2, 0.8, 2 * people)
    return [
        _row(f"p{n // 2}", float(np.clip(1 - e - shift, 0, 1)), float(e), load=10 + float(rng.normal()))
        for n, e in enumerate(entropies)
    ]


def test_the_threshold_is_that_of_the_largest_dice_and_tiny_loads_do_not_set_it():
    tiny = replace(_row("tiny", 0.1, 0.5, load=1.0), by_threshold=[float(t == 0.2) for t in THRESHOLDS])

    assert 0.6 == best_threshold([*_rows(), tiny])
    with pytest.raises(ValueError, match="more heads"):
        best_threshold([tiny])


def test_the_loss_learnt_on_other_heads_is_shifted_to_people_and_its_bounds_hold():
    learnt = fit_loss(_rows(), 4)
    people = _rows(shift=0.15)
    told = recalibrated(learnt, people)
    before, after = (np.mean([1 - r.dice - h.expect(r.numbers) for r in people]) for h in (learnt, told))
    held = [h[0] <= 1 - r.dice <= h[1] for r in people for h in [told.interval(r.numbers)]]

    assert abs(after) < 0.3 * abs(before)
    assert np.mean(held) >= 0.9


def test_the_margin_holds_nine_of_ten_volumes():
    rows = _rows()
    margin = fit_margin(rows)

    assert np.mean([abs(row.volume_ml - row.load_ml) <= margin * row.doubt_ml for row in rows]) >= 0.9


def test_every_table_is_printed_of_rows_with_and_without_passes():
    printed = "\n".join(tables(_rows(), fit_loss(_rows(), 4), 1.0, 0.6))

    assert "passes: pairwise Dice" not in printed
    for title in ("| p3 |", "AURC", "MAE", "covered"):
        assert title in printed


def test_error_maps_have_their_rows_where_there_are_any_and_small_loads_are_told_apart():
    numbers = {"error in the mask": 0.3, "log total error": 1.0, "log missed": 0.0}
    bare = _rows()
    rows = [replace(row, errors={**numbers, "error in the mask": row.dice}, filled=numbers) for row in bare]
    with_maps, without = ("\n".join(tables(some, fit_loss(bare, 4), 1.0, 0.6)) for some in (rows, bare))
    apart = "\n".join(synthetic_tables([replace(row, load_ml=1.0) for row in rows], fit_loss(bare, 4)))

    assert "| error map: mean in the mask | 1.00 | 1.00" in with_maps
    assert "| error and prediction |" in with_maps
    assert "| uncertainty and prediction |" in without
    assert "error and prediction" not in without
    assert "error map" not in without
    assert "| 0.3 to 3 | 20 |" in apart


@pytest.mark.parametrize("statistic", [pearson, spearman, auroc])
def test_a_perfect_order_is_one_and_no_order_is_no_number(statistic):
    dice = np.linspace(0.2, 0.9, 20)

    assert 1 == pytest.approx(statistic(dice, dice))
    assert np.isnan(statistic(np.ones(20), np.ones(20)))


def test_auroc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(1)
    scores, dice = rng.random(30), rng.random(30)
    pairs = [(scores[a] < scores[b]) for a in range(30) for b in range(30) if dice[a] < 0.5 <= dice[b]]

    assert np.mean(pairs) == pytest.approx(auroc(scores, dice))


def test_aurc_is_least_for_the_truth_and_the_mean_for_a_score_that_says_nothing():
    dice = np.random.default_rng(2).random(40)

    assert aurc(dice, dice) < aurc(-dice, dice)
    assert (1 - dice).mean() == pytest.approx(aurc(np.zeros(40), dice))
    assert best_nine_tenths(dice, dice) > dice.mean()


def test_a_regression_that_was_shrunk_is_stretched_to_people_again_and_never_turned_round():
    learnt = fit_loss(_rows(), 4)
    shrunk = replace(learnt, weights=tuple(0.05 * weight for weight in learnt.weights))
    told = recalibrated(shrunk, _rows())
    against = recalibrated(shrunk, [replace(row, dice=1 - row.dice) for row in _rows()])
    loss = np.array([1 - row.dice for row in _rows()])
    before, after = (np.abs(loss - [h.expect(row.numbers) for row in _rows()]).mean() for h in (shrunk, told))

    assert after < 0.4 * before
    assert against.weights == shrunk.weights
