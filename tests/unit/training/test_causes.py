"""The artefacts of FLAIR and T1: synthetic FLAIR, tables of judged images, and what is decided of left-out people."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from builders.images.ball_heads import write_ball_heads
from builders.images.judged_flair import prediction, write_table
from builders.judging.values import shipped

from daemon.config import optional_bundles, shipped_bundles
from daemon.core.values import State
from models.brain.scores import JUDGED
from models.bundle import load_bundle
from models.methods.lesions import ARTEFACT, Lesions
from models.physics.spectrum import named
from models.statistics.harm import CLEAN
from models.subject import still
from training.harm.causes import NUMBERS, cause_tables, decided, kind_of, losses_of
from training.harm.flair_images import TISSUE, LesionHarmPlan, write_lesion_images
from training.harm.images import Images
from training.harm.presence_tables import NAMES, presence_of
from training.harm.stored_heads.flair import draw_stored_head
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


WAYS = ("before (0.5.0)", "regression, other people")


def as_judged_by_heads(artefact):
    """What a bundle of heads told: a spoilt image is uncertain by its artefact; the graph is sure of wrap each time."""
    spoilt = artefact != CLEAN
    return {
        **{name: 0.5 * (name == artefact) for name in NAMES},
        **{f"presence of {name}": 0.9 * (name == "wrap") for name in NAMES},
        "uncertainty": 0.6 if spoilt else 0.1,
        "entropy": 0.3,
        "task": 1.0,
        "snr": 9.0,
        "cnr": 2.0,
        "fact:feature distance": 1.0,
        "fact:histogram distance": 1.0,
        "fact:coarsest mm": 1.0,
    }


def without_loss():
    """The shipped bundle of heads as it judges where no loss is told: the table has not all numbers that one reads."""
    manifest = shipped().manifest
    return replace(shipped(), manifest=replace(manifest, settings={**manifest.settings, "harm": None}))


@pytest.fixture
def heads_judged(tmp_path):
    return Images.read(write_table(tmp_path / "heads.csv", 6, tissue=JUDGED, judged=as_judged_by_heads), JUDGED)


def test_of_heads_the_graphs_own_word_stands_beside_the_regressions(heads_judged):
    before = replace(without_loss(), manifest=replace(without_loss().manifest, version="0.5.0"))
    printed = [*cause_tables(heads_judged, without_loss(), before=before)]
    graph, people = (next(line for line in printed if line.startswith(f"| {way} |")) for way in WAYS)

    assert "| 6 of 30 |" in graph
    assert graph.endswith("| 12 of 12 |")
    assert "| 30 of 30 |" in people
    assert people.endswith("| 0 of 12 |")


def test_of_heads_an_evident_artefact_with_an_impaired_task_is_a_rescan_named_by_the_variances(heads_judged):
    spoilt = heads_judged.artefact != CLEAN
    evident, vague = told_as(heads_judged, 0.01, 0.97), told_as(heads_judged, 0.01, 0.1)
    sure, unsure = (decided(heads_judged, told, without_loss()) for told in (evident, vague))

    assert {State.RESCAN} == {one.state for one, bad in zip(sure, spoilt, strict=True) if bad}
    assert {State.REVIEW} == {one.state for one, bad in zip(unsure, spoilt, strict=True) if bad}
    assert {State.ACCEPT} == {one.state for one, bad in zip(sure, spoilt, strict=True) if not bad}
    assert all(
        one.cause == artefact for one, artefact, bad in zip(sure, heads_judged.artefact, spoilt, strict=True) if bad
    )


def test_heads_are_compared_with_heads_of_voxels_of_their_size(heads_judged):
    """At 0.18 the total is above the limit of whole 1 mm heads and below that of thick slices."""
    count = len(heads_judged.harm)
    column = heads_judged.names.index("uncertainty")
    told = told_as(heads_judged, 0.01, 0.97)

    def states(coarsest_mm):
        numbers = heads_judged.numbers.copy()
        numbers[:, column] = 0.18
        numbers[:, [heads_judged.names.index(name) for name in NAMES]] = 0.0
        beside = {**heads_judged.beside, "fact:coarsest mm": np.full(count, coarsest_mm)}
        return {
            one.state for one in decided(replace(heads_judged, numbers=numbers, beside=beside), told, without_loss())
        }

    assert State.ACCEPT not in states(1.0)
    assert {State.ACCEPT} == states(4.0)


def test_people_beside_are_learnt_from_but_never_by_those_of_the_same_name(images):
    few = images.named(NUMBERS).of(np.isin(images.person, ["sub-0", "sub-1", "sub-2"]))
    same = few.of(few.person == "sub-1")
    lying = replace(same, artefact=np.where(same.artefact == CLEAN, CLEAN, NAMES[0]))
    others = replace(lying, person=np.full(len(lying.harm), "another"))
    own = few.person == "sub-1"
    alone, namesake, beside = (
        presence_of(few, kind_of(shipped()).fit, beside=[one] if one else [])[own] for one in (None, lying, others)
    )

    np.testing.assert_array_equal(alone, namesake)
    assert np.abs(alone - beside).max() > 0.01


def test_a_method_that_tells_no_artefacts_by_a_regression_is_refused_by_name():
    with pytest.raises(ValueError, match="any-mr tells no artefacts"):
        kind_of(load_bundle(shipped_bundles()["any-mr"]))
