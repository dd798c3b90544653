"""A site's own people with lesions: what is found and refused, what a network sees of them, and who is left out."""

from dataclasses import replace
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch
from builders.images.flair import golden_flair

import training.lesions.own.judging
from daemon.config import optional_bundles
from models.bundle import BundleError
from models.lesions.prediction import IMAGES, whole_masks
from models.methods.lesions import ROLE
from models.subject import Subject, still
from training.bids.faults import BidsError, Fault
from training.lesions.calibrate import NAMES
from training.lesions.judged import THRESHOLDS, Row
from training.lesions.own.examples import OwnStream, draw_example, draw_movement, moved
from training.lesions.own.judging import JudgePlan, judge_own, judged_rows, tried_rows
from training.lesions.own.people import check_people, find_people, images_of, parts_of, read_person, write_people
from training.lesions.own.report import Judged, comparison
from training.lesions.own.start import MARGIN, load_start
from training.lesions.own.train import TunePlan, stream_of
from training.lesions.own.windows import Window, window, window_of
from training.lesions.people import Person
from training.synthesis.anatomy import Deformation
from training.synthesis.generators import generators_of
from training.synthesis.heads import CorruptionModel

SHAPE = (12, 14, 6)
AFFINE = np.diag([1.0, 1.0, 4.0, 1.0])
CALM = CorruptionModel(probability=0.0)
STILL = Deformation(degrees=(0, 0, 0), scales=(1, 1, 1), bend_mm=0.0, mirrored=False, seed=5)


def save(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(voxels, affine).to_filename(path)


def flair():
    return np.random.default_rng(0).random(SHAPE).astype(np.float32)


def mask():
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[4:7, 5:8, 2:4] = 1
    return voxels


def write(folder, person, named="label-lesion_mask", below=""):
    save(folder / person / "anat" / f"{person}_FLAIR.nii.gz", flair())
    save(mask_of(folder, person, named, below), mask())


def mask_of(folder, person, named="label-lesion_mask", below=""):
    return folder / below / person / "anat" / f"{person}_{named}.nii.gz"


def faults(folder, least=1, **options):
    with pytest.raises(BidsError) as caught:
        check_people(find_people(folder, least, **options))
    return {(finding.fault, finding.person) for finding in caught.value.findings}, str(caught.value)


@pytest.mark.parametrize("below", ["", "derivatives/by hand"])
@pytest.mark.parametrize(
    "named", ["label-WMH_mask", "label-lesion_mask", "label-lesions_mask", "space-FLAIR_label-wmh_mask"]
)
def test_masks_are_found_where_people_keep_them(tmp_path, named, below):
    for person in ("sub-A", "sub-B"):
        write(tmp_path, person, named, below)
    save(tmp_path / "sub-A" / "anat" / "sub-A_desc-brain_mask.nii.gz", np.ones(SHAPE, np.uint8))
    found = find_people(tmp_path, 2)
    check_people(found)

    assert ["sub-A", "sub-B"] == [scan.person for scan in found]
    assert [mask_of(tmp_path, p, named, below) for p in ("sub-A", "sub-B")] == [scan.labels for scan in found]


def test_everything_that_is_wrong_is_said_at_once_files_and_their_contents(tmp_path):
    for number in range(1, 9):
        write(tmp_path, f"sub-{number}")
    mask_of(tmp_path, "sub-1").unlink()
    save(mask_of(tmp_path, "sub-2", "label-WMH_mask"), mask())
    save(mask_of(tmp_path, "sub-3"), mask()[:-1])
    save(mask_of(tmp_path, "sub-4"), mask() * np.arange(6, dtype=np.uint8))
    save(mask_of(tmp_path, "sub-5"), 1 - mask())
    flair_of_6 = tmp_path / "sub-6" / "anat" / "sub-6_FLAIR.nii.gz"
    flair_of_6.write_bytes(flair_of_6.read_bytes()[:-40])
    save(tmp_path / "sub-7" / "anat" / "sub-7_FLAIR.nii.gz", np.zeros(SHAPE, np.float32))
    found, said = faults(tmp_path, 9)

    assert {
        (Fault.NO_MASK, "sub-1"),
        (Fault.SEVERAL_MASKS, "sub-2"),
        (Fault.AFFINES_DIFFER, "sub-3"),
        (Fault.NOT_A_MASK, "sub-4"),
        (Fault.NOT_A_MASK, "sub-5"),
        (Fault.BROKEN, "sub-6"),
        (Fault.EMPTY, "sub-7"),
        (Fault.FEW_PEOPLE, ""),
    } == found
    assert "--leave-out sub-1,sub-2,sub-3,sub-4,sub-5,sub-6,sub-7" in said
    assert ["sub-8"] == [s.person for s in find_people(tmp_path, 1, leave_out={f"sub-{n}" for n in range(1, 8)})]


def test_people_without_a_lesion_are_welcome_unless_nobody_has_one(tmp_path):
    for person in ("sub-1", "sub-2"):
        write(tmp_path, person)
    save(mask_of(tmp_path, "sub-1"), np.zeros(SHAPE, np.uint8))
    check_people(find_people(tmp_path, 2))
    save(mask_of(tmp_path, "sub-2"), np.zeros(SHAPE, np.uint8))

    assert {(Fault.NO_LESIONS, "")} == faults(tmp_path)[0]


def test_a_folder_without_flair_is_refused_with_what_it_should_hold(tmp_path):
    found, said = faults(tmp_path)

    assert {(Fault.NO_PEOPLE, "")} == found
    assert "FLAIR" in said


def test_people_are_laid_out_without_their_names_and_with_what_they_are(tmp_path):
    for person, session in (("sub-Jane", "1"), ("sub-Jane", "2"), ("sub-John", "1")):
        anat = tmp_path / "bids" / person / f"ses-{session}" / "anat"
        stem = f"{person}_ses-{session}"
        save(anat / f"{stem}_FLAIR.nii.gz", flair() + float(session))
        save(anat / f"{stem}_label-lesion_mask.nii.gz", 255 * mask())
    scans = find_people(tmp_path / "bids", 2)
    written = write_people(tmp_path / "people", scans)
    people = [read_person(path) for path in written]

    assert ["sub-001", "sub-001", "sub-002"] == [person.name for person in people]
    assert not [path for path in (tmp_path / "people").rglob("*") if "J" in path.name]
    np.testing.assert_allclose(flair() + 2, people[1].voxels, rtol=1e-6)
    np.testing.assert_array_equal(mask() > 0, people[1].mask)
    assert 2 == len(images_of(tmp_path / "people", ["sub-001"]))


@pytest.fixture(scope="module")
def start():
    return load_start(optional_bundles()["brain-wmh"])


def painted(affine, turned):
    """The golden head, a bright cube painted where its mask is, stored along other axes."""
    image = golden_flair(4.0)
    voxels, inside = image.still.copy(), np.zeros(image.still.shape, bool)
    inside[50:60, 55:63, 24:28] = True
    voxels[inside] = 5 * np.percentile(voxels, 99)
    return Person(name="p", voxels=turned(voxels).copy(), affine=image.affine @ affine, mask=turned(inside).copy())


TURNED = np.diag([-1.0, 1.0, 1.0, 1.0])
TURNED[0, 3] = golden_flair(4.0).still.shape[0] - 1


@pytest.mark.parametrize(("affine", "turned"), [(np.eye(4), lambda v: v), (TURNED, lambda v: v[::-1])])
def test_a_mask_lands_where_it_was_and_tissues_are_what_the_start_says(start, affine, turned):
    person = painted(affine, turned)
    made = window(person, start)
    box = start.settings.grid.box

    assert tuple(side + 2 * MARGIN for side in box) == made.image.shape == made.lesions.shape
    assert person.load_ml == pytest.approx(float(made.lesions.sum()) * 0.008, rel=0.02)
    assert (made.image[made.lesions > 0.99] > 4).all()
    assert not (made.image[made.lesions == 0] > 4).any()

    prepared = start.method().prepare(Subject(images={ROLE: still(person.voxels, person.affine)}), start.graphs)
    said = start.graphs["lesions"]({IMAGES: prepared.images, **whole_masks(start.settings.channels)})["tissue"]
    inner = (slice(MARGIN, -MARGIN),) * 3
    np.testing.assert_array_equal(prepared.images[0, 0], made.image[inner])
    np.testing.assert_array_equal(said[0, 1:], made.tissues[:, *inner])


def test_a_bundle_that_is_none_of_lesions_is_no_start():
    with pytest.raises(BundleError, match="no bundle of lesions"):
        load_start(optional_bundles()["brain-wmh"].parents[1] / "zoo" / "brain-t1")


def blob(side=48, at=(12, 30, 24)):
    axes = [np.arange(side) - a for a in at]
    near = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2 < 5**2
    return near.astype(np.float32)


def middle(shares):
    """The centre of mass about the box' middle."""
    index = np.argwhere(shares.numpy() > 0.5)
    return index.mean(axis=0) - (np.asarray(shares.shape) - 1) / 2


def test_a_mirrored_head_is_mirrored_from_left_to_right_and_nothing_else():
    layers = torch.from_numpy(blob())[None]
    plain, mirrored = (moved(layers, replace(STILL, mirrored=m), (32, 32, 32))[0] for m in (False, True))

    np.testing.assert_allclose(middle(plain) * (-1, 1, 1), middle(mirrored), atol=0.3)
    np.testing.assert_allclose((-11.5, 6.5, 0.5), middle(plain), atol=4.6)


def test_image_mask_and_tissues_move_together():
    lesions = blob()
    tissues = np.stack([0.0 * lesions, 0.0 * lesions, 1 - lesions])
    for seed in range(6):
        generators = generators_of(seed)
        made = draw_example(
            Window(1 + lesions, lesions, tissues), draw_movement(generators.host), CALM, (32, 32, 32), generators
        )
        image, found = made.images[0, 0], made.lesions[0, 0]

        assert found.max() > 0.9
        assert image[found > 0.99].median() > 1.3 * image[(made.tissues[0, 3] > 0.99)].median()
        assert made.tissues[0, 3][found > 0.99].max() < 0.02
        np.testing.assert_allclose(1, made.tissues[0].sum(dim=0).numpy(), atol=1e-5)


def test_every_window_comes_once_before_one_comes_again_and_the_same_number_is_the_same(tmp_path):
    paths = [tmp_path / f"{level}.npz" for level in range(3)]
    for level, path in enumerate(paths):
        shape = np.full((32, 32, 32), level / 4 + 0.1, np.float32)
        np.savez(path, image=shape, lesions=shape, tissues=np.zeros((3, 32, 32, 32)))
    stream = OwnStream(windows=paths, seed=1, box=(16, 16, 16), corruption_model=CALM)
    seen = [round(float(stream.example(number).lesions.median()), 2) for number in range(6)]

    assert [0.1, 0.35, 0.6] == sorted(seen[:3]) == sorted(seen[3:])
    assert torch.equal(stream.example(4).images, next(stream.examples(4)).images)


@pytest.fixture
def people(tmp_path):
    """Five people, one of whom was scanned twice."""
    for number in range(1, 6):
        for run in range(1, 3 if number == 2 else 2):
            name = f"sub-{number:03d}_run-{run}"
            save(tmp_path / "people" / f"sub-{number:03d}" / "anat" / f"{name}_FLAIR.nii.gz", flair())
            save(tmp_path / "people" / f"sub-{number:03d}" / "anat" / f"{name}_label-lesion_mask.nii.gz", mask())
    return tmp_path / "people"


def test_who_is_left_out_is_in_no_example_and_everybody_else_is(people):
    parts = parts_of(people, 2)
    everybody = {window_of(path) for path in images_of(people, [p for part in parts for p in part])}
    for fold, part in enumerate(parts):
        plan = TunePlan(run=people, data=people, start=people, fold=fold, folds=2)
        seen = set(stream_of(plan, (16, 16, 16)).windows)

        assert not {path for path in seen if path.name.partition("_")[0] in part}
        assert everybody - seen == {window_of(path) for path in images_of(people, part)}
    whole = TunePlan(run=people, data=people, start=people, fold=2, folds=2)
    assert everybody == set(stream_of(whole, (16, 16, 16)).windows)


def row(name, spoilt, best, dice=0.7):
    return Row(
        name=name,
        spoilt=spoilt,
        load_ml=10.0,
        dice=dice,
        volume_ml=9.0,
        doubt_ml=4.0,
        by_threshold=[1 - abs(threshold - best) for threshold in THRESHOLDS],
        numbers=dict.fromkeys(NAMES, dice),
        outliers=(0.3, 12.0),
    )


def test_people_are_judged_by_the_network_that_left_them_out_from_the_others_threshold_on(
    people, tmp_path, monkeypatch
):
    parts, asked = parts_of(people, 2), []
    own_best = {person: (0.3, 0.6)[number] for number, part in enumerate(parts) for person in part}

    def judge(person, threshold, network):
        asked.append((person.name, person.spoilt, threshold, network))
        return row(person.name, person.spoilt, own_best[person.name])

    stub = SimpleNamespace(run=lambda network: network, method=lambda threshold=None: threshold)
    for name, stand_in in (
        ("load_start", lambda _: stub),
        ("own_network", lambda path: path.parent.name),
        ("judge_person", judge),
    ):
        monkeypatch.setattr(training.lesions.own.judging, name, stand_in)
    plan = JudgePlan(data=people, start=people, runs="without-{fold}", folds=2, out=tmp_path / "rows", draws=2)
    judge_own(plan)

    for name, spoilt, threshold, network in asked:
        part = next(number for number, members in enumerate(parts) if name in members)
        assert f"without-{part}" == network
        assert threshold in (None, pytest.approx((0.6, 0.3)[part]))
        assert not spoilt or threshold is not None
    assert 6 == len(tried_rows(plan.out))
    assert 6 == len([key for key in judged_rows(plan.out) if not key[1]])
    before = len(asked)
    judge_own(plan)
    assert before == len(asked)


def test_the_comparison_counts_what_both_could_judge_and_says_the_gain(start):
    settings = replace(start.settings, loss=replace(start.settings.loss, people=3))
    rows = {(f"sub-00{n}_run-1", spoilt): row(f"sub-00{n}", spoilt, 0.5) for n in (1, 2, 3) for spoilt in ("", "noise")}
    better = {key: replace(one, dice=0.8) for key, one in rows.items() if key != ("sub-003_run-1", "noise")}
    printed = "\n".join(
        comparison(Judged(name="own", rows=better, settings=settings), Judged(name="old", rows=rows, settings=settings))
    )

    assert "| Dice, 3 clean series | 0.700 | 0.800 | +0.100 [+0.100, +0.100] |" in printed
    assert "Dice, 2 spoilt series" in printed
    assert "| series that could be judged | 6 | 5 | |" in printed
