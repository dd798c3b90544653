"""The cine method on hearts that are known: what it tells, what it refuses, however the series lies."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.images.beating import affine, beat, graphs
from cattrs import Converter

from models.bundle import Bundle, BundleError, structured
from models.cine.frame import in_frame
from models.cine.numbers import FRACTIONS, VOLUMES
from models.cine.quality import CauseModel, relative_names
from models.cine.reading import CLASSES
from models.cine.scores import CineSettings, slice_scores
from models.findings import NotThis
from models.graphs import Tensor
from models.manifest import Golden, GraphFile, Manifest, Reference, Thresholds, Training
from models.methods.cine import GRAPHS, ROLE, CineMethod, stack_of
from models.subject import Image, Subject
from training.cine.faults import mistriggered

EXPORT = Path(__file__).parents[3] / "export" / "cine.toml"


def settings():
    count = len(relative_names())
    return CineSettings(
        classes=CLASSES,
        channels=4,
        temperature=1.0,
        interval_margins=dict.fromkeys((*VOLUMES, *FRACTIONS), (0.05, 0.05)),
        mask_limits=dict.fromkeys(("pieces", "holes", "dents", "ring", "gap", "likelihood"), (10.0, 10.0)),
        cause_limits={"mistriggering": 0.3, "breathing": 0.5, "noise": 0.5, "ghosting": 0.5},
        doubt_limit=20.0,
        causes=CauseModel(
            features=relative_names(),
            centre=(0.0,) * count,
            scale=(1.0,) * count,
            weights=((0.0,) * count,) * 4,
            bias=(5.0, 0.0, 0.0, 0.0),
        ),
    )


@pytest.fixture(scope="module")
def method():
    return method_with(settings())


def method_with(settings):
    def tensors(names):
        return tuple(Tensor(name=name, dtype="float32", dims=(None,)) for name in names)

    measured = {
        "name": "cine-test",
        "version": "0",
        "graphs": {
            n: GraphFile(file=f"{n}.onnx", inputs=tensors(i), outputs=tensors(o)) for n, (i, o) in GRAPHS.items()
        },
        "settings": settings,
        "references": (Reference(source="", scores={"doubt": (1.0,)}),),
        "known": Reference(source="", scores={}),
        "thresholds": Thresholds(alpha=0.1, unfamiliar=0.1, tolerated_loss=1, impaired=1, evident=0.4, certain=0.9),
        "golden": Golden(images={ROLE: ""}, outputs="", expected={}, tolerances={}),
        "parity": {},
        "training": Training(data=(), licence="", notice=""),
    }
    declared = tomllib.loads(EXPORT.read_text())
    manifest = structured({"format": 5, **declared, **Converter().unstructure(measured)}, Manifest)
    return CineMethod(Bundle(Path(), manifest, ""))


def test_a_bundle_whose_causes_read_other_features_is_refused():
    """As many as there are, in another order: no shape tells."""
    own = settings()
    turned = replace(own.causes, features=own.causes.features[::-1])
    with pytest.raises(BundleError, match="features are not those of this software's slices"):
        method_with(replace(own, causes=turned))


def image(frames, place):
    return Image(
        voxels=frames, affine=place, times_ms=np.arange(len(frames), dtype=float), dimensions=({},) * len(frames)
    )


def signal(findings, name):
    return next(one for one in findings.signals if one.name == name)


@pytest.fixture(scope="module")
def found(method):
    return method.examine(Subject(images={ROLE: image(beat()[0], affine())}), graphs())


def test_a_heart_has_its_numbers_each_within_its_interval(found):
    assert tuple(VOLUMES) == tuple(one.name for one in found.structures)
    for one in found.structures:
        assert one.interval_ml[0] <= one.volume_ml <= one.interval_ml[1]
    fraction = signal(found, "LV ejection fraction").value
    full, empty = (one.volume_ml for one in found.structures[:2])
    assert 1 - empty / full == pytest.approx(fraction)
    assert full - empty == pytest.approx(signal(found, "LV stroke volume").value)


@pytest.mark.parametrize("turn", ["transposed", "quarter"])
def test_however_the_series_lies_it_gets_the_same_numbers_and_labels(method, found, turn):
    frames, place = beat()[0], affine()
    moved = place.copy()
    if turn == "quarter":
        frames = frames[:, ::-1]
        moved[:3, 3] += place[:3, 0] * (frames.shape[1] - 1)
        moved[:3, 0] *= -1
    turned, moved = np.ascontiguousarray(frames.swapaxes(1, 2)), moved[:, [1, 0, 2, 3]]
    again = method.examine(Subject(images={ROLE: image(turned, moved)}), graphs())
    labels, own = (one.maps["labels-ed"]() for one in (found, again))
    back = own.swapaxes(0, 1)

    assert [one.volume_ml for one in found.structures] == [one.volume_ml for one in again.structures]
    np.testing.assert_array_equal(labels, back[::-1] if turn == "quarter" else back)
    assert turned.shape[1:] == own.shape


def test_labels_lie_on_the_ventricle_of_the_image_itself(found):
    frames, _ = beat()
    labels = found.maps["labels-ed"]()
    x, y = np.argwhere(labels[:, :, 2] == 3).mean(axis=0)

    assert frames.shape[1:] == labels.shape
    assert (70, 80) == pytest.approx((x, y), abs=2)


def test_a_series_a_slice_is_the_same_stack():
    frames, place = beat()[0], affine()
    parts = []
    for k in (3, 0, 1, 2, 7, 6, 5, 4):
        at = place.copy()
        at[:3, 3] += place[:3, 2] * k
        parts.append(image(np.ascontiguousarray(frames[..., k : k + 1]), at))
    stacks = stack_of((image(frames, place),)), stack_of(parts)
    whole, joined = (in_frame(stack.frames, stack.affine) for stack in stacks)

    np.testing.assert_array_equal(whole.frames, joined.frames)
    np.testing.assert_allclose(whole.affine, joined.affine)


def by_slice(frames, place):
    """A series a slice of a stack."""
    slices = []
    for k in range(frames.shape[-1]):
        at = place.copy()
        at[:3, 3] += place[:3, 2] * k
        slices.append(image(np.ascontiguousarray(frames[..., k : k + 1]), at))
    return slices


def test_a_series_a_slice_has_the_volumes_of_the_stack_once_all_are_there(method, found):
    slices = by_slice(beat()[0], affine())
    last = Subject(images={ROLE: slices[-1]}, further={ROLE: tuple(slices[:-1])})
    early = Subject(images={ROLE: slices[1]}, further={ROLE: tuple(slices[:1])})

    assert found.structures == method.examine(last, graphs()).structures
    assert () == method.examine(early, graphs()).structures


def test_of_a_slice_that_was_taken_again_the_later_counts_and_it_is_said(method, found):
    slices = by_slice(beat()[0], affine())
    failed = replace(slices[3], voxels=np.roll(slices[3].voxels, 25, axis=1))
    again = Subject(images={ROLE: slices[-1]}, further={ROLE: (failed, *slices[:-1])})
    too_late = Subject(images={ROLE: failed}, further={ROLE: tuple(slices)})
    told, worse = (method.examine(one, graphs()) for one in (again, too_late))

    assert found.structures == told.structures != worse.structures
    assert ("1 slices were taken again: the later ones count",) == told.remarks == worse.remarks
    assert () == found.remarks


def test_the_slice_that_leads_is_judged_whatever_the_others_are():
    frames, place = beat()[0], affine()
    lead, along = image(frames, place), image(frames, place[:, [0, 2, 1, 3]])
    tilted = place.copy()
    turn = np.radians(20)
    tilted[:3, 1:3] = place[:3, 1:3] @ [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    other = image(np.concatenate([frames, frames], axis=-1), tilted)
    alone = stack_of((lead,))

    for stack in (stack_of((other, lead)), stack_of((along, image(frames[:1], place), lead))):
        np.testing.assert_array_equal(alone.frames, stack.frames)
    with pytest.raises(NotThis, match="long-axis"):
        stack_of((lead, along))


def test_one_slice_is_judged_without_volumes(method):
    frames, place = beat()[0], affine()
    one = method.examine(Subject(images={ROLE: image(frames[..., 2:3], place)}), graphs())

    assert () == one.structures
    assert {"doubt", "mistriggering", "spoiling"} <= {signal.name for signal in one.signals}


def test_a_slice_with_beats_out_of_time_is_spoilt_and_named(method):
    frames = beat(count=20)[0]
    spoilt = frames.copy()
    spoilt[..., 3] = mistriggered(frames[..., 3], 4, np.random.default_rng(1))
    clean, found = (method.examine(Subject(images={ROLE: image(one, affine())}), graphs()) for one in (frames, spoilt))

    assert (3,) == signal(found, "mistriggering").at  # words count from 1
    assert found.presence["mistriggering"] > 0.5 > clean.presence["mistriggering"]
    assert signal(found, "spoiling").value > 1 > signal(clean, "spoiling").value


def test_what_is_no_beating_short_axis_is_refused_by_name(method):
    frames, place = beat(count=8)[0], affine()
    along = place[:, [0, 2, 1, 3]]
    for images, said in (
        (image(frames[:1], place), "no beat"),
        (image(frames, along), "long-axis"),
        (image(np.zeros_like(frames), place), "no signal|flat"),
        (image(np.random.default_rng(0).normal(100, 1, frames.shape).astype(np.float32), place), "no heart"),
    ):
        with pytest.raises(NotThis, match=said):
            method.examine(Subject(images={ROLE: images}), graphs())


def test_a_slice_with_a_few_pixels_of_heart_has_no_doubt_of_its_own(method):
    reading = method.read(in_frame(beat()[0], affine()), graphs())
    labels = np.zeros_like(reading.ed.labels)
    labels[...] = reading.ed.labels
    labels[:, :, 5] = 0
    labels[60:63, 60:63, 5] = 3
    probabilities = reading.ed.probabilities.copy()
    probabilities[..., 5] = 0.25
    ed, es = (replace(one, labels=labels, probabilities=probabilities) for one in (reading.ed, reading.es))
    found = slice_scores(replace(reading, ed=ed, es=es), method.settings)

    assert [5] == np.flatnonzero(np.isnan(found["slice doubt"])).tolist()
    assert np.isnan(found["doubt"][5])


def test_the_same_bytes_give_the_same_numbers(method, found):
    again = method.examine(Subject(images={ROLE: image(beat()[0], affine())}), graphs())

    assert found.signals == again.signals
    assert found.structures == again.structures
