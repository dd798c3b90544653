"""The artefacts of FLAIR: whole synthetic heads, tables of judged images, and what is decided of left-out people."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from builders.images.ball_heads import write_ball_heads
from builders.images.judged_flair import prediction, write_table

from daemon.config import optional_bundles
from daemon.core.values import State
from models.bundle import load_bundle
from models.methods.lesions import ARTEFACT, Lesions
from models.physics.spectrum import named
from models.subject import still
from training.harm.drawing import CLEAN
from training.harm.flair_causes import NUMBERS, cause_tables, decided, losses_of
from training.harm.flair_heads import draw_stored_head
from training.harm.flair_images import TISSUE, LesionHarmPlan, write_lesion_images
from training.harm.images import Images
from training.harm.presence_tables import NAMES
from training.lesions.atlas import load_atlas
from training.lesions.people import read_flairs


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_ball_heads(folder)
    atlas = load_atlas(folder, tmp_path_factory.mktemp("atlas"))
    return lambda number: draw_stored_head(atlas, 3, number)


def test_the_same_number_is_the_same_stored_head_of_the_same_map(heads):
    first, again, other = heads(0), heads(0), heads(1)

    np.testing.assert_array_equal(first.voxels, again.voxels)
    assert first.name != other.name
    assert first.voxels.shape == first.labels.shape
    assert first.voxels.min() >= 0


def test_fluid_is_dark_and_grey_matter_no_darker_than_in_flair(heads):
    """Balls have fluid about the brain and scalp about that; medians of what the labels call so."""
    for number in range(4):
        head = heads(number)
        fluid, grey, white = (float(np.median(head.voxels[head.labels == tissue])) for tissue in (1, 2, 3))
        assert fluid < 0.9 * white
        assert grey > 0.74 * white


def test_a_synthetic_heads_harm_may_be_the_severity_and_no_bundle_judges_it(tmp_path):
    write_ball_heads(tmp_path)
    plan = LesionHarmPlan(
        data=tmp_path,
        out=tmp_path / "out",
        atlas=tmp_path / "atlas",
        heads=1,
        styles=1,
        share=0.4,
        families="own",
        loss="severity",
    )
    table = write_lesion_images(plan)
    written = table.read_bytes()
    images = Images.read(table, TISSUE).named(NUMBERS)
    clean = images.artefact == CLEAN

    assert 2 == clean.sum() < len(clean)
    assert 0 == images.harm[clean].max() < images.harm[~clean].min()
    assert not np.isfinite(images.lost).any()
    assert NUMBERS == tuple(images.names)
    write_lesion_images(plan)
    assert written == table.read_bytes()
    for wrong in (replace(plan, heads=0), replace(plan, loss="dice")):
        with pytest.raises(ValueError, match="give --bundle"):
            write_lesion_images(wrong)


def test_flairs_are_read_in_canonical_order_with_the_mask_beside_them(tmp_path):
    voxels, mask = np.zeros((6, 7, 8), np.float32), np.zeros((6, 7, 8), np.uint8)
    voxels[5, 1, 2] = mask[5, 1, 2] = 1
    flipped = np.diag([-2.0, 2.0, 2.0, 1.0])
    for name in ("ms-01", "ms-02"):
        (tmp_path / name).mkdir()
        nib.Nifti1Image(voxels, flipped).to_filename(tmp_path / name / f"{name}_space-MNI_FLAIR.nii.gz")
    nib.Nifti1Image(mask, flipped).to_filename(tmp_path / "ms-02" / "ms-02_space-MNI_label-lesion_mask.nii.gz")
    without, beside = read_flairs(tmp_path)

    assert ("ms-01", None) == (without.truth.name, without.mask)
    assert [[0, 1, 2]] == np.argwhere(beside.truth.voxels).tolist() == np.argwhere(beside.mask).tolist()


def told_by_hand(presence, numbers):
    """The softmax of the manifest's own numbers, clean at 0."""
    raw = [numbers[name] for name in presence["names"]]
    logs = [np.log(max(x, 0) + f) if f > 0 else x for x, f in zip(raw, presence["floors"], strict=True)]
    scaled = [(x - c) / s for x, c, s in zip(logs, presence["centre"], presence["spread"], strict=True)]
    cut = np.clip(scaled, -4, 4)
    odds = np.exp([cut @ w + o for w, o in zip(presence["weights"], presence["offsets"], strict=True)])
    return dict(zip(presence["causes"], odds / (1 + odds.sum()), strict=True))


@pytest.fixture(scope="module")
def bundle():
    folder = optional_bundles().get("brain-wmh")
    if folder is None:
        pytest.skip("no bundle of lesions ships yet")
    return load_bundle(folder)


def test_a_flairs_artefacts_are_told_by_the_spectrum_of_the_stored_image(bundle):
    found = prediction()
    findings = Lesions(bundle).findings_of(found, None, still(found.image, found.affine))
    expected = told_by_hand(bundle.manifest.settings["presence"], named(found.features))
    signal = next(one for one in findings.signals if one.name == ARTEFACT)

    assert dict(findings.presence) == pytest.approx(expected, rel=1e-6)
    assert signal.value == pytest.approx(sum(expected.values()), rel=1e-6)
    assert tuple(findings.presence) == tuple(bundle.manifest.causes) == NAMES


@pytest.fixture
def images(tmp_path):
    return Images.read(write_table(tmp_path / "images.csv"), TISSUE)


def test_a_person_without_a_mask_lost_what_its_own_clean_lesions_say(images):
    np.testing.assert_allclose(losses_of(images), images.harm, atol=1e-6)
    assert np.isnan(images.lost[images.person == "sub-0"]).all()


def test_other_heads_need_only_the_numbers_that_causes_are_told_by(images, bundle):
    others = images.named(NUMBERS)
    assert len(others.names) < len(images.names)
    printed = [*cause_tables(images, bundle, [replace(others, person=np.char.add("other ", others.person))])]

    assert printed[0].endswith(f"{len(others.harm)} of others beside them")


def test_every_table_is_printed_and_the_left_out_people_are_named_right(images, bundle):
    printed = [*cause_tables(images, bundle)]
    people = next(line for line in printed if line.startswith("| regression, other people |"))

    assert "120 of 120" in people
    assert people.endswith("| 0 of 48 |")
    assert any(line.startswith("| clean as scanned | ") for line in printed)


def told_as(images, clean, spoilt):
    """Presences (N, 5): all of it on the artefact of an image, on noise for a clean one."""
    names = np.where(images.artefact == CLEAN, NAMES[0], images.artefact)
    share = np.where(images.artefact == CLEAN, clean, spoilt)
    return (names[:, None] == np.asarray(NAMES)) * share[:, None]


def lost(bundle, below):
    """The bundle with a regression that loses nearly everything, or nothing, whatever it reads."""
    settings = bundle.manifest.settings
    root = 0.95 if below else 0.1
    harm = {**settings["loss"], "weights": [0.0] * len(settings["loss"]["names"]), "offset": root}
    manifest = replace(bundle.manifest, settings={**settings, "loss": harm})
    return replace(bundle, manifest=manifest)


def test_a_rescan_needs_an_evident_artefact_and_lesions_that_are_surely_lost(images, bundle):
    spoilt = images.artefact != CLEAN
    evident, vague = told_as(images, 0.01, 0.97), told_as(images, 0.01, 0.3)

    def states(told, *, below):
        return {one.state for one, bad in zip(decided(images, told, lost(bundle, below)), spoilt, strict=True) if bad}

    assert {State.RESCAN} == states(evident, below=True)
    assert {State.REVIEW} == states(vague, below=True)
    assert {State.REVIEW} == states(evident, below=False)


def test_the_cause_of_a_review_is_what_shows_most(images, bundle):
    verdicts = decided(images, told_as(images, 0.01, 0.97), lost(bundle, below=False))

    assert all(
        one.cause == artefact for one, artefact in zip(verdicts, images.artefact, strict=True) if artefact != CLEAN
    )


def test_ones_own_clean_images_are_no_reference_for_oneself(images, bundle):
    """At 0.5 an artefact is unusual beside the 46 clean images of the others, though one's own have 0.6."""
    own = (images.person == "sub-1") & (images.artefact == CLEAN)
    told = np.where(own[:, None], 60 * told_as(images, 0.01, 0.5), told_as(images, 0.01, 0.5))
    verdicts = decided(images, told, lost(bundle, below=False))
    mine = (images.person == "sub-1") & (images.artefact != CLEAN)

    assert {State.REVIEW} == {one.state for one, chosen in zip(verdicts, mine, strict=True) if chosen}
